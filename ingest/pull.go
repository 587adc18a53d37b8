package ingest

import (
	"context"
	"log/slog"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/srt"
	"github.com/shoalcast/shoal/internal/obs"
)

// ErrStopped is the error of a Pull that ends because its Service does.
var ErrStopped = errStopped

// newlyAdded is how long Pull waits for a stream that the bus may not have told of yet.
const newlyAdded = time.Second

// Pull has a stream published from the SRT listener at a URL as of srt.ParseURL, which it
// calls again and again, later and later (30 s at most), until ctx ends; that is no error.
// No key is asked for: it is for the operator. Log is told what happens. A *Refusal says
// what is wrong with what was asked for; with a stream that is removed meanwhile, too. It
// runs while Run does.
func (s *Service) Pull(ctx context.Context, name, url string, log *slog.Logger) error {
	streamName, err := event.ParseStreamName(name)
	if err == nil {
		_, err = srt.ParseURL(url)
	}
	if err == nil {
		_, err = srt.Version()
	}
	if err != nil {
		return refuse("%s", err)
	}
	state, err := s.await(ctx, streamName)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	run := func(life context.Context) { ended <- s.pull(ctx, life, state, url, log) }
	select {
	case s.pulls <- run:
		return <-ended
	case <-s.life.Done():
		return ErrStopped
	case <-ctx.Done():
		return nil
	}
}

// await waits a moment for a stream to be known.
func (s *Service) await(ctx context.Context, name event.StreamName) (event.StreamState, error) {
	select {
	case <-s.ready:
	case <-ctx.Done():
		return event.StreamState{}, ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, newlyAdded)
	defer cancel()
	look := time.NewTicker(newlyAdded / 20)
	defer look.Stop()
	for {
		state, known := s.streams.Named(name)
		err := byOperator(name)(&state, known)
		if err == nil {
			return state, nil
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return state, err
		}
	}
}

func (s *Service) pull(ctx, life context.Context, state event.StreamState, url string, log *slog.Logger) error {
	calling, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	defer context.AfterFunc(life, func() { stop(ErrStopped) })()
	if !s.beginPull(state.ID, stop) {
		return refuse("stream %q is being pulled already: stop that pull first", state.Name)
	}
	defer s.endPull(state.ID)
	if newest, ok := s.streams.Get(state.ID); ok && newest.Removed {
		s.stopPull(newest)
	}
	log.Info("pulling from an SRT source", obs.KeyName, state.Name)
	err := srt.Pull(calling, url, srt.PullOptions{
		Name: string(state.Name), Log: log, Metrics: s.opts.Metrics.SRT,
		Limits: srt.Limits{Idle: s.opts.Idle, BytesPerSecond: s.opts.ByteRate},
		Start: func(starting context.Context, r srt.Request) (srt.Handler, error) {
			p, err := s.startAs(starting, r.Name, byOperator(state.Name), true, r.Remote, r.Encoder)
			if err != nil {
				return nil, err
			}
			return pulled{newSRTPublish(p, r.Program), calling}, nil
		},
	})
	switch {
	case err != nil:
		return err
	case ctx.Err() != nil:
		return nil
	}
	return context.Cause(calling)
}

// beginPull keeps a stream for one pull, which stop ends.
func (s *Service) beginPull(id event.StreamID, stop context.CancelCauseFunc) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, busy := s.pulling[id]; busy {
		return false
	}
	s.pulling[id] = stop
	return true
}

func (s *Service) endPull(id event.StreamID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.pulling, id)
}

// stopPull ends the pull of a stream that was removed, which will not come back.
func (s *Service) stopPull(state event.StreamState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if stop := s.pulling[state.ID]; stop != nil {
		stop(byOperator(state.Name)(&state, true))
	}
}

// pulled is a publish that ends well when its pull is told to end.
type pulled struct {
	*srtPublish
	calling context.Context
}

func (p pulled) Close(reason error) {
	if p.calling.Err() != nil {
		reason = nil
	}
	p.srtPublish.Close(reason)
}
