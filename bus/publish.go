package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/shoalcast/shoal/event"
)

// AppendStreamFact appends f to its stream's facts and returns its sequence. It
// is ErrConflict when the sequence of the stream's last fact is not expectLast (0:
// there is none yet), unless that is AnySeq. When it returns nil the fact is on disk.
func (b *Bus) AppendStreamFact(ctx context.Context, id event.StreamID, f event.StreamFact, expectLast uint64) (uint64, error) {
	data, err := event.EncodeStreamFact(f)
	if err != nil {
		return 0, err
	}
	m := &nats.Msg{Subject: streamSubject(id), Data: data, Header: nats.Header{}}
	seq, err := b.append(ctx, m, expectLast, nuid.Next())
	if err != nil {
		return 0, fmt.Errorf("append a fact to stream %s: %w", id, err)
	}
	return seq, nil
}

// AppendEntry appends a manifest entry (payload is opaque here), kept for ttl
// (whole seconds, 0: for good), and returns its sequence. It is ErrConflict when
// the sequence of the rendition's last entry is not expectLast, unless that is
// AnySeq. Repeating the append of the last entry (by its messageID) appends nothing
// and returns the sequence it has. When it returns nil the entry is on disk.
func (b *Bus) AppendEntry(ctx context.Context, id event.StreamID, r event.Rendition, payload []byte, expectLast uint64, ttl time.Duration, trace, messageID string) (uint64, error) {
	m := &nats.Msg{Subject: manifestSubject(id, r), Data: payload, Header: nats.Header{}}
	if trace != "" {
		m.Header.Set(headerTrace, trace)
	}
	if messageID == "" {
		messageID = nuid.Next()
	}
	var opts []jetstream.PublishOpt
	if ttl > 0 {
		opts = append(opts, jetstream.WithMsgTTL(max(ttl.Round(time.Second), time.Second)))
	}
	seq, err := b.append(ctx, m, expectLast, messageID, opts...)
	if err != nil {
		return 0, fmt.Errorf("append an entry of %s/%s: %w", id, r, err)
	}
	return seq, nil
}

// append publishes m and waits until it is stored. A lost connection or answer is
// retried under the same message id, so that what was stored is not stored again.
func (b *Bus) append(ctx context.Context, m *nats.Msg, expectLast uint64, messageID string, opts ...jetstream.PublishOpt) (uint64, error) {
	ctx, done, err := b.begin(ctx)
	if err != nil {
		return 0, err
	}
	defer done()
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	if err := b.disk.room(len(m.Data), true); err != nil {
		return 0, err
	}
	opts = append(opts, jetstream.WithMsgID(messageID))
	if expectLast != AnySeq {
		opts = append(opts, jetstream.WithExpectLastSequencePerSubject(expectLast))
	}
	seq, err := backoff.RetryWithData(func() (uint64, error) {
		seq, err := b.publish(ctx, m, opts...)
		switch {
		case err == nil:
			return seq, nil
		case unanswered(err) && ctx.Err() == nil:
			return 0, err
		case errors.Is(explain(err), ErrConflict):
			// The server compares sequences before message ids: the rival may be
			// ourselves, with an earlier attempt whose answer was lost.
			if seq, ours := b.stored(ctx, m.Subject, messageID); ours {
				return seq, nil
			}
			return 0, backoff.Permanent(err)
		default:
			return 0, backoff.Permanent(err)
		}
	}, backoff.WithContext(backoff.NewExponentialBackOff(backoff.WithInitialInterval(50*time.Millisecond), backoff.WithMaxInterval(time.Second)), ctx))
	if err != nil && errors.Is(context.Cause(ctx), ErrClosed) {
		return 0, ErrClosed
	}
	return seq, explain(err)
}

// publish publishes m once and waits for its acknowledgement, as long as there is
// hope: a connection made again brings no answer to what the one before was asked.
func (b *Bus) publish(ctx context.Context, m *nats.Msg, opts ...jetstream.PublishOpt) (uint64, error) {
	try, cancel := context.WithTimeout(ctx, callTimeout/3)
	defer cancel()
	connection := b.connection()
	defer context.AfterFunc(connection, cancel)()
	ack, err := b.js.PublishMsg(try, m, opts...)
	switch {
	case err == nil:
		return ack.Sequence, nil
	case ctx.Err() == nil && connection.Err() != nil:
		return 0, nats.ErrDisconnected
	}
	return 0, err
}

// stored reports whether the subject's last message is the one named messageID.
func (b *Bus) stored(ctx context.Context, subject, messageID string) (seq uint64, ours bool) {
	name, err := b.js.StreamNameBySubject(ctx, subject)
	if err != nil {
		return 0, false
	}
	s, err := b.js.Stream(ctx, name)
	if err != nil {
		return 0, false
	}
	m, err := s.GetLastMsgForSubject(ctx, subject)
	if err != nil || m.Header.Get(jetstream.MsgIDHeader) != messageID {
		return 0, false
	}
	return m.Sequence, true
}

// PublishPiece publishes one piece and waits for its acknowledgement. A publisher
// of many uses a PieceWriter.
func (b *Bus) PublishPiece(ctx context.Context, p *event.Piece) error {
	if err := b.disk.room(len(p.Data), false); err != nil {
		return fmt.Errorf("publish piece %s: %w", p.Address, err)
	}
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	if _, err := b.js.PublishMsg(ctx, pieceMessage(p)); err != nil {
		return fmt.Errorf("publish piece %s: %w", p.Address, explain(err))
	}
	return nil
}

func pieceMessage(p *event.Piece) *nats.Msg {
	fields := p.Headers()
	h := make(nats.Header, len(fields)+1)
	for k, v := range fields {
		h[k] = []string{v}
	}
	h[jetstream.MsgIDHeader] = []string{p.MessageID()}
	return &nats.Msg{Subject: pieceSubject(p.Stream, p.Rendition), Header: h, Data: p.Data}
}
