package bus

import (
	"context"

	"github.com/shoalcast/shoal/event"
)

// StreamState returns the fold of all of a stream's facts as they are now. A stream
// without any has Seq 0.
func (b *Bus) StreamState(ctx context.Context, id event.StreamID) (event.StreamState, error) {
	return event.StreamState{}, nil
}

// LastEntries returns the newest n entries of a rendition, oldest first, and the
// sequence of the last: what AppendEntry expects next. Without any it is 0.
func (b *Bus) LastEntries(ctx context.Context, id event.StreamID, r event.Rendition, n int) (payloads [][]byte, lastSeq uint64, err error) {
	return nil, 0, nil
}
