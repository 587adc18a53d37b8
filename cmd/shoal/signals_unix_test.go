//go:build unix

package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Without a handler, either signal would end the test's own process.
func TestASignalDuringTheStartStopsItCleanly(t *testing.T) {
	flags := nodeFlags{data: dataFlags{filepath.Join(t.TempDir(), "data")}}
	err := serve(t.Context(), &Common{LogLevel: "error"}, terminal{err: io.Discard}, flags, func(ctx context.Context, n *node) (func() error, error) {
		for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGTERM} {
			if err := syscall.Kill(os.Getpid(), s); err != nil {
				t.Fatal(err)
			}
		}
		<-ctx.Done()
		return nil, ctx.Err()
	})
	if err != nil {
		t.Errorf("it ended with %v", err)
	}
	absent(t, filepath.Join(flags.data.Data, "run"))
}

func TestATerminalIsToldFromAPipe(t *testing.T) {
	tty, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if !isTerminal(tty) || isTerminal(w) || isTerminal(io.Discard) {
		t.Errorf("terminal %v, pipe %v, other %v", isTerminal(tty), isTerminal(w), isTerminal(io.Discard))
	}
}
