package seeder

import (
	"context"
	"errors"
	"time"
)

var (
	errCrowded = errors.New("too many requests are waiting for this stream: try again in a second")
	errTimeout = errors.New("nothing new came in time")
	errClosing = errors.New("the server is stopping")
)

// await returns the newest snapshot once ready holds of it, after at most limit. The
// number of requests that one stream lets wait is bounded: beyond, it is errCrowded.
func (s *Service) await(ctx context.Context, r *rendition, limit time.Duration, ready func(*snapshot) bool) (*snapshot, error) {
	snap := r.snap.Load()
	if ready(snap) {
		return snap, nil
	}
	st := r.stream
	defer st.held.Add(-1)
	if st.held.Add(1) > s.opts.MaxHeld {
		s.opts.Metrics.Refused.Inc()
		return snap, errCrowded
	}
	s.opts.Metrics.Held.Inc()
	defer s.opts.Metrics.Held.Dec()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		select {
		case <-snap.next:
		case <-timer.C:
			return snap, errTimeout
		case <-s.closing:
			return snap, errClosing
		case <-ctx.Done():
			return snap, context.Cause(ctx)
		}
		if snap = r.snap.Load(); ready(snap) {
			return snap, nil
		}
	}
}
