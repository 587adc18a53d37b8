package analytics

import (
	"context"

	"github.com/shoalcast/shoal/event"
)

// names notes what streams are called, as their creators say.
func (s *Service) names(ctx context.Context) error {
	return s.o.Bus.FollowStreams(ctx, nil, func(id event.StreamID, _ uint64, f event.StreamFact) error {
		g, ok := f.(event.GenesisPublished)
		if !ok {
			return nil
		}
		return s.o.Store.NameStream(ctx, id, g.Name)
	})
}
