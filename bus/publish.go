package bus

import (
	"context"
	"time"

	"github.com/shoalcast/shoal/event"
)

// AppendStreamFact appends f to its stream's facts and returns its sequence. It
// is ErrConflict when the sequence of the stream's last fact is not expectLast (0:
// there is none yet), unless that is AnySeq.
func (b *Bus) AppendStreamFact(ctx context.Context, id event.StreamID, f event.StreamFact, expectLast uint64) (uint64, error) {
	return 0, nil
}

// AppendEntry appends a manifest entry (payload is opaque here), kept for ttl
// (whole seconds, 0: for good), and returns its sequence. It is ErrConflict when
// the sequence of the rendition's last entry is not expectLast, unless that is
// AnySeq. Repeating a messageID within two minutes appends nothing and returns the
// sequence it had. When it returns nil the entry is on disk.
func (b *Bus) AppendEntry(ctx context.Context, id event.StreamID, r event.Rendition, payload []byte, expectLast uint64, ttl time.Duration, trace, messageID string) (uint64, error) {
	return 0, nil
}

// PublishPiece publishes one piece and waits for its acknowledgement. A publisher
// of many uses a PieceWriter.
func (b *Bus) PublishPiece(ctx context.Context, p *event.Piece) error { return nil }
