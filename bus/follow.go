package bus

import (
	"context"
	"time"

	"github.com/shoalcast/shoal/event"
)

// All follows call their handler for one message at a time, in order, and return
// only when ctx ends (with its cause), the bus is closed, or the handler returns
// ErrStop. They live through reconnects and server restarts without skipping or
// doubling. A handler's error is retried with backoff for about 5 s; then the
// message goes to DEAD with the reason and the first error, and the follow goes on.

// FollowStreams calls fn for every stream's facts from the beginning, then live,
// and caughtUp once, when those that existed at its start were handled (at once if
// there are none). A fact this build does not know arrives as nil, for its
// sequence: StreamState.Apply takes it. caughtUp may be nil.
func (b *Bus) FollowStreams(ctx context.Context, caughtUp func(), fn func(id event.StreamID, seq uint64, f event.StreamFact) error) error {
	return nil
}

// FollowPieces calls fn for the rendition's pieces that the bus received at or
// after since, then live. A zero since means all that are kept.
func (b *Bus) FollowPieces(ctx context.Context, id event.StreamID, r event.Rendition, since time.Time, fn func(context.Context, *event.Piece) error) error {
	return nil
}

// FollowEntries calls fn for the rendition's entries that the bus received at or
// after since, then live. A zero since means all that are kept.
func (b *Bus) FollowEntries(ctx context.Context, id event.StreamID, r event.Rendition, since time.Time, fn func(ctx context.Context, seq uint64, payload []byte, trace string) error) error {
	return nil
}
