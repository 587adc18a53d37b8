package bus

import (
	"context"
	"fmt"
	"time"

	"github.com/shoalcast/shoal/event"
)

// LastPieceAt returns when the server received the rendition's newest piece, the zero
// time when it holds none: whether a publisher on another machine still publishes.
func (b *Bus) LastPieceAt(ctx context.Context, id event.StreamID, r event.Rendition) (time.Time, error) {
	var at time.Time
	err := b.read(ctx, func(ctx context.Context) error {
		m, err := b.lastMessage(ctx, streamPieces, pieceSubject(id, r))
		if m != nil {
			at = m.Time
		}
		return err
	})
	if err != nil {
		return at, fmt.Errorf("read when the last piece of %s/%s came: %w", id, r, err)
	}
	return at, nil
}
