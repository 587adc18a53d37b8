package bus

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/shoalcast/shoal/event"
)

// All follows call their handler for one message at a time, in order, and return
// only when ctx ends (with its cause), the bus is closed (ErrClosed), or the handler
// returns ErrStop. They live through reconnects and server restarts without skipping
// or doubling. A handler's error is retried with backoff for about 5 s; then the
// message goes to DEAD with the reason and the first error, and the follow goes on.

// FollowStreams calls fn for every stream's facts from the beginning, then live,
// and caughtUp once, when those that existed at its start were handled (at once if
// there are none). A fact this build does not know arrives as nil, for its
// sequence: StreamState.Apply takes it. caughtUp may be nil.
func (b *Bus) FollowStreams(ctx context.Context, caughtUp func(), fn func(id event.StreamID, seq uint64, f event.StreamFact) error) error {
	f := &follower{
		b: b, kind: "streams", stream: streamStream, subject: allStreams, whole: true, caughtUp: caughtUp,
		handle: func(_ context.Context, m jetstream.Msg, seq uint64) error {
			id, err := streamOf(m.Subject())
			if err != nil {
				return fmt.Errorf("%w: %w", errMalformed, err)
			}
			fact, err := readFact(m.Data())
			if err != nil {
				return err
			}
			return fn(id, seq, fact)
		},
	}
	return f.run(ctx)
}

// TendStreams keeps in d what the facts of all streams add up to, and tells tend of it: of
// every stream once the facts that existed at its start are known, then calls ready, and from
// then on of each stream that something new is known of. It returns nil when ctx ends.
func (b *Bus) TendStreams(ctx context.Context, d *event.Directory, ready func(), tend func(event.StreamState)) error {
	known := false
	caughtUp := func() {
		for _, state := range d.All() {
			tend(state)
		}
		known = true
		ready()
	}
	err := b.FollowStreams(ctx, caughtUp, func(id event.StreamID, seq uint64, f event.StreamFact) error {
		if state := d.Apply(id, seq, f); known {
			tend(state)
		}
		return nil
	})
	if ctx.Err() != nil {
		return nil //nolint:nilerr // to end with its context is what was asked for
	}
	return fmt.Errorf("follow streams: %w", err)
}

// readFact decodes a fact; one that only newer builds know is nil.
func readFact(data []byte) (event.StreamFact, error) {
	fact, err := event.DecodeStreamFact(data)
	var unknown *event.UnknownFactError
	switch {
	case errors.As(err, &unknown):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errMalformed, err)
	}
	return fact, nil
}

// FollowPieces calls fn for the rendition's pieces that the bus received at or
// after since, then live. A zero since means all that are kept. The piece is fn's to
// keep.
func (b *Bus) FollowPieces(ctx context.Context, id event.StreamID, r event.Rendition, since time.Time, fn func(context.Context, *event.Piece) error) error {
	return b.followPieces(ctx, id, r, since, false, fn)
}

// FollowPieceHeaders is FollowPieces without the pieces' Data: for whoever decides by
// what ingest said of them, and would only pay for the bytes.
func (b *Bus) FollowPieceHeaders(ctx context.Context, id event.StreamID, r event.Rendition, since time.Time, fn func(context.Context, *event.Piece) error) error {
	return b.followPieces(ctx, id, r, since, true, fn)
}

func (b *Bus) followPieces(ctx context.Context, id event.StreamID, r event.Rendition, since time.Time, headersOnly bool, fn func(context.Context, *event.Piece) error) error {
	read := func(m jetstream.Msg) (*event.Piece, error) {
		p, err := event.PieceFromHeaders(id, r, m.Headers().Get, m.Data())
		if err == nil && headersOnly {
			p.Size, err = strconv.Atoi(m.Headers().Get(nats.MsgSize))
		}
		return p, err
	}
	var last event.Position
	f := &follower{
		b: b, kind: "pieces", stream: streamPieces, subject: pieceSubject(id, r), since: since, headersOnly: headersOnly,
		seen: func(m jetstream.Msg) bool {
			p, err := read(m)
			return err != nil || !last.Before(p.Position)
		},
		handle: func(ctx context.Context, m jetstream.Msg, _ uint64) error {
			p, err := read(m)
			if err != nil {
				return fmt.Errorf("%w: %w", errMalformed, err)
			}
			last = p.Position // handled or given up: either way not again
			return fn(ctx, p)
		},
	}
	return f.run(ctx)
}

// FollowEntries calls fn for the rendition's entries that the bus received at or
// after since, then live. A zero since means all that are kept.
func (b *Bus) FollowEntries(ctx context.Context, id event.StreamID, r event.Rendition, since time.Time, fn func(ctx context.Context, seq uint64, payload []byte, trace string) error) error {
	f := &follower{
		b: b, kind: "entries", stream: streamManifest, subject: manifestSubject(id, r), since: since,
		handle: func(ctx context.Context, m jetstream.Msg, seq uint64) error {
			return fn(ctx, seq, m.Data(), m.Headers().Get(headerTrace))
		},
	}
	return f.run(ctx)
}
