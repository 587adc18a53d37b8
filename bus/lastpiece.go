package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/shoalcast/shoal/event"
)

// LastPieceAt returns when the server received the rendition's newest piece, the zero
// time when it holds none: whether a publisher on another machine still publishes.
func (b *Bus) LastPieceAt(ctx context.Context, id event.StreamID, r event.Rendition) (time.Time, error) {
	var at time.Time
	err := b.read(ctx, func(ctx context.Context) error {
		s, err := b.js.Stream(ctx, streamPieces)
		if err != nil {
			return err
		}
		m, err := s.GetLastMsgForSubject(ctx, pieceSubject(id, r))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		at = m.Time
		return nil
	})
	if err != nil {
		return at, fmt.Errorf("read when the last piece of %s/%s came: %w", id, r, err)
	}
	return at, nil
}
