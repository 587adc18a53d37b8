package ffmpeg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"time"
)

// DefaultStop is how long a child that is told to stop has for the end of its output.
const DefaultStop = 2 * time.Second

// Command is one run of ffmpeg.
type Command struct {
	// Args are ffmpeg's, inputs and outputs included. What every run has comes before:
	// no banner, no questions, warnings only, each with its level.
	Args []string
	// Stdin is what pipe:0 reads; nil for nothing. A file is handed over as it is.
	Stdin io.Reader
	// Stdout is where pipe:1 goes; nil for nowhere.
	Stdout io.Writer
	// Stderr is where what ffmpeg says goes too, besides to the child's error.
	Stderr io.Writer
	// ExtraFiles are pipe:3, pipe:4 and so on. They stay the caller's to close, which may
	// be as soon as Start has returned.
	ExtraFiles []*os.File
	// Progress, when set, is called about twice a second and at the end, from one
	// goroutine. It must not wait for the child.
	Progress func(Progress)
	// Stop is how long a child whose context ended may take before it is killed; 0 means
	// DefaultStop.
	Stop time.Duration
}

// Child is a running ffmpeg. Its Wait must be called.
type Child struct {
	ctx      context.Context
	cmd      *exec.Cmd
	said     *tail
	progress chan struct{} // closed when there is no more of it
}

// ExitError is the end of a child that went wrong by itself.
type ExitError struct {
	Code int      // exit code; -1 when a signal ended it
	Said []string // its last lines, the newest last, without ffmpeg's addresses; may be empty
	err  error
}

func (e *ExitError) Error() string {
	if len(e.Said) == 0 {
		return fmt.Sprintf("ffmpeg ended: %v", e.err)
	}
	return fmt.Sprintf("ffmpeg ended (%v): %s", e.err, joinLast(e.Said, 3))
}

// Unwrap returns the error of os/exec.
func (e *ExitError) Unwrap() error { return e.err }

// Start starts ffmpeg. When ctx ends it is interrupted, by which it completes what it
// writes, and killed when that takes longer than c.Stop.
func (p Program) Start(ctx context.Context, c Command) (*Child, error) {
	child := &Child{ctx: ctx, said: &tail{}, progress: make(chan struct{})}
	args := []string{"-hide_banner", "-nostats", "-nostdin", "-loglevel", "repeat+level+warning"}
	files := slices.Clone(c.ExtraFiles)
	var r, w *os.File
	if c.Progress != nil {
		var err error
		if r, w, err = os.Pipe(); err != nil {
			return nil, fmt.Errorf("make the pipe for ffmpeg's progress: %w", err)
		}
		pipe := 1 // where nothing else goes, and Windows knows no others
		if c.Stdout != nil {
			pipe = 3 + len(files)
			files = append(files, w)
		}
		args = append(args, "-stats_period", "0.5", "-progress", "pipe:"+strconv.Itoa(pipe))
	}
	child.cmd = exec.CommandContext(ctx, p.ffmpeg, append(args, c.Args...)...)
	child.cmd.Stdin, child.cmd.Stdout, child.cmd.ExtraFiles = c.Stdin, c.Stdout, files
	if w != nil && c.Stdout == nil {
		child.cmd.Stdout = w
	}
	child.cmd.Stderr = child.said
	if c.Stderr != nil {
		child.cmd.Stderr = io.MultiWriter(child.said, c.Stderr)
	}
	child.cmd.WaitDelay = cmp.Or(c.Stop, DefaultStop)
	child.cmd.Cancel = func() error { return interrupt(child.cmd.Process) }
	child.cmd.SysProcAttr = attributes()
	err := child.cmd.Start()
	if w != nil {
		_ = w.Close() // the child has its own, whose end is the end of progress
	}
	if err != nil {
		if r != nil {
			_ = r.Close()
		}
		return nil, fmt.Errorf("start ffmpeg: %w", err)
	}
	if r == nil {
		close(child.progress)
		return child, nil
	}
	go func() {
		defer close(child.progress)
		defer func() { _ = r.Close() }()
		// Progress that cannot be read is none: the child's own end says how it went.
		_ = ReadProgress(r, c.Progress)
		_, _ = io.Copy(io.Discard, r)
	}()
	return child, nil
}

// Run starts ffmpeg and waits for its end, as Start and Wait do.
func (p Program) Run(ctx context.Context, c Command) error {
	child, err := p.Start(ctx, c)
	if err != nil {
		return err
	}
	return child.Wait()
}

// PID is the child's process id.
func (c *Child) PID() int { return c.cmd.Process.Pid }

// CPUTime is the processor time that the child took, once Wait has returned.
func (c *Child) CPUTime() time.Duration {
	return c.cmd.ProcessState.UserTime() + c.cmd.ProcessState.SystemTime()
}

// Kill ends the child at once.
func (c *Child) Kill() { _ = c.cmd.Process.Kill() }

// Wait returns nil when the child came to its own good end, an error that wraps the
// context's cause when that ended it, and otherwise an *ExitError.
func (c *Child) Wait() error {
	err := c.cmd.Wait()
	<-c.progress
	switch {
	case err == nil:
		return nil
	case c.ctx.Err() != nil:
		return fmt.Errorf("ffmpeg was stopped: %w", context.Cause(c.ctx))
	}
	code := -1
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		code = exit.ExitCode()
	}
	return &ExitError{Code: code, Said: c.said.lines(), err: err}
}

// Said returns the last lines of what the child has said so far, the newest last.
func (c *Child) Said() []string { return c.said.lines() }
