package bus

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/shoalcast/shoal/event"
)

const (
	// writerWindow is how many pieces may be unacknowledged: 16 for live (64 add
	// 20 ms of delay, 1,024 add 360 ms).
	writerWindow = 16
	// writerPatience bounds how long a writer tries to get its pieces across a lost
	// connection before it gives up.
	writerPatience = 30 * time.Second
	writerPause    = 100 * time.Millisecond
)

// PieceWriter publishes one publisher's pieces in order, at most 16 of them
// unacknowledged. A lost connection is bridged for up to 30 s: what was not
// acknowledged is sent again, in order, before anything newer. Close it when the
// publisher is done.
type PieceWriter struct {
	b      *Bus
	in     chan *nats.Msg
	failed chan struct{} // closed after err is set
	done   chan struct{} // closed when run has ended
	err    error

	cancel context.CancelFunc
	finish sync.Once
	mu     sync.RWMutex // held for reading by writes, so that Close can close in
	closed bool
}

// NewPieceWriter returns a writer whose first failure ends it.
func (b *Bus) NewPieceWriter() *PieceWriter {
	w := &PieceWriter{b: b, in: make(chan *nats.Msg), failed: make(chan struct{}), done: make(chan struct{})}
	ctx, done, err := b.begin(context.Background())
	if err != nil {
		w.err, w.cancel = err, func() {}
		close(w.failed)
		close(w.done)
		return w
	}
	ctx, w.cancel = context.WithCancel(ctx)
	go func() {
		defer done()
		defer close(w.done)
		if err := w.run(ctx); err != nil {
			w.err = err
			close(w.failed)
		}
	}()
	return w
}

// Write hands p to the bus and returns without waiting for its acknowledgement,
// unless 16 are outstanding. Its error is the first that any piece met, for
// instance ErrNoSpace; every later call returns it again. p.Data must not change
// afterwards.
func (w *PieceWriter) Write(ctx context.Context, p *event.Piece) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed {
		return fmt.Errorf("publish piece %s: the writer is closed", p.Address)
	}
	select {
	case w.in <- pieceMessage(p):
		return nil
	case <-w.failed:
		return w.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Failed is closed once a piece could not be published; Err then says why.
func (w *PieceWriter) Failed() <-chan struct{} { return w.failed }

// Err returns the first error any piece met, nil as long as there is none.
func (w *PieceWriter) Err() error {
	select {
	case <-w.failed:
		return w.err
	default:
		return nil
	}
}

// Close waits until every piece written is acknowledged, or ctx ends, and returns
// the first error any of them met.
func (w *PieceWriter) Close(ctx context.Context) error {
	w.finish.Do(func() {
		w.mu.Lock()
		w.closed = true
		close(w.in)
		w.mu.Unlock()
	})
	select {
	case <-w.done:
		return w.Err()
	case <-ctx.Done():
		w.cancel()
		<-w.done
		return context.Cause(ctx)
	}
}

// sent is a piece on its way: ack tells what became of it.
type sent struct {
	msg  *nats.Msg
	ack  jetstream.PubAckFuture
	conn uint64 // how many times the connection had been made again when it left
}

// run owns the window. It looks at its oldest piece only: acknowledgements come in
// the order of publishing.
func (w *PieceWriter) run(ctx context.Context) error {
	var window []sent
	in := w.in
	for in != nil || len(window) > 0 {
		from := in
		if len(window) == writerWindow {
			from = nil
		}
		var ok <-chan *jetstream.PubAck
		var failed <-chan error
		if len(window) > 0 {
			ok, failed = window[0].ack.Ok(), window[0].ack.Err()
		}
		var err error
		select {
		case m, open := <-from:
			if !open {
				in = nil
				continue
			}
			s := sent{msg: m, conn: w.b.reconnects()}
			if len(window) > 0 && window[0].conn != s.conn {
				// What is in the window may have been lost; this one must not
				// overtake it.
				err = nats.ErrDisconnected
			} else {
				s.ack, err = w.send(m)
			}
			window = append(window, s)
			if err == nil {
				continue
			}
		case <-ok:
			window = window[1:]
			continue
		case err = <-failed:
		case <-ctx.Done():
			return fmt.Errorf("publish pieces: %w", context.Cause(ctx))
		}
		if unanswered(err) {
			window, err = w.resend(ctx, window, err)
		}
		if err != nil {
			return fmt.Errorf("publish pieces: %w", explain(err))
		}
	}
	return nil
}

func (w *PieceWriter) send(m *nats.Msg) (jetstream.PubAckFuture, error) {
	if err := w.b.disk.room(len(m.Data), false); err != nil {
		return nil, err
	}
	return w.b.js.PublishMsgAsync(m)
}

// resend gets a window across a lost connection. What the server has already, it
// recognises by the message ids. So that nothing overtakes, the whole window goes
// again from its first piece in doubt, one by one.
func (w *PieceWriter) resend(ctx context.Context, window []sent, first error) ([]sent, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, writerPatience, first)
	defer cancel()
	w.b.log.Warn("publishing pieces again after a lost connection", "pieces", len(window), "error", first)
	for len(window) > 0 {
		if err := w.b.disk.room(len(window[0].msg.Data), false); err != nil {
			return window, err
		}
		_, err := w.b.publish(ctx, window[0].msg)
		switch {
		case err == nil:
			window = window[1:]
			continue
		case !unanswered(err):
			return window, err
		}
		select {
		case <-time.After(writerPause):
		case <-ctx.Done():
			return window, context.Cause(ctx)
		}
	}
	return window, nil
}
