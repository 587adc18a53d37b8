package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/shoalcast/shoal/event"
)

// AppendClose appends f to its rendition's closed files, kept for ttl as entries are,
// and returns its sequence. It is ErrConflict when the sequence of the last one is
// not expectLast (0: there is none). Repeating the append of the last one (by its
// messageID) appends nothing. When it returns nil the fact is on disk.
func (b *Bus) AppendClose(ctx context.Context, id event.StreamID, r event.Rendition, f event.FileClosed, expectLast uint64, ttl time.Duration, messageID string) (uint64, error) {
	data, err := f.Encode()
	if err != nil {
		return 0, err
	}
	var opts []jetstream.PublishOpt
	if ttl > 0 {
		opts = append(opts, jetstream.WithMsgTTL(max(ttl.Round(time.Second), time.Second)))
	}
	m := &nats.Msg{Subject: closeSubject(id, r), Data: data, Header: nats.Header{}}
	seq, err := b.append(ctx, m, expectLast, messageID, opts...)
	if err != nil {
		return 0, fmt.Errorf("append a closed file of %s/%s: %w", id, r, err)
	}
	return seq, nil
}

// LastClose returns a rendition's newest closed file and its sequence, 0 without any.
func (b *Bus) LastClose(ctx context.Context, id event.StreamID, r event.Rendition) (f event.FileClosed, seq uint64, err error) {
	err = b.read(ctx, func(ctx context.Context) error {
		m, err := b.lastMessage(ctx, streamManifest, closeSubject(id, r))
		if err != nil || m == nil {
			return err
		}
		seq = m.Sequence
		f, err = event.DecodeFileClosed(m.Data)
		return err
	})
	if err != nil {
		return event.FileClosed{}, 0, fmt.Errorf("read the last closed file of %s/%s: %w", id, r, err)
	}
	return f, seq, nil
}

// FollowCloses calls fn for the closed files of all streams that are kept, then live.
func (b *Bus) FollowCloses(ctx context.Context, fn func(ctx context.Context, id event.StreamID, r event.Rendition, f event.FileClosed) error) error {
	f := &follower{
		b: b, kind: "closes", stream: streamManifest, subject: allCloses,
		handle: func(ctx context.Context, m jetstream.Msg, _ uint64) error {
			id, r, err := closeOf(m.Subject())
			if err != nil {
				return fmt.Errorf("%w: %w", errMalformed, err)
			}
			closed, err := event.DecodeFileClosed(m.Data())
			var unknown *event.UnknownFactError
			if errors.As(err, &unknown) {
				return nil // only newer builds know it
			}
			if err != nil {
				return fmt.Errorf("%w: %w", errMalformed, err)
			}
			return fn(ctx, id, r, closed)
		},
	}
	return f.run(ctx)
}
