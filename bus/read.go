package bus

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/shoalcast/shoal/event"
)

// StreamState returns the fold of all of a stream's facts as they are now. A stream
// without any has Seq 0.
func (b *Bus) StreamState(ctx context.Context, id event.StreamID) (event.StreamState, error) {
	state := event.StreamState{ID: id}
	err := b.read(ctx, func(ctx context.Context) error {
		last, err := b.lastOf(ctx, streamStream, streamSubject(id))
		if err != nil || last == 0 {
			return err
		}
		return b.readRange(ctx, streamStream, streamSubject(id), state.Seq+1, last, func(seq uint64, data []byte) error {
			// A fact nobody can read is passed over, as FollowStreams does; its place counts.
			f, err := readFact(data)
			if err != nil {
				f = nil
			}
			state.Apply(seq, f)
			return nil
		})
	})
	if err != nil {
		return event.StreamState{}, fmt.Errorf("read the state of stream %s: %w", id, err)
	}
	return state, nil
}

// LastFact returns the sequence of a stream's newest fact, 0 without any, by one
// question to the server: whether a fold of them is up to date.
func (b *Bus) LastFact(ctx context.Context, id event.StreamID) (uint64, error) {
	var last uint64
	err := b.read(ctx, func(ctx context.Context) (err error) {
		last, err = b.lastOf(ctx, streamStream, streamSubject(id))
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("ask for the last fact of stream %s: %w", id, err)
	}
	return last, nil
}

// LastEntries returns the newest n entries of a rendition, oldest first, and the
// sequence of the last: what AppendEntry expects next. Without any it is 0.
func (b *Bus) LastEntries(ctx context.Context, id event.StreamID, r event.Rendition, n int) (payloads [][]byte, lastSeq uint64, err error) {
	subject := manifestSubject(id, r)
	err = b.read(ctx, func(ctx context.Context) error {
		if lastSeq, err = b.lastOf(ctx, streamManifest, subject); err != nil || lastSeq == 0 || n <= 0 {
			return err
		}
		// Other renditions' entries lie between: look further back until there are
		// enough, or nothing is left.
		for back := uint64(n); ; back *= 4 {
			from := uint64(1)
			if lastSeq > back {
				from = lastSeq - back + 1
			}
			payloads = payloads[:0]
			if err := b.readRange(ctx, streamManifest, subject, from, lastSeq, func(_ uint64, data []byte) error {
				payloads = append(payloads, data)
				return nil
			}); err != nil {
				return err
			}
			if len(payloads) == 0 {
				lastSeq = 0 // it went of age just now, and nothing is younger
				return nil
			}
			if len(payloads) >= n || from == 1 {
				payloads = payloads[max(0, len(payloads)-n):]
				return nil
			}
		}
	})
	if err != nil {
		return nil, 0, fmt.Errorf("read the last entries of %s/%s: %w", id, r, err)
	}
	return payloads, lastSeq, nil
}

// read runs one bounded question to the server.
func (b *Bus) read(ctx context.Context, ask func(context.Context) error) error {
	ctx, done, err := b.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	err = ask(ctx)
	if err != nil && errors.Is(context.Cause(ctx), ErrClosed) {
		return ErrClosed
	}
	return explain(err)
}

// lastOf returns the sequence of a subject's newest message, 0 without any.
func (b *Bus) lastOf(ctx context.Context, stream, subject string) (uint64, error) {
	m, err := b.lastMessage(ctx, stream, subject)
	if m == nil {
		return 0, err
	}
	return m.Sequence, nil
}

// lastMessage returns a subject's newest message, nil without any.
func (b *Bus) lastMessage(ctx context.Context, stream, subject string) (*jetstream.RawStreamMsg, error) {
	handle, ok := b.asked.Load(stream)
	if !ok { // to make a handle is a question, too
		s, err := b.js.Stream(ctx, stream)
		if err != nil {
			return nil, err
		}
		handle, _ = b.asked.LoadOrStore(stream, s)
	}
	m, err := handle.(jetstream.Stream).GetLastMsgForSubject(ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, nil
	}
	return m, err
}

// readBatch is how many messages a read asks for at once: of the largest facts, a few
// hundred kB each, well under what the server lets wait.
const readBatch = 64

// readRange calls fn for the subject's messages from sequence from to last.
func (b *Bus) readRange(ctx context.Context, stream, subject string, from, last uint64, fn func(seq uint64, data []byte) error) error {
	c := consumerConfig(subject)
	c.DeliverPolicy = jetstream.DeliverByStartSequencePolicy
	c.OptStartSeq = from
	cons, err := b.js.CreateConsumer(ctx, stream, c)
	if err != nil {
		return err
	}
	defer b.deleteConsumer(stream, cons.CachedInfo().Name)
	next := uint64(1)
	for {
		batch, err := cons.FetchNoWait(readBatch)
		if err != nil {
			return err
		}
		empty := true
		for m := range batch.Messages() {
			empty = false
			meta, err := m.Metadata()
			if err != nil {
				return err
			}
			if meta.Sequence.Consumer != next {
				return fmt.Errorf("message %d of the consumer came instead of %d", meta.Sequence.Consumer, next)
			}
			next++
			if meta.Sequence.Stream > last {
				return nil
			}
			if err := fn(meta.Sequence.Stream, m.Data()); err != nil {
				return err
			}
			if meta.Sequence.Stream == last {
				return nil
			}
		}
		if err := batch.Error(); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if empty {
			return nil // the last of them went of age meanwhile
		}
	}
}
