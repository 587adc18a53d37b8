package matchmaker

import (
	"context"
	"encoding/hex"
	"fmt"

	"github.com/shoalcast/shoal/bus"
)

// hearReports folds what is reported from now on. What was reported before is of peers as they were.
func (s *Service) hearReports(ctx context.Context) error {
	end, err := s.opts.Reports.TelemetryEnd(ctx)
	if err == nil {
		err = s.opts.Reports.FollowReports(ctx, end, func(error) bool { return false }, func(_ context.Context, r *bus.Reported) error {
			s.hear(r)
			return nil
		})
	}
	if ctx.Err() == nil {
		return fmt.Errorf("follow reports: %w", err)
	}
	return nil
}

func (s *Service) hear(r *bus.Reported) {
	if len(r.Neighbours) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range r.Neighbours {
		var id tail
		if _, err := hex.Decode(id[:], []byte(n.ID)); err == nil {
			s.state.lateness.note(id, n.Late, r.Place.At)
		}
	}
}
