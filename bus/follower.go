package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	handlerPatience = 5 * time.Second // of retries for one message
	pullExpiry      = 10 * time.Second
	pullHeartbeat   = 2 * time.Second // a follow that misses two starts again
	cleanupTimeout  = time.Second
	// rewind is how far PIECES is read again after an interruption, in messages of
	// all streams: a crash of the server may have taken back the tail of what we
	// saw and given its sequences to other pieces.
	rewind = 64
)

// A follower reads one subject in order and remembers its place, through any number
// of short-lived consumers on the server.
type follower struct {
	b       *Bus
	kind    string // in its consumer's name
	stream  string
	subject string
	// whole says that the subject is all of the stream: filtered by it, the server searches
	// each block for it, and what waits comes at a twentieth of the speed.
	whole bool
	since time.Time // zero: from the beginning
	// headersOnly leaves the payloads on the server.
	headersOnly bool
	// seen reports whether a message of a lossy stream was handled already. It is
	// set only where sequences may be used again (PIECES), and asked only about
	// messages read again after an interruption.
	seen func(jetstream.Msg) bool
	// stamped is of a lossy stream as well (TELEMETRY): where the message at our place is no
	// longer the one of that time, its sequence was used again, and time says where to go on.
	stamped bool
	handle  func(ctx context.Context, m jetstream.Msg, seq uint64) error
	// caughtUp is called once, when what existed at the start was handled.
	caughtUp func()

	last     uint64 // stream sequence of the last message handled, 0: none yet
	lastAt   time.Time
	at       time.Time // of the message that is handled
	target   uint64    // of the last message that existed at the start
	targeted bool
}

// errMalformed marks a message that no retry can make readable.
var errMalformed = errors.New("malformed message")

// run follows until ctx ends or the handler says stop.
func (f *follower) run(ctx context.Context) error {
	ctx, done, err := f.b.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	var trouble grumble
	pause := backoff.NewExponentialBackOff(backoff.WithInitialInterval(20*time.Millisecond),
		backoff.WithMaxInterval(2*time.Second), backoff.WithMaxElapsedTime(0))
	for {
		before, connection := f.last, f.b.connection()
		err := f.session(ctx, connection)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if errors.Is(err, ErrStop) {
			return err
		}
		if f.last != before {
			pause.Reset()
			trouble = grumble{}
		}
		level := slog.LevelDebug // of a connection that is lost or new, the bus tells
		if connection.Err() == nil && f.b.nc.IsConnected() && trouble.due(time.Now()) {
			level = slog.LevelWarn
		}
		f.b.log.Log(ctx, level, "a follow was interrupted and starts again",
			"consumer", f.consumer(), "subject", f.subject, "after", f.last, "error", err)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-connection.Done(): // the connection is back: at once
			pause.Reset()
		case <-time.After(pause.NextBackOff()):
		}
	}
}

// session reads through one consumer until it breaks, or the connection is made
// again: that may have found another server, or the same one with no memory of us.
func (f *follower) session(ctx, connection context.Context) error {
	reading, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(connection, stop)()

	config, replayUpTo, err := f.place(reading)
	if err != nil {
		return err
	}
	cons, err := f.b.createConsumer(reading, f.stream, config)
	if err != nil {
		return err
	}
	defer f.b.deleteConsumer(f.stream, cons.CachedInfo().Name)
	iter, err := cons.Messages(jetstream.PullMaxMessagesWithBytesLimit(pullMessages, pullBytes), jetstream.PullExpiry(pullExpiry),
		jetstream.PullHeartbeat(pullHeartbeat), jetstream.WithMessagesErrOnMissingHeartbeat(true))
	if err != nil {
		return fmt.Errorf("pull from %s: %w", f.subject, err)
	}
	defer iter.Stop()
	// The last that existed may be on another subject, or have gone of age.
	if f.target == 0 || cons.CachedInfo().NumPending == 0 {
		f.catchUp()
	}
	for next := uint64(1); ; next++ {
		m, err := iter.Next(jetstream.NextContext(reading))
		if err != nil {
			return fmt.Errorf("read from %s: %w", f.subject, err)
		}
		meta, err := m.Metadata()
		if err != nil {
			return fmt.Errorf("read from %s: %w", f.subject, err)
		}
		if meta.Sequence.Consumer != next {
			return fmt.Errorf("read from %s: message %d of the consumer came instead of %d", f.subject, meta.Sequence.Consumer, next)
		}
		seq := meta.Sequence.Stream
		f.at = meta.Timestamp
		if seq > replayUpTo || !f.seen(m) {
			if err := f.deliver(ctx, m, seq); err != nil {
				return err
			}
		}
		f.last, f.lastAt = seq, meta.Timestamp
		if seq >= f.target || meta.NumPending == 0 {
			f.catchUp()
		}
	}
}

func (f *follower) catchUp() {
	if f.caughtUp != nil {
		f.caughtUp()
		f.caughtUp = nil
	}
}

// place says where the next consumer starts, and up to which sequence messages may
// have been handled before.
func (f *follower) place(ctx context.Context) (config jetstream.ConsumerConfig, replayUpTo uint64, err error) {
	config = consumerConfig(f.subject)
	if f.whole {
		config.FilterSubject = ""
	}
	config.HeadersOnly = f.headersOnly
	if f.caughtUp != nil && !f.targeted {
		if f.target, err = f.b.lastSequence(ctx, f.stream); err != nil {
			return config, 0, err
		}
		f.targeted = true
	}
	switch {
	case f.last == 0 && f.since.IsZero():
	case f.last == 0:
		config.DeliverPolicy = jetstream.DeliverByStartTimePolicy
		config.OptStartTime = &f.since
	case f.stamped:
		same, err := f.b.stillAt(ctx, f.stream, f.last, f.lastAt)
		if err != nil {
			return config, 0, err
		}
		if same {
			config.DeliverPolicy = jetstream.DeliverByStartSequencePolicy
			config.OptStartSeq = f.last + 1
			break
		}
		after := f.lastAt.Add(1)
		config.DeliverPolicy = jetstream.DeliverByStartTimePolicy
		config.OptStartTime = &after
	case f.seen == nil:
		config.DeliverPolicy = jetstream.DeliverByStartSequencePolicy
		config.OptStartSeq = f.last + 1
	default:
		end, err := f.b.lastSequence(ctx, f.stream)
		if err != nil {
			return config, 0, err
		}
		replayUpTo = max(f.last, end)
		config.DeliverPolicy = jetstream.DeliverByStartSequencePolicy
		config.OptStartSeq = 1
		if from := min(f.last, end); from > rewind {
			config.OptStartSeq = from - rewind
		}
	}
	return config, replayUpTo, nil
}

// deliver hands m to the handler until it takes it, or gives it up. It fails only
// when the follow has to end.
func (f *follower) deliver(ctx context.Context, m jetstream.Msg, seq uint64) error {
	first := f.handle(ctx, m, seq)
	if first == nil {
		return nil // nearly always, and many thousand times a second
	}
	last, again := first, false
	err := backoff.Retry(func() error {
		if again {
			last = f.handle(ctx, m, seq)
		}
		again = true
		if last == nil {
			return nil
		}
		if errors.Is(last, ErrStop) || errors.Is(last, ErrGiveUp) || errors.Is(last, errMalformed) || ctx.Err() != nil {
			return backoff.Permanent(last)
		}
		return last
	}, backoff.WithContext(backoff.NewExponentialBackOff(backoff.WithInitialInterval(20*time.Millisecond),
		backoff.WithMaxInterval(time.Second), backoff.WithMaxElapsedTime(handlerPatience)), ctx))
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrStop):
		return err
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	reason := reasonHandler
	switch {
	case errors.Is(err, errMalformed):
		reason = reasonMalformed
	case errors.Is(err, ErrGiveUp):
		reason = reasonHopeless
	}
	f.b.giveUp(ctx, f.consumer(), m, seq, reason, first)
	return nil
}

// consumer is the name under which it gives up on messages.
func (f *follower) consumer() string { return f.b.name + "-" + f.kind }

// lastSequence returns the sequence of the newest message in a stream, 0 without any.
func (b *Bus) lastSequence(ctx context.Context, stream string) (uint64, error) {
	s, err := b.look(ctx, stream)
	if err != nil {
		return 0, err
	}
	return s.CachedInfo().State.LastSeq, nil
}

// look asks the server how a stream is now.
func (b *Bus) look(ctx context.Context, stream string) (jetstream.Stream, error) {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	s, err := b.js.Stream(ctx, stream)
	if err != nil {
		return nil, fmt.Errorf("look at stream %s: %w", stream, explain(err))
	}
	return s, nil
}

func (b *Bus) createConsumer(ctx context.Context, stream string, c jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	cons, err := b.js.CreateConsumer(ctx, stream, c)
	if err != nil {
		return nil, fmt.Errorf("create a consumer of %s: %w", c.FilterSubject, explain(err))
	}
	return cons, nil
}

// deleteConsumer spares the server the minute after which it would forget a consumer
// by itself.
func (b *Bus) deleteConsumer(stream, name string) {
	if !b.nc.IsConnected() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
	defer cancel()
	_ = b.js.DeleteConsumer(ctx, stream, name)
}
