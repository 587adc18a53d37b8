package srt

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/shoalcast/shoal/ingest/srt/libsrt"
)

// conn is one connection. The loop reads it into a slab; deliver, which runs while there
// is something to hand over, exchanges that for an empty one.
type conn struct {
	socket  libsrt.Socket
	request Request
	log     *slog.Logger
	ctx     context.Context // of Start
	cancel  context.CancelFunc
	addr    netip.Addr
	began   time.Time

	// The loop's own.
	bytes  *rate.Limiter
	heard  time.Time // when a message came last
	until  time.Time // broken: read until then what still waits for its time
	silent bool      // it broke because the peer was silent
	stats  Stats     // the last ones

	failed error // of a Write; deliver's own

	mu      sync.Mutex
	handler Handler // nil until Start has returned
	in      slab    // what the loop has read
	spare   slab    // empty, deliver's
	size    int     // bytes read and not handed over
	news    *Stats  // to be handed over
	busy    bool    // deliver runs
	end     *fault  // the loop has let it go
}

// kick makes deliver run if there is something for it. The caller holds mu.
func (c *conn) kick(l *loop) {
	if c.busy || c.handler == nil || len(c.in.ends) == 0 && c.news == nil && c.end == nil {
		return
	}
	c.busy = true
	l.work.Go(func() { c.deliver(l) })
}

// start gives the connection its Handler.
func (c *conn) start(l *loop) {
	ctx, cancel := context.WithTimeout(c.ctx, l.limits.Setup)
	defer cancel()
	h, err := l.begin(ctx, c.request)
	if err == nil && h == nil {
		err = errors.New("no handler")
	}
	if err != nil {
		cause := CauseRefused
		if errors.Is(err, context.DeadlineExceeded) {
			cause = CauseTimeout
		}
		l.fail(c, faultf(cause, "start the publish: %w", err))
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.handler = h
	c.kick(l)
}

// deliver hands over what was read, in order, until there is nothing. When the
// connection has ended, it closes the handler, and is not run again.
func (c *conn) deliver(l *loop) {
	for {
		c.mu.Lock()
		out, news, end := c.in, c.news, c.end
		if len(out.ends) == 0 && news == nil && end == nil {
			c.busy = false
			c.mu.Unlock()
			return
		}
		c.in, c.spare, c.news = c.spare, slab{}, nil
		c.mu.Unlock()
		if end != nil && (end.cause == CauseSink || end.cause == CauseStopped) {
			out.reset()
		}
		if c.failed == nil {
			if c.failed = out.each(c.handler.Write); c.failed != nil {
				l.fail(c, faultf(CauseSink, "hand over what the publisher sent: %w", c.failed))
			}
		}
		if s, ok := c.handler.(StatsHandler); ok && news != nil && c.failed == nil {
			s.Stats(*news)
		}
		c.mu.Lock()
		c.size -= len(out.data)
		out.reset()
		c.spare = out
		c.mu.Unlock()
		if end != nil {
			c.handler.Close(end.err)
			return
		}
	}
}

// read reads what is there, in a turn that is bounded. The fault, if any, is the
// connection's end.
func (c *conn) read(l *loop, now time.Time) *fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.kick(l)
	total := 0
	defer func() { l.metrics.Bytes.Add(float64(total)) }()
	for range messagesOnce {
		n, err := l.lib.Receive(c.socket, c.in.room(libsrt.MaxPayload))
		switch {
		case libsrt.Again(err):
			return nil
		case err != nil || n == 0:
			return c.broken(l, now, err)
		}
		c.in.add(n)
		c.heard = now
		c.size += n
		total += n
		if !c.bytes.AllowN(now, n) {
			return &fault{CauseRate, l.limits.exceeded()}
		}
		if c.size > l.limits.Queue {
			end := faultf(CauseSink, "what receives the stream is %d bytes behind", c.size)
			return &end
		}
	}
	return nil
}

// broken decides what the end of a connection means. The library does not tell a goodbye
// from silence; it has been silent for its time in the second case. What came before the
// end and waits for its time can still be read: then there is no fault yet. The library takes a broken socket away once it is empty.
func (c *conn) broken(l *loop, now time.Time, err error) *fault {
	reaped := err != nil && !libsrt.Lost(err)
	if reaped && c.until.IsZero() {
		end := faultf(CauseLost, "read from the publisher: %w", err)
		return &end
	}
	if c.until.IsZero() {
		c.until = now.Add(c.request.Latency + afterwards)
		c.silent = now.Sub(c.heard)+c.request.Latency+time.Second >= l.peerIdle
	}
	switch {
	case now.Before(c.until) && !reaped:
		return nil
	case c.silent:
		end := faultf(CauseLost, "the peer has been silent for %s", l.peerIdle)
		return &end
	}
	return &fault{cause: CauseDone}
}
