package packager

import (
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/internal/obs"
)

// tendCloser sees to it that a rendition has a closer, and tells it what is known of
// the stream now; s.mu is held.
func (s *Service) tendCloser(ctx context.Context, key event.Address, state event.StreamState) {
	if s.opts.Archive < 0 {
		return
	}
	if c := s.closers[key]; c != nil {
		c.update(state)
		return
	}
	c := newCloser(&s.opts, key.Rendition, state)
	s.closers[key] = c
	s.running.Go(func() { s.close(ctx, key, c) })
}

// close runs one rendition's closer, again after every failure, until it has been idle
// for long or ctx ends.
func (s *Service) close(ctx context.Context, key event.Address, c *closer) {
	pause := backoff.NewExponentialBackOff(backoff.WithInitialInterval(firstPause),
		backoff.WithMaxInterval(maxPause), backoff.WithMaxElapsedTime(0))
	for {
		before, news := c.last, c.news()
		err := c.run(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, errIdle):
			if s.retireCloser(key) {
				return
			}
			continue
		case c.last != before:
			pause.Reset()
		}
		wait := pause.NextBackOff()
		if errors.Is(err, bus.ErrConflict) {
			// Another packager closed this file: what it recorded is what we go on from.
			s.opts.Metrics.Conflicts.Inc()
		} else {
			c.log.Error("closing archive files stopped, and goes on after the last that was closed", "in", wait.Round(time.Millisecond), obs.KeyError, err)
			s.opts.Metrics.Restarts.Inc()
		}
		select {
		case <-time.After(wait):
		case <-news:
		case <-ctx.Done():
			return
		}
	}
}

// retireCloser removes a closer whose stream is not live; a publish that began
// meanwhile keeps it.
func (s *Service) retireCloser(key event.Address) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if state, ok := s.streams.Get(key.Stream); ok && state.Live() {
		return false
	}
	delete(s.closers, key)
	return true
}
