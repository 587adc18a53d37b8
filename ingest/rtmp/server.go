package rtmp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"
)

// Options configure a Server.
type Options struct {
	Authorize Authorizer // required
	Limits    Limits
	Log       *slog.Logger // nil: nothing is logged
	Metrics   *Metrics     // nil: counted for nobody
}

// Server takes publishers. It may serve several listeners (RTMP and RTMPS) at once,
// which share its limits.
type Server struct {
	authorize Authorizer
	limits    Limits
	log       *slog.Logger
	metrics   *Metrics
	table     table
}

// New makes a Server.
func New(o Options) *Server {
	s := &Server{authorize: o.Authorize, limits: o.Limits.withDefaults(), log: o.Log, metrics: o.Metrics}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.metrics == nil {
		s.metrics = NewMetrics(nil)
	}
	s.table.init(s.limits.Connections, s.limits.PerAddress)
	return s
}

var errShutdown = &Refusal{Reason: "The server is shutting down"}

// Serve accepts connections until ctx ends or the listener fails, closes the
// listener and every connection it took, and returns when all are gone: nil when ctx
// ended. A listener of crypto/tls makes it RTMPS.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	defer l.Close()
	var pause time.Duration
	for {
		c, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = c.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("accept RTMP connection: %w", err)
		case err != nil:
			// Out of file descriptors, or a connection gone before it was taken: wait a
			// little longer each time.
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			s.log.Warn("could not accept an RTMP connection", "error", err, "retry_in", pause)
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
			continue
		}
		pause = 0
		// Places are taken here, so that age is the order of arrival.
		w := &wire{Conn: c, writeTimeout: s.limits.Write, idle: s.limits.Idle}
		place, err := s.table.enter(w)
		if err != nil {
			s.metrics.Ended.WithLabelValues(CauseFull).Inc()
			s.log.Warn("turned an RTMP connection away", "remote", c.RemoteAddr().String(), "error", err)
			_ = c.Close()
			continue
		}
		wg.Go(func() { s.serve(ctx, w, place) })
	}
}

// serve runs one connection that has a place, and closes it.
func (s *Server) serve(ctx context.Context, w *wire, p *place) {
	defer w.Close()
	defer s.table.leave(p)
	s.metrics.Connections.Inc()
	defer s.metrics.Connections.Dec()
	defer context.AfterFunc(ctx, func() { w.end(errShutdown) })()
	c := &conn{server: s, wire: w, place: p}
	c.run(ctx)
}
