package hls

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/netutil"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

// Bounds of what players may take.
const (
	maxHeld      = 512 // requests that wait for what is to come
	maxConns     = 512
	maxHeader    = 16 << 10 // bytes
	pieceAhead   = 3        // pieces after the newest that a request may wait for
	playlistHold = 3 * manifest.TargetDuration * time.Second
	pieceHold    = 5 * time.Second
	firstHold    = 10 * time.Second // for the first segment, after the start
	sendWithin   = 30 * time.Second // a player that does not read an answer is let go
	drain        = 2 * time.Second
)

// Options say what is served. Name and Rendition must be set.
type Options struct {
	Name      event.StreamName
	Rendition event.Rendition
	Page      string // where the stream is watched from, for people
	MaxHeld   int    // requests held at a time; more are answered 503. Default 512
}

// AddressError means that an address to serve at cannot be had.
type AddressError struct {
	Addr string
	Err  error
}

func (e *AddressError) Error() string {
	switch {
	case errors.Is(e.Err, syscall.EADDRINUSE):
		return fmt.Sprintf("%s is taken by another program: choose another address for players", e.Addr)
	case errors.Is(e.Err, syscall.EACCES):
		return fmt.Sprintf("this user may not listen at %s: choose a port above 1023 for players", e.Addr)
	}
	return fmt.Sprintf("cannot listen for players at %s: %v", e.Addr, e.Err)
}

// Unwrap returns what the system said.
func (e *AddressError) Unwrap() error { return e.Err }

// Listen opens an address such as 127.0.0.1:9000. One without a host is this machine's
// alone; to be reached from others it must name one, such as 0.0.0.0:9000. The error is
// an *AddressError.
func Listen(addr string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, &AddressError{Addr: addr, Err: err}
	}
	addr = net.JoinHostPort(cmp.Or(host, "127.0.0.1"), port)
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, &AddressError{Addr: addr, Err: err}
	}
	return l, nil
}

// Server serves one rendition of a stream to players.
type Server struct {
	options  Options
	listener net.Listener
	http     *http.Server
	closing  chan struct{}

	mu     sync.Mutex
	window *window
	held   int
}

// New returns a server that owns l. Whoever calls New calls Run.
func New(l net.Listener, o Options) *Server {
	o.MaxHeld = cmp.Or(o.MaxHeld, maxHeld)
	s := &Server{options: o, listener: l, closing: make(chan struct{}), window: newWindow(o.Name, o.Rendition)}
	s.http = &http.Server{
		Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: maxHeader,
	}
	return s
}

// Playlist returns the address for players, as this machine reaches it.
func (s *Server) Playlist() string {
	addr := s.listener.Addr().String()
	if host, port, err := net.SplitHostPort(addr); err == nil {
		if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
			addr = net.JoinHostPort("127.0.0.1", port)
		}
	}
	return "http://" + addr + "/index.m3u8"
}

// Run serves until ctx ends; requests that are held then are answered at once.
func (s *Server) Run(ctx context.Context) error {
	served := make(chan error, 1)
	go func() { served <- s.http.Serve(netutil.LimitListener(s.listener, maxConns)) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve players at %s: %w", s.listener.Addr(), err)
	case <-ctx.Done():
	}
	close(s.closing)
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	err := s.http.Shutdown(ending)
	if err != nil { // somebody does not read what they asked for
		err = s.http.Close()
	}
	if stopped := <-served; !errors.Is(stopped, http.ErrServerClosed) {
		err = errors.Join(err, stopped)
	}
	if err != nil {
		return fmt.Errorf("stop serving players: %w", err)
	}
	return nil
}

// Add shows players the piece that comes next in order, with the init segment of its
// segment. The error is about bytes that are not what was signed; they are not served.
func (s *Server) Add(p Piece, init Init) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.window.add(p, init)
}

// SetEnded says whether nothing follows for now.
func (s *Server) SetEnded(ended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.window.end(ended)
}

func (s *Server) now() *snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.window.shown
}

var (
	errCrowded = errors.New("too many requests are waiting: try again in a second")
	errTimeout = errors.New("nothing new came in time")
	errClosing = errors.New("the viewer is stopping")
)

// await returns the newest snapshot once ready holds of it, after at most limit.
func (s *Server) await(ctx context.Context, limit time.Duration, ready func(*snapshot) bool) (*snapshot, error) {
	snap := s.now()
	if ready(snap) {
		return snap, nil
	}
	if !s.hold(1) {
		return snap, errCrowded
	}
	defer s.hold(-1)
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		select {
		case <-snap.next:
		case <-timer.C:
			return snap, errTimeout
		case <-s.closing:
			return snap, errClosing
		case <-ctx.Done():
			return snap, context.Cause(ctx)
		}
		if snap = s.now(); ready(snap) {
			return snap, nil
		}
	}
}

// hold counts a request that begins to wait, if one more may, or ends it.
func (s *Server) hold(by int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if by > 0 && s.held >= s.options.MaxHeld {
		return false
	}
	s.held += by
	return true
}
