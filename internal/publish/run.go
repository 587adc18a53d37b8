package publish

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/shoalcast/shoal/internal/ffmpeg"
)

// Options say what is published, and to where.
type Options struct {
	Program ffmpeg.Program
	Target  Target
	File    string    // what is published
	Input   io.Reader // when there is no File: MPEG-TS, read once

	Loop      bool // play a file again and again
	Transcode bool // to H.264 and AAC, whatever the source has
	Retry     bool // start again when the server went away

	Told   func(Status)       // about twice a second while media goes out
	Notice func(words string) // what a person should know, once
}

const (
	firstPause = 500 * time.Millisecond
	maxPause   = 15 * time.Second
	// steady is how long a connection lasted whose end begins the pauses anew.
	steady = 10 * time.Second
	// silence is how long a file's media may not move before the connection is given up.
	silence = 15 * time.Second
	// mostRefusals is how often in a row a server that took it before may refuse it: until
	// it has noticed that the connection before is gone.
	mostRefusals = 12
)

// Run publishes until the source's end, or until ctx ends, both without an error. A
// publish that no further try would help ends with a *RefusedError.
func Run(ctx context.Context, o Options) (Status, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	s := &session{o: o}
	if err := s.prepare(ctx); err != nil {
		if ctx.Err() != nil {
			return s.status, nil
		}
		return s.status, err
	}
	for _, words := range s.plan.notes {
		o.Notice(words)
	}
	pause := backoff.NewExponentialBackOff(backoff.WithInitialInterval(firstPause), backoff.WithMaxInterval(maxPause), backoff.WithMaxElapsedTime(0))
	for {
		before := s.status.Published
		err := s.connect(ctx)
		if err == nil || ctx.Err() != nil {
			return s.status, nil
		}
		if err := s.again(err); err != nil {
			return s.status, err
		}
		if s.status.Published-before > steady {
			pause.Reset()
		}
		wait := pause.NextBackOff()
		o.Notice(fmt.Sprintf("%s: %s. Trying again in %s.", o.Target, s.last, wait.Round(100*time.Millisecond)))
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return s.status, nil
		}
	}
}

// session is one publish, over any number of connections.
type session struct {
	o    Options
	plan plan
	feed *feed // of an input

	status   Status
	refusals int    // in a row
	last     string // why the last connection ended
}

// prepare looks at the source.
func (s *session) prepare(ctx context.Context) error {
	version, err := s.o.Program.Version(ctx)
	if err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	var m ffmpeg.Media
	if s.o.File != "" {
		if m, err = s.o.Program.Probe(ctx, s.o.File); err != nil {
			return &RefusedError{err.Error()}
		}
	} else {
		s.feed = newFeed(ctx, s.o.Input)
		head := s.feed.head()
		if m, err = s.o.Program.ProbeStart(ctx, "mpegts", head); err != nil {
			return &RefusedError{fmt.Sprintf("standard input is to bring MPEG-TS: %v", err)}
		}
		go s.feed.carry(head)
	}
	if s.plan, err = planFor(m, s.o.Target, version, s.o.Transcode); err != nil {
		return &RefusedError{fmt.Sprintf("%s: %v", cmp.Or(s.o.File, "standard input"), err)}
	}
	s.plan.loop = s.o.Loop
	if s.plan.name = "file:" + s.o.File; s.feed != nil {
		s.plan.input, s.plan.name = []string{"-f", "mpegts"}, "pipe:0"
	}
	s.status.Of, s.status.Loop = m.Duration, s.o.Loop
	return nil
}

// connect is one run of ffmpeg: nil when the source came to its end.
func (s *session) connect(ctx context.Context) error {
	from, over := s.plan.resume(s.status.Published)
	if over {
		return nil
	}
	c := ffmpeg.Command{Args: s.plan.arguments(from)}
	if s.feed != nil {
		in, err := s.feed.sink()
		if errors.Is(err, io.EOF) && s.status.Published > 0 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read standard input: %w", err)
		}
		c.Stdin = in
		defer func() { _ = in.Close() }()
	}
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	moved := func() {}
	if s.feed == nil { // an input may pause as it likes
		watch := time.AfterFunc(silence, func() { giveUp(errSilent) })
		defer watch.Stop()
		moved = func() { watch.Reset(silence) }
	}
	c.Progress = s.follow(moved)
	child, err := s.o.Program.Start(ctx, c)
	if err != nil {
		return err
	}
	if in, ok := c.Stdin.(*os.File); ok {
		_ = in.Close() // the child has its own: when that is gone, the feed is to know
	}
	return child.Wait()
}

// follow returns what adds up the progress of one connection.
func (s *session) follow(moved func()) func(ffmpeg.Progress) {
	before, reconnected := s.status.Published, s.status.Published > 0
	var last ffmpeg.Progress
	return func(p ffmpeg.Progress) {
		if p.OutTime <= last.OutTime {
			return
		}
		moved()
		if last.OutTime == 0 {
			s.refusals = 0
			if reconnected {
				s.status.Reconnects++
			}
		}
		if took := (p.OutTime - last.OutTime).Seconds(); p.Bytes > last.Bytes {
			s.status.Rate = 8 * float64(p.Bytes-last.Bytes) / took
		}
		s.status.Published, s.status.Speed = before+p.OutTime, p.Speed
		last = p
		s.o.Told(s.status)
	}
}

// again returns nil when another try may help after err.
func (s *session) again(err error) error {
	v := judge(err, s.o.Target, s.status.Published > 0)
	s.last = v.reason
	if v.refused {
		s.refusals++
	}
	switch {
	case v.final, s.refusals > mostRefusals:
		return &RefusedError{fmt.Sprintf("%s: %s", s.o.Target, v.reason)}
	case !s.o.Retry:
		return fmt.Errorf("%s: %s", s.o.Target, v.reason)
	}
	return nil
}
