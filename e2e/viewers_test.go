package e2e

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// viewer is a `shoal watch` that runs beside the test.
type viewer struct {
	*process
	t    *testing.T
	file string
}

// progress is a line of `shoal watch --stats json`; the last one is the summary.
type progress struct {
	T      float64 `json:"t"`
	Upload int64   `json:"upload"`
	summary
}

// view starts a viewer that others on this machine can connect to.
func (i *instance) view(url string, args ...string) *viewer {
	i.t.Helper()
	all := []string{"--listen", "127.0.0.1:0"}
	if i.at.STUN != "" {
		all = append(all, "--ice-servers", i.at.STUN)
	}
	return viewing(i.t, exec.Command, url, append(all, args...)...)
}

// viewing starts a viewer by what makes commands.
func viewing(t *testing.T, command func(name string, args ...string) *exec.Cmd, url string, args ...string) *viewer {
	t.Helper()
	dir := t.TempDir()
	v := &viewer{t: t, file: filepath.Join(dir, "out.mp4")}
	all := []string{"watch", url, "--out", v.file, "--stats", "json", "--pins", filepath.Join(dir, "pins")}
	v.process = run(t, command(binary, append(all, args...)...))
	return v
}

// now returns the last line that is whole: at the end the summary.
func (v *viewer) now() progress { return v.last(`"pieces_verified"`) }

// lastLine returns the state of a second before the end, which the summary has not.
func (v *viewer) lastLine() progress { return v.last(`"upload"`) }

func (v *viewer) last(field string) progress {
	v.t.Helper()
	said := v.log.String()
	said = said[:strings.LastIndexByte(said, '\n')+1]
	var p progress
	for line := range strings.Lines(said) {
		var next progress
		if err := json.Unmarshal([]byte(line), &next); err != nil {
			v.t.Fatalf("watch says %q: %v", line, err)
		}
		if strings.Contains(line, field) {
			p = next
		}
	}
	return p
}

// runs fails the test when the viewer has given up.
func (v *viewer) runs() {
	v.t.Helper()
	select {
	case <-v.done:
		v.t.Fatalf("watch gave up: %s", v.log)
	default:
	}
}

// plays waits until so many more pieces were verified.
func (v *viewer) plays(pieces int64, why string) {
	v.t.Helper()
	before := v.now().PiecesVerified
	waitFor(v.t, 30*time.Second, "a viewer to go on "+why, func() bool {
		v.runs()
		return v.now().PiecesVerified >= before+pieces
	})
}

// leave ends the viewer as Ctrl-C does and returns what it adds up to.
func (v *viewer) leave() progress {
	v.t.Helper()
	began := time.Now()
	if err := v.cmd.Process.Signal(syscall.SIGINT); err != nil {
		v.t.Fatal(err)
	}
	if code := v.wait(v.t, 10*time.Second); code != 0 {
		v.t.Errorf("after Ctrl-C watch ends with %d: %s", code, v.log)
	}
	if took := time.Since(began); took > time.Second {
		v.t.Errorf("watch took %s to end", took)
	}
	return v.now()
}

// requireAllTrue fails the test when anything false was seen.
func (p progress) requireAllTrue(t *testing.T) {
	t.Helper()
	if p.PiecesVerified == 0 || p.PiecesRejected != 0 || *p.BlocksRejected != 0 {
		t.Errorf("%d pieces verified, %d pieces and %d blocks rejected", p.PiecesVerified, p.PiecesRejected, *p.BlocksRejected)
	}
}

func (p progress) total() int64 {
	return p.Bytes["peer"] + p.Bytes["seed"] + p.Bytes["edge"] + p.Bytes["origin"]
}
