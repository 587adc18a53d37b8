package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/shoalcast/shoal/internal/limit"
)

// PagesOptions configures Pages. The zero value takes the defaults named.
type PagesOptions struct {
	Log *slog.Logger          // nil discards
	Reg prometheus.Registerer // of the metrics; nil registers them nowhere
	// Most bounds the connections in all. Default 4096: half of the HTTP side's.
	Most int
	// MostOf bounds those from one address (IPv6: one /64). Default 256: a school behind
	// one. This machine itself is free of it.
	MostOf int
}

// Pages lets web pages have NATS: the protocol of its clients in binary messages of a
// WebSocket (RFC 6455), as wsconnect of @nats-io/nats-core speaks it. What a page may do
// stands in its pass (Server.Pass); who comes without one is turned away by the server.
//
// The WebSocket ends here, and what it carries goes to the server by a connection inside
// this process. The server could take WebSockets itself, but on a port of its own: the
// world would need that one too, or a proxy to it here, with the bounds below; and whoever
// reaches the port goes around them. This way passes are good for nothing else (auth.go).
// A connection takes about 50 KB either way, as nothing is compressed.
type Pages struct {
	server *Server
	opts   PagesOptions
	open   prometheus.Gauge
	ended  *prometheus.CounterVec

	ctx  context.Context // ends with Run
	stop context.CancelFunc
	work sync.WaitGroup

	mu   sync.Mutex
	all  int
	from map[netip.Prefix]int
}

const (
	pageBuffer = 4 << 10  // either way; an entry is some 1.5 KB
	maxFrame   = 64 << 10 // what a page may send in one message, as much as in one burst
	// slowPage is how long a page may leave what is sent to it untaken. It bounds what
	// waits for it here: the server would let that grow to what services need.
	slowPage = 10 * time.Second
)

// NewPages returns the handler of /nats on s. Connections are taken until Run ends.
func (s *Server) NewPages(opts PagesOptions) *Pages {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	opts.Most = cmp.Or(opts.Most, 4096)
	opts.MostOf = cmp.Or(opts.MostOf, 256)
	f := promauto.With(opts.Reg)
	p := &Pages{
		server: s, opts: opts, from: map[netip.Prefix]int{},
		open: f.NewGauge(prometheus.GaugeOpts{Name: "shoal_nats_pages", Help: "Pages connected to NATS."}),
		ended: f.NewCounterVec(prometheus.CounterOpts{
			Name: "shoal_nats_pages_ended_total", Help: "Connections of pages by what ended them: page, server (its pass among the reasons), refused (it sent what pages may not), slow and crowded (not taken).",
		}, []string{"reason"}),
	}
	p.ctx, p.stop = context.WithCancel(context.Background())
	return p
}

// Run keeps connections open until ctx ends, then ends them all and waits for that.
func (p *Pages) Run(ctx context.Context) error {
	<-ctx.Done()
	p.mu.Lock()
	p.stop()
	p.mu.Unlock()
	p.work.Wait()
	return nil
}

// ServeHTTP takes a WebSocket from any origin: what it may do, its pass says, and no
// cookie speaks for a viewer here.
func (p *Pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	leave, err := p.enter(r.RemoteAddr)
	if err != nil {
		p.ended.WithLabelValues("crowded").Inc()
		w.Header().Set("Retry-After", "10")
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	defer leave()
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		InsecureSkipVerify: true, // of the origin
		Subprotocols:       []string{"nats"},
		CompressionMode:    websocket.CompressionDisabled,
	})
	if err != nil {
		return // it was answered: this was no WebSocket
	}
	defer func() { _ = ws.CloseNow() }() // of what is closed already
	nats, err := p.server.ns.InProcessConn()
	if err != nil {
		_ = ws.Close(websocket.StatusGoingAway, "the server stops")
		return
	}
	p.open.Inc()
	defer p.open.Dec()
	reason := p.carry(ws, nats)
	p.ended.WithLabelValues(reason).Inc()
}

var (
	errCrowded  = errors.New("too many pages are connected to NATS: the page plays on without")
	errStopping = errors.New("the server stops")
)

// enter counts a connection; leave must be called when it ends.
func (p *Pages) enter(remote string) (leave func(), err error) {
	n, free := limit.Remote(remote)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.ctx.Err() != nil:
		return nil, errStopping
	case p.all >= p.opts.Most, !free && p.from[n] >= p.opts.MostOf:
		return nil, errCrowded
	}
	p.all++
	p.from[n]++
	p.work.Add(1)
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.all--
		if p.from[n]--; p.from[n] == 0 {
			delete(p.from, n)
		}
		p.work.Done()
	}, nil
}

// carry takes bytes both ways until either side, or Run, ends, and returns which it was.
func (p *Pages) carry(ws *websocket.Conn, nats net.Conn) string {
	ctx, cancel := context.WithCancel(p.ctx)
	var down error
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer cancel()
		if down = toPage(ctx, ws, nats); errors.Is(down, io.EOF) {
			_ = ws.Close(websocket.StatusNormalClosure, "the server has ended this: the reason is in what it said last") // a page that has gone hears nothing
		}
	}()
	up := toServer(ctx, ws, nats)
	reason := "page"
	var refused *refusedError
	if errors.As(up, &refused) {
		reason = "refused"
		p.opts.Log.Debug("a page was sent away", "error", up)
		_ = ws.Close(websocket.StatusPolicyViolation, refused.Error()) // as above
	}
	_ = nats.Close() // a pipe's never fails
	cancel()
	<-done
	switch {
	case errors.Is(down, errSlow):
		return "slow"
	case reason == "page" && errors.Is(down, io.EOF):
		return "server"
	}
	return reason
}

// refusedError is what a page did that ends its connection: a sentence for it, of at most
// 123 bytes (RFC 6455 section 5.5.1).
type refusedError struct{ error }

var errSlow = errors.New("the page takes nothing")

// toServer carries what the page sends as far as the gate lets it.
func toServer(ctx context.Context, ws *websocket.Conn, nats io.Writer) error {
	ws.SetReadLimit(maxFrame)
	gate := newPageGate()
	buf := make([]byte, pageBuffer)
	for {
		kind, r, err := ws.Reader(ctx)
		if err != nil {
			return err
		}
		if kind != websocket.MessageBinary {
			return &refusedError{errors.New("NATS is spoken in binary messages")}
		}
		for {
			n, err := r.Read(buf)
			if n > 0 {
				if refusal := gate.admit(buf[:n], time.Now()); refusal != nil {
					return &refusedError{refusal}
				}
				if _, err := nats.Write(buf[:n]); err != nil {
					<-ctx.Done() // the server has ended it: toPage says so
					return err
				}
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
		}
	}
}

// toPage carries what the server sends. It is io.EOF when the server has ended the
// connection.
func toPage(ctx context.Context, ws *websocket.Conn, nats io.Reader) error {
	buf := make([]byte, pageBuffer)
	for {
		n, err := nats.Read(buf)
		if n > 0 {
			write, cancel := context.WithTimeout(ctx, slowPage)
			err := ws.Write(write, websocket.MessageBinary, buf[:n])
			slow := write.Err() != nil && ctx.Err() == nil
			cancel()
			if slow {
				return errSlow
			}
			if err != nil {
				return fmt.Errorf("write to the page: %w", err)
			}
		}
		if err != nil {
			return err
		}
	}
}
