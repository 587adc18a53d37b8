package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shoalcast/shoal/internal/datadir"
)

// demo starts what `make run` starts, with this tree's shoal, and returns once it has
// said its three lines.
func demo(t *testing.T, data, http, rtmp string, env ...string) (p *process, said *logBuffer) {
	t.Helper()
	// The script runs the shoal beside it, so it gets a tree of its own.
	tree := t.TempDir()
	script, err := os.ReadFile("../scripts/demo.mjs")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"scripts", "bin"} {
		if err := os.Mkdir(filepath.Join(tree, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(tree, "scripts", "demo.mjs")
	if err := os.WriteFile(path, script, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(binary, filepath.Join(tree, "bin", "shoal")); err != nil {
		t.Fatal(err)
	}
	said = &logBuffer{}
	cmd := exec.Command("node", path, data)
	cmd.Env = append(append(os.Environ(), "SHOAL_HTTP="+http, "SHOAL_RTMP="+rtmp, "SHOAL_TORRENT=127.0.0.1:0",
		"SHOAL_WEBRTC=127.0.0.1:0", "SHOAL_TRACKER_UDP=127.0.0.1:0", "SHOAL_STUN=127.0.0.1:0", "SHOAL_SRT="), env...)
	cmd.Stdout = said
	p = run(t, cmd)
	waitFor(t, 45*time.Second, "make run's lines", func() bool {
		select {
		case <-p.done:
			t.Fatalf("make run ended: %s%s", said, p.log)
		default:
		}
		return strings.Count(said.String(), "\n") >= 3
	})
	return p, said
}

// children returns the processes that a process started and that still run.
func children(t *testing.T, parent int) []int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var out []int
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it ended
		}
		// "pid (name) state ppid …"; the name may hold anything.
		line := string(b)
		var pid, ppid int
		var state string
		_, _ = fmt.Sscan(line, &pid)
		_, _ = fmt.Sscan(line[strings.LastIndexByte(line, ')')+1:], &state, &ppid)
		if ppid == parent {
			out = append(out, pid)
		}
	}
	return out
}

func gone(pid int) bool { return syscall.Kill(pid, 0) == syscall.ESRCH }

func TestMakeRunSaysFourLinesAndCtrlCStopsAllOfIt(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	http, rtmp := freePort(t), freePort(t)
	p, said := demo(t, data, http, rtmp)
	i := &instance{t: t, at: datadir.Running{HTTP: "http://" + http}}
	i.live("live")
	started := children(t, p.cmd.Process.Pid)
	waitFor(t, 10*time.Second, "shoal, ffmpeg and three viewers", func() bool {
		started = children(t, p.cmd.Process.Pid)
		return len(started) == 5
	})
	began := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if code := p.wait(t, 10*time.Second); code != 0 {
		t.Errorf("after Ctrl-C: exit %d: %s", code, p.log)
	}
	if took := time.Since(began); took >= 3*time.Second {
		t.Errorf("stopping took %s", took)
	}
	for _, pid := range started {
		if !gone(pid) {
			t.Errorf("process %d still runs", pid)
		}
	}
	lines := strings.Split(strings.TrimSuffix(said.String(), "\n"), "\n")
	if len(lines) != 4 ||
		!strings.HasPrefix(lines[0], "Publish: rtmp://"+rtmp+"/live/live?key=") ||
		!strings.HasPrefix(lines[1], "Watch: http://"+http+"/live/live#") ||
		!strings.HasPrefix(lines[2], "Look: http://"+http+"/dash with the token ") ||
		lines[3] != "Data: "+data || p.log.String() != "" {
		t.Errorf("make run said %q and %q", lines, p.log)
	}
	if b, err := os.ReadFile(filepath.Join(data, "up.log")); err != nil || strings.Contains(string(b), "level=ERROR") {
		t.Errorf("shoal's log (%v): %s", err, b)
	}
}

func TestMakeRunLeavesNothingBehindWhenItIsKilled(t *testing.T) {
	t.Parallel()
	p, _ := demo(t, filepath.Join(t.TempDir(), "data"), freePort(t), freePort(t), "DEMO=0")
	started := children(t, p.cmd.Process.Pid)
	if len(started) != 1 {
		t.Errorf("without the demonstration, make run started %d processes, not shoal alone", len(started))
	}
	p.kill()
	waitFor(t, 10*time.Second, "what make run started to end", func() bool {
		return !slices.ContainsFunc(started, func(pid int) bool { return !gone(pid) })
	})
}
