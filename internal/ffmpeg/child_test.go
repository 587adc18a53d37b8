package ffmpeg

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

func find(t *testing.T) Program {
	t.Helper()
	p, err := Find()
	if err != nil {
		t.Fatalf("%v (make setup installs it)", err)
	}
	return p
}

// picture is a camera in real time.
var picture = []string{"-re", "-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25"}

// forever are the arguments of a run that does not end by itself.
func forever() []string { return append(picture, "-f", "null", "-") }

func TestARunTellsHowFarItIs(t *testing.T) {
	t.Parallel()
	var told []Progress
	err := find(t).Run(t.Context(), Command{
		Args:     []string{"-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25", "-t", "2", "-c:v", "mpeg2video", "-f", "mpegts", filepath.Join(t.TempDir(), "out.ts")},
		Progress: func(p Progress) { told = append(told, p) },
	})
	if err != nil {
		t.Fatal(err)
	}
	last := told[len(told)-1]
	if !last.End || last.Frames != 50 || last.OutTime < 1900*time.Millisecond || last.Bytes == 0 {
		t.Errorf("at the end it says %+v", last)
	}
}

func TestInputOutputAndProgressGoTheirOwnWays(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	var last Progress
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	child, err := find(t).Start(t.Context(), Command{
		Args:       []string{"-f", "s16le", "-ar", "8000", "-ac", "1", "-i", "pipe:0", "-f", "s16le", "pipe:1", "-f", "s16le", "pipe:3"},
		Stdin:      bytes.NewReader(make([]byte, 16000)),
		Stdout:     &out,
		ExtraFiles: []*os.File{w},
		Progress:   func(p Progress) { last = p },
	})
	if err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	var extra bytes.Buffer
	if _, err := extra.ReadFrom(r); err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	if err := child.Wait(); err != nil {
		t.Fatal(err)
	}
	if out.Len() != 16000 || extra.Len() != 16000 || last.OutTime != time.Second {
		t.Errorf("%d bytes on standard output, %d on the pipe, %s of progress", out.Len(), extra.Len(), last.OutTime)
	}
}

func TestWhatWentWrongIsSaidInFFmpegsWords(t *testing.T) {
	t.Parallel()
	var all bytes.Buffer
	err := find(t).Run(t.Context(), Command{Args: []string{"-i", "/nowhere/film.mp4", "-f", "null", "-"}, Stderr: &all})
	var exit *ExitError
	if !errors.As(err, &exit) || exit.Code <= 0 {
		t.Fatalf("it ended with %v", err)
	}
	if want := "/nowhere/film.mp4: No such file or directory"; !strings.HasSuffix(err.Error(), want) || !strings.Contains(all.String(), want) {
		t.Errorf("it says %q", err)
	}
}

func TestWhoIsToldToStopCompletesTheFile(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancelCause(t.Context())
	film := filepath.Join(t.TempDir(), "film.mp4")
	enough := errors.New("that is enough")
	p := find(t)
	err := p.Run(ctx, Command{
		Args: append(picture, "-c:v", "mpeg4", film),
		Stop: time.Minute,
		Progress: func(at Progress) {
			if at.Frames > 5 {
				stop(enough)
			}
		},
	})
	if !errors.Is(err, enough) {
		t.Fatalf("it ended with %v", err)
	}
	m, err := p.Probe(t.Context(), film)
	if err != nil || m.Video == nil || m.Duration == 0 {
		t.Errorf("the film is %+v, %v", m, err)
	}
}

func TestWhoDoesNotStopIsKilled(t *testing.T) {
	t.Parallel()
	deaf := filepath.Join(t.TempDir(), "deaf")
	if err := os.WriteFile(deaf, []byte("#!/bin/sh\ntrap '' INT\necho deaf >&2\nwhile :; do read -r _; done\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	silence, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = silence.Close(), w.Close() }()
	ctx, stop := context.WithCancel(t.Context())
	child, err := Program{ffmpeg: deaf}.Start(ctx, Command{Stdin: silence, Stop: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	wait(t, "the child to be deaf", func() bool { return len(child.Said()) > 0 })
	stop()
	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }()
	wait(t, "the child to be killed", func() bool { return len(ended) > 0 })
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
}

func TestNoChildOutlivesItsParent(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		return // others have nothing to do it by
	}
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), orphanage+"=1")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatalf("the parent says %q", line)
	}
	_ = parent.Process.Kill()
	_ = parent.Wait()
	wait(t, "the child to die", func() bool {
		// Its new parent may leave it unburied.
		status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		return err != nil || bytes.Contains(status, []byte(") Z "))
	})
}

func wait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func TestLittleIsKeptOfAChildThatTalksMuch(t *testing.T) {
	t.Parallel()
	var said tail
	long := strings.Repeat("x", 10*maxLine)
	for range 100 {
		if n, err := said.Write([]byte(long + "\n")); n != len(long)+1 || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
	}
	_, _ = said.Write([]byte("[rtmp @ 0x55d0c83f] [error] Server error: "))
	_, _ = said.Write([]byte("no\n[warning] slow\r\n\n"))
	_, _ = said.Write([]byte("and then"))
	lines := said.lines()
	if len(lines) > maxLines+1 || len(lines[0]) > maxLine {
		t.Errorf("%d lines are kept, the first of %d bytes", len(lines), len(lines[0]))
	}
	if got := joinLast(lines, 3); got != "Server error: no; slow; and then" {
		t.Errorf("it said %q", got)
	}
}
