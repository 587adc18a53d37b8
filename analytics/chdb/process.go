package chdb

import (
	"context"
	"encoding/json"
	"errors"
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
	cmd, orders, err := e.start(ctx)
	if err != nil {
		return fmt.Errorf("start ClickHouse: %w", err)
	}
	e.watch.began(cmd.Process.Pid)
	defer e.watch.ended()
	ended, killed := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(killed)
		e.conduct(ctx, cmd.Process, orders, ended)
	}()
	err = cmd.Wait()
	close(ended)
	<-killed
	switch {
	case err != nil:
		return fmt.Errorf("ClickHouse died: %w", err)
	case ctx.Err() == nil:
		return errors.New("ClickHouse ended by itself")
	}
	return nil
}

// start starts the child and returns it with the end of the pipe for its orders.
func (e *Engine) start(ctx context.Context) (*exec.Cmd, *os.File, error) {
	theirs, ours, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer theirs.Close()
	//nolint:noctx // it is told to end by the pipe, and gets time for it
	cmd := exec.Command(e.options.Command[0], e.options.Command[1:]...)
	cmd.Env = append(cmd.Environ(), "TZ=UTC")
	cmd.ExtraFiles = []*os.File{e.listener, e.lock, theirs} // as Child expects them
	cmd.Stderr = newLines(ctx, e.options.Log)
	cmd.SysProcAttr = bound()
	if err := cmd.Start(); err != nil {
		return nil, nil, errors.Join(err, ours.Close())
	}
	return cmd, ours, nil
}

// conduct gives the child its orders, and its end once ctx has ended.
func (e *Engine) conduct(ctx context.Context, p *os.Process, orders *os.File, ended <-chan struct{}) {
	defer orders.Close()
	words, err := json.Marshal(e.orders) //nolint:gosec // the passwords are for the child
	if err == nil {
		_, err = orders.Write(words) // less than a pipe holds
	}
	if err != nil {
		_ = p.Kill() // it has ended, if it does not read
	}
	select {
	case <-ended:
		return
	case <-ctx.Done():
	}
	_ = orders.Close() // the sign to end
	killLate(ctx, p, ended)
}

// killLate kills a child that has not ended a while after it was told to, or once its
// actor's time is up.
func killLate(ctx context.Context, p *os.Process, ended <-chan struct{}) {
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
