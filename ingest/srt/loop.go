package srt

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/shoalcast/shoal/ingest/srt/libsrt"
	"github.com/shoalcast/shoal/internal/obs"
)

const (
	// gather is the least time between two rounds. Packets come one by one: waking for
	// each of them costs more than the rest of the way.
	gather = 2 * time.Millisecond
	// look is how often the loop wakes when nothing happens, and drain when a broken
	// connection still holds something.
	look  = 100 * time.Millisecond
	drain = 10 * time.Millisecond
	// sweepEvery is how often figures and silences are looked at.
	sweepEvery = time.Second
)

// loop reads connections. Everything but fail, and what is behind mu, belongs to the
// goroutine that runs it.
type loop struct {
	lib      *libsrt.Library
	epoll    *libsrt.Epoll
	limits   Limits
	peerIdle time.Duration
	log      *slog.Logger
	metrics  *Metrics
	begin    func(context.Context, Request) (Handler, error)
	left     func(*conn)                     // a connection has been let go
	accept   func(ctx context.Context) error // takes in what waits at the listener; may be nil
	listener libsrt.Socket

	conns    map[libsrt.Socket]*conn
	breaking map[libsrt.Socket]*conn // of conns, no longer watched
	work     sync.WaitGroup          // what was started for connections

	mu     sync.Mutex
	failed []failure
}

type failure struct {
	conn  *conn
	fault fault
}

// fail tells the loop that a connection is to end. Each calls it at most twice.
func (l *loop) fail(c *conn, f fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = append(l.failed, failure{c, f})
}

func (l *loop) failures() []failure {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.failed
	l.failed = nil
	return f
}

// run goes on until ctx ends or goOn says no, ends what is left, and returns when all
// handlers are closed.
func (l *loop) run(ctx context.Context, goOn func() bool) error {
	defer l.work.Wait()
	defer l.endAll()
	events := make([]libsrt.Event, eventsAtOnce)
	round := time.NewTicker(gather)
	defer round.Stop()
	swept := time.Now()
	for ctx.Err() == nil && goOn() {
		wait := look
		if len(l.breaking) > 0 {
			wait = drain
		}
		n, err := l.epoll.Wait(events, int(wait/time.Millisecond))
		if err != nil {
			return err
		}
		now := time.Now()
		for _, e := range events[:n] {
			if e.Socket == l.listener && l.accept != nil {
				if err := l.accept(ctx); err != nil {
					return err
				}
			} else if c := l.conns[e.Socket]; c != nil {
				l.turn(c, now)
			} else {
				l.epoll.Remove(e.Socket)
			}
		}
		for _, c := range l.breaking {
			l.turn(c, now)
		}
		for _, f := range l.failures() {
			l.finish(f.conn, f.fault)
		}
		if now.Sub(swept) >= sweepEvery {
			swept = now
			if err := l.sweep(ctx, now); err != nil {
				return err
			}
		}
		select {
		case <-round.C:
		case <-ctx.Done():
		}
	}
	return nil
}

// turn reads a connection once.
func (l *loop) turn(c *conn, now time.Time) {
	end := c.read(l, now)
	switch {
	case end != nil:
		l.finish(c, *end)
	case !c.until.IsZero() && l.breaking[c.socket] == nil:
		l.epoll.Remove(c.socket)
		l.breaking[c.socket] = c
	}
}

// adopt takes a connection in, whose socket is watched.
func (l *loop) adopt(ctx context.Context, u libsrt.Socket, peer netip.AddrPort, r Request) {
	now := time.Now()
	r.Remote = peer.String()
	if v, err := l.lib.Int(u, libsrt.OptPeerVersion); err == nil && v > 0 {
		r.Encoder = "SRT " + libsrt.Version(v).String()
	}
	if ms, err := l.lib.Int(u, libsrt.OptReceiveLag); err == nil {
		r.Latency = time.Duration(ms) * time.Millisecond
	}
	c := &conn{
		socket: u, request: r, addr: peer.Addr(), began: now, heard: now, bytes: newRate(l.limits.BytesPerSecond),
		log: l.log.With(obs.KeyName, r.Name, obs.KeyRemote, r.Remote),
	}
	c.ctx, c.cancel = context.WithCancel(ctx)
	l.conns[u] = c
	l.metrics.Connections.Inc()
	c.log.Info("SRT connection", "encoder", r.Encoder, "latency", r.Latency)
	l.work.Go(func() { c.start(l) })
	// What came before it was watched.
	l.turn(c, now)
}

// finish lets a connection go.
func (l *loop) finish(c *conn, f fault) {
	if l.conns[c.socket] != c {
		return
	}
	l.measure(c)
	delete(l.conns, c.socket)
	delete(l.breaking, c.socket)
	l.epoll.Remove(c.socket)
	// Closing may wait for a thread of the library.
	l.work.Go(func() { l.lib.Close(c.socket) })
	c.cancel()
	l.metrics.Connections.Dec()
	l.metrics.Ended.WithLabelValues(f.cause).Inc()
	level := slog.LevelWarn
	if f.cause == CauseDone || f.cause == CauseStopped {
		level = slog.LevelInfo
	}
	c.log.Log(context.Background(), level, "SRT connection ended", "cause", f.cause, obs.KeyError, f.err,
		"lost", c.stats.Lost, "dropped", c.stats.Dropped, "rtt", c.stats.RTT)
	c.mu.Lock()
	c.end = &f
	c.kick(l)
	c.mu.Unlock()
	l.left(c)
}

func (l *loop) endAll() {
	for _, c := range l.conns {
		l.finish(c, faultStopped)
	}
}

// sweep looks at what nothing wakes the loop for.
func (l *loop) sweep(ctx context.Context, now time.Time) error {
	if l.accept != nil {
		if err := l.accept(ctx); err != nil {
			return err
		}
	}
	for _, c := range l.conns {
		if c.until.IsZero() && l.lib.State(c.socket) != libsrt.StateConnected {
			l.turn(c, now)
			continue
		}
		if now.Sub(c.heard) > l.limits.Idle {
			l.finish(c, faultf(CauseTimeout, "nothing was sent for %s", l.limits.Idle))
			continue
		}
		l.measure(c)
	}
	return nil
}

// measure reads a connection's figures, for metrics and its handler.
func (l *loop) measure(c *conn) {
	s, err := l.lib.Stats(c.socket)
	if err != nil {
		return // it is gone; the last figures stand
	}
	l.metrics.RTT.Observe(s.RTT.Seconds())
	l.metrics.Lost.Add(float64(max(s.Lost-c.stats.Lost, 0)))
	l.metrics.Dropped.Add(float64(max(s.Dropped-c.stats.Dropped, 0)))
	l.metrics.Retransmitted.Add(float64(max(s.Retransmitted, 0)))
	s.Retransmitted += c.stats.Retransmitted
	c.stats = s
	c.mu.Lock()
	defer c.mu.Unlock()
	c.news = &s
	c.kick(l)
}
