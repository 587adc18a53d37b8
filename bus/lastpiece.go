package bus

import (
	"context"
	"fmt"
	"time"

	"github.com/shoalcast/shoal/event"
)

// LastPiece returns the position of the rendition's newest piece that the server holds, zero
// without one.
func (b *Bus) LastPiece(ctx context.Context, id event.StreamID, r event.Rendition) (event.Position, error) {
	var last event.Position
	err := b.read(ctx, func(ctx context.Context) error {
		m, err := b.lastMessage(ctx, streamPieces, pieceSubject(id, r))
		if m == nil || err != nil {
			return err
		}
		p, err := event.PieceFromHeaders(id, r, m.Header.Get, m.Data)
		if err == nil {
			last = p.Position
		}
		return err
	})
	if err != nil {
		return last, fmt.Errorf("read the last piece of %s/%s: %w", id, r, err)
	}
	return last, nil
}

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
