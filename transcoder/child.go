package transcoder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
)

// child is an ffmpeg that encodes a ladder.
type child struct {
	cmd     *exec.Cmd
	input   io.WriteCloser
	outputs []*os.File
	said    *tail
	closed  sync.Once
}

// startChild starts ffmpeg, which ctx's end kills.
func startChild(ctx context.Context, l Ladder, limits Limits) (*child, error) {
	path, err := exec.LookPath("ffmpeg")
	if err != nil {
		return nil, ErrNoFFmpeg
	}
	c := &child{said: &tail{max: 4096}}
	c.cmd = exec.CommandContext(ctx, path, arguments(l, limits.threads())...)
	c.cmd.Stderr = c.said
	c.cmd.WaitDelay = closeTimeout
	limits.prepare(c.cmd)
	if c.input, err = c.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("make ffmpeg's input: %w", err)
	}
	var theirs []*os.File
	defer func() {
		for _, f := range theirs {
			_ = f.Close()
		}
	}()
	for range l {
		r, w, err := os.Pipe()
		if err != nil {
			c.closeOutputs()
			return nil, fmt.Errorf("make ffmpeg's output: %w", err)
		}
		c.outputs, theirs = append(c.outputs, r), append(theirs, w)
	}
	c.cmd.ExtraFiles = theirs
	if err := c.cmd.Start(); err != nil {
		c.closeOutputs()
		return nil, fmt.Errorf("start ffmpeg: %w", err)
	}
	limits.apply(c.cmd.Process.Pid)
	return c, nil
}

// ErrNoFFmpeg means that there is no ffmpeg to make renditions with. It says what to do.
var ErrNoFFmpeg = errors.New("ffmpeg is not installed, so no renditions are made: apt-get install ffmpeg")

func (c *child) write(b []byte) error {
	if _, err := c.input.Write(b); err != nil {
		return fmt.Errorf("give ffmpeg the source: %w", err)
	}
	return nil
}

func (c *child) closeInput() { c.closed.Do(func() { _ = c.input.Close() }) }

func (c *child) closeOutputs() {
	for _, f := range c.outputs {
		_ = f.Close()
	}
}

// kill ends the child at once, and with it every read and write.
func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	c.closeInput()
}

// wait returns how the child ended, with its last words.
func (c *child) wait() error {
	err := c.cmd.Wait()
	c.closeOutputs()
	if err == nil {
		return nil
	}
	return fmt.Errorf("ffmpeg ended (%w): %s", err, c.said)
}

// Check reports whether renditions can be made here; the error is ErrNoFFmpeg.
func Check() error {
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		return ErrNoFFmpeg
	}
	return nil
}
