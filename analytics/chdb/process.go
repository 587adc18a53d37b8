package chdb

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"time"

	"github.com/shoalcast/shoal/internal/proc"
)

// once runs the child until it ends, or ctx does and with it the child.
func (e *Engine) once(ctx context.Context) error {
	// The kernel ends the child with the thread that started it (bound).
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	words, err := json.Marshal(e.orders) //nolint:gosec // the passwords are for the child
	if err != nil {
		return fmt.Errorf("order the child: %w", err)
	}
	lines := newLines(ctx, e.options.Log)
	//nolint:noctx // it is told to end by its input, and gets time for it
	cmd := exec.Command(e.options.Command[0], e.options.Command[1:]...)
	cmd.Env = append(cmd.Environ(), "TZ=UTC")
	cmd.ExtraFiles = []*os.File{e.listener, e.lock}
	cmd.Stderr = lines
	cmd.SysProcAttr = bound()
	in, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("order the child: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start ClickHouse: %w", err)
	}
	e.watch.began(cmd.Process.Pid)
	defer e.watch.ended()
	stop := context.AfterFunc(ctx, func() { _ = in.Close() })
	defer stop()
	if _, err := in.Write(words); err != nil {
		_ = cmd.Process.Kill() // it ended by itself, if it does not read
	}
	ended := make(chan struct{})
	killed := make(chan struct{})
	go func() {
		defer close(killed)
		killLate(ctx, cmd.Process, ended)
	}()
	err = cmd.Wait()
	close(ended)
	<-killed
	if err == nil && ctx.Err() == nil {
		return fmt.Errorf("ClickHouse ended by itself")
	}
	if err != nil {
		return fmt.Errorf("ClickHouse died: %w", err)
	}
	return nil
}

// killLate kills a child that has not ended a while after ctx has, or once its actor's
// time is up.
func killLate(ctx context.Context, p *os.Process, ended <-chan struct{}) {
	select {
	case <-ended:
		return
	case <-ctx.Done():
	}
	hard := proc.Hard(ctx)
	if hard == ctx { // no group gives a time
		hard = context.Background()
	}
	timer := time.NewTimer(Grace + abortWait + time.Second)
	defer timer.Stop()
	select {
	case <-ended:
		return
	case <-hard.Done():
	case <-timer.C:
	}
	_ = p.Kill() // it may have ended just now
}
