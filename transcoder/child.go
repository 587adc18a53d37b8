package transcoder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/shoalcast/shoal/internal/ffmpeg"
)

// child is an ffmpeg that encodes a ladder.
type child struct {
	*ffmpeg.Child
	input   *os.File
	outputs []*os.File
	closed  sync.Once
}

// startChild starts ffmpeg. Whoever has it calls wait.
func startChild(ctx context.Context, l Ladder, interlaced bool, limits Limits) (*child, error) {
	program, err := ffmpeg.Find()
	if err != nil {
		return nil, fmt.Errorf("make renditions: %w", err)
	}
	var theirs, ours []*os.File
	for range len(l) + 1 {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, errors.Join(fmt.Errorf("make ffmpeg's pipes: %w", err), closeAll(theirs), closeAll(ours))
		}
		if len(ours) == 0 { // its input
			r, w = w, r
		}
		ours, theirs = append(ours, r), append(theirs, w)
	}
	c := &child{input: ours[0], outputs: ours[1:]}
	c.Child, err = program.Start(ctx, ffmpeg.Command{
		Args: arguments(l, interlaced, limits.threads()), Stdin: theirs[0], ExtraFiles: theirs[1:], Stop: closeTimeout,
	})
	if err := errors.Join(err, closeAll(theirs)); err != nil {
		return nil, errors.Join(err, closeAll(ours))
	}
	limits.apply(c.PID())
	return c, nil
}

func closeAll(files []*os.File) error {
	var errs []error
	for _, f := range files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

func (c *child) write(b []byte) error {
	if _, err := c.input.Write(b); err != nil {
		return fmt.Errorf("give ffmpeg the source: %w", err)
	}
	return nil
}

func (c *child) closeInput() { c.closed.Do(func() { _ = c.input.Close() }) }

// kill ends the child at once, and with it every read and write.
func (c *child) kill() {
	c.Kill()
	c.closeInput()
}

// wait returns how the child ended, with its last words.
func (c *child) wait() error {
	err := c.Wait()
	c.closeInput()
	return errors.Join(err, closeAll(c.outputs))
}
