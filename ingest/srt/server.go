package srt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/shoalcast/shoal/ingest/srt/libsrt"
	"github.com/shoalcast/shoal/internal/obs"
)

// Options configure a Server.
type Options struct {
	Authorize Authorizer // required
	Limits    Limits
	// Passphrase encrypts with AES; 10 to 79 bytes, or empty for none. A publisher with
	// another, or without, is refused in the handshake by the library, unseen here.
	Passphrase string
	// Latency is the least that what arrives waits for what is lost. The peer may ask for
	// more. Default 120 ms.
	Latency time.Duration
	// PeerIdle is the longest silence of a peer, which sends something every second,
	// before its connection is given up. The library takes 5 s at least. Default 5 s.
	PeerIdle time.Duration
	Log      *slog.Logger // nil: nothing is logged
	Metrics  *Metrics     // nil: counted for nobody
}

const (
	defaultLatency  = 120 * time.Millisecond
	defaultPeerIdle = 5 * time.Second
	// minPeer is the first version of SRT with stream ids and encryption as they are.
	minPeer = 0x010300
)

// Server takes publishers. It may serve several listeners, which share its limits.
type Server struct {
	lib   *libsrt.Library
	opts  Options
	table table
}

// New makes a Server. Without the library, the error says what to install.
func New(o Options) (*Server, error) {
	lib, err := libsrt.Load()
	if err != nil {
		return nil, err
	}
	if err := checkPassphrase(o.Passphrase); err != nil {
		return nil, err
	}
	o.Limits = o.Limits.withDefaults()
	set(&o.Latency, defaultLatency)
	set(&o.PeerIdle, defaultPeerIdle)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = NewMetrics(nil)
	}
	s := &Server{lib: lib, opts: o}
	s.table.init(o.Limits.Connections, o.Limits.PerAddress)
	return s, nil
}

func checkPassphrase(p string) error {
	if p != "" && (len(p) < 10 || len(p) > 79) {
		return fmt.Errorf("an SRT passphrase has 10 to 79 bytes, this one has %d", len(p))
	}
	return nil
}

// Listener is a UDP address where publishers call. Serve closes it.
type Listener struct {
	server *Server
	socket libsrt.Socket
	epoll  *libsrt.Epoll
	addr   netip.AddrPort
	forget func()
	once   sync.Once

	mu      sync.Mutex
	refused []refusal // bounded by refusalsKept
}

// refusal is a handshake that was refused, to be logged.
type refusal struct {
	peer netip.AddrPort
	name string
	code libsrt.Reject
	err  error
}

// Listen opens a UDP address, host:port or :port for all of the machine's.
func (s *Server) Listen(ctx context.Context, address string) (*Listener, error) {
	addrs, err := resolve(ctx, address)
	if err != nil {
		return nil, err
	}
	var l *Listener
	for _, a := range addrs {
		if l, err = s.listen(a); err == nil {
			return l, nil
		}
	}
	return nil, err
}

// resolve finds where to listen, in the order to try.
func resolve(ctx context.Context, address string) ([]netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("read the SRT address %q: %w", address, err)
	}
	n, err := net.DefaultResolver.LookupPort(ctx, "udp", port)
	if err != nil {
		return nil, fmt.Errorf("read the SRT address %q: %w", address, err)
	}
	if host == "" {
		return []netip.AddrPort{
			netip.AddrPortFrom(netip.IPv6Unspecified(), uint16(n)),
			netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(n)),
		}, nil
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("find the SRT address %q: %w", address, err)
	}
	addrs := make([]netip.AddrPort, len(ips))
	for i, ip := range ips {
		addrs[i] = netip.AddrPortFrom(ip.Unmap(), uint16(n))
	}
	return addrs, nil
}

func (s *Server) listen(a netip.AddrPort) (_ *Listener, err error) {
	u, err := s.lib.Socket()
	if err != nil {
		return nil, err
	}
	l := &Listener{server: s, socket: u, forget: func() {}}
	defer func() {
		if err != nil {
			l.Close()
		}
	}()
	if err := s.configure(u, a); err != nil {
		return nil, err
	}
	if l.epoll, err = s.lib.Epoll(); err != nil {
		return nil, err
	}
	if err := l.epoll.Add(u, libsrt.In|libsrt.Err); err != nil {
		return nil, err
	}
	if l.forget, err = s.lib.OnHandshake(u, l.check); err != nil {
		l.forget = func() {}
		return nil, err
	}
	if err := s.lib.Listen(u, a, backlog); err != nil {
		return nil, err
	}
	l.addr, err = s.lib.Addr(u)
	return l, err
}

func (s *Server) configure(u libsrt.Socket, a netip.AddrPort) error {
	type setting struct {
		option libsrt.Option
		value  int
	}
	settings := []setting{
		// Nobody else is to take this port's datagrams.
		{libsrt.OptReuseAddr, 0},
		{libsrt.OptMinVersion, minPeer},
		{libsrt.OptReceiveLag, int(s.opts.Latency / time.Millisecond)},
		{libsrt.OptPeerIdle, int(s.opts.PeerIdle / time.Millisecond)},
	}
	if a.Addr().Is6() {
		only := 1
		if a.Addr().IsUnspecified() {
			only = 0
		}
		settings = append(settings, setting{libsrt.OptIPv6Only, only})
	}
	for _, o := range settings {
		if err := s.lib.SetInt(u, o.option, o.value); err != nil {
			return err
		}
	}
	if s.opts.Passphrase == "" {
		return nil
	}
	return s.lib.SetText(u, libsrt.OptPassphrase, s.opts.Passphrase)
}

// Addr is the address that publishers call.
func (l *Listener) Addr() netip.AddrPort { return l.addr }

// Close closes a listener that is not served, or that Serve has returned from.
func (l *Listener) Close() {
	l.once.Do(func() {
		l.server.lib.Close(l.socket)
		l.forget()
		if l.epoll != nil {
			l.epoll.Release()
		}
	})
}

// check decides about a handshake, on the library's thread.
func (l *Listener) check(peer netip.AddrPort, streamID string) libsrt.Reject {
	r, err := requestOf(peer, streamID)
	if err == nil {
		if err = l.server.table.room(peer.Addr()); err == nil {
			err = l.server.opts.Authorize.Check(r)
		}
	}
	code := codeOf(err)
	if code == 0 {
		return 0
	}
	cause := CauseRefused
	if errors.Is(err, errFull) {
		cause = CauseFull
	}
	l.server.opts.Metrics.Ended.WithLabelValues(cause).Inc()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.refused) < refusalsKept {
		l.refused = append(l.refused, refusal{peer, r.Name, code, err})
	}
	return code
}

// logRefused logs what check refused: a log that is slow must not hold handshakes up.
func (l *Listener) logRefused() {
	l.mu.Lock()
	refused := l.refused
	l.refused = nil
	l.mu.Unlock()
	for _, r := range refused {
		l.server.opts.Log.Warn("refused an SRT handshake", obs.KeyRemote, r.peer.String(), obs.KeyName, r.name,
			"code", int(r.code), obs.KeyError, r.err)
	}
}

// Serve takes publishers until ctx ends or the library fails. It closes the listener and
// every connection it took, and returns when all handlers are closed: nil when ctx ended.
func (s *Server) Serve(ctx context.Context, l *Listener) error {
	defer l.logRefused()
	defer l.Close()
	loop := &loop{
		lib: s.lib, epoll: l.epoll, listener: l.socket, limits: s.opts.Limits, peerIdle: s.opts.PeerIdle,
		log: s.opts.Log, metrics: s.opts.Metrics, begin: s.opts.Authorize.Start,
		left:  func(c *conn) { s.table.leave(c.addr) },
		conns: map[libsrt.Socket]*conn{}, breaking: map[libsrt.Socket]*conn{},
	}
	loop.accept = func(ctx context.Context) error { return s.accept(ctx, l, loop) }
	goOn := func() bool { l.logRefused(); return true }
	if err := loop.run(ctx, goOn); err != nil {
		return fmt.Errorf("serve SRT: %w", err)
	}
	return nil
}

// accept takes in all connections that wait.
func (s *Server) accept(ctx context.Context, l *Listener, loop *loop) error {
	for range backlog {
		u, peer, err := s.lib.Accept(l.socket)
		if err != nil {
			if libsrt.Again(err) {
				return nil
			}
			if s.lib.State(l.socket) != libsrt.StateListening {
				return fmt.Errorf("the listener broke: %w", err)
			}
			s.opts.Log.Warn("could not accept an SRT connection", obs.KeyError, err)
			return nil
		}
		if err := s.admit(ctx, u, peer, loop); err != nil {
			s.lib.Close(u)
			s.opts.Log.Warn("turned an SRT connection away", obs.KeyRemote, peer.String(), obs.KeyError, err)
		}
	}
	return nil
}

func (s *Server) admit(ctx context.Context, u libsrt.Socket, peer netip.AddrPort, loop *loop) error {
	id, err := s.lib.Text(u, libsrt.OptStreamID)
	if err != nil {
		return err
	}
	r, err := requestOf(peer, id)
	if err != nil {
		return err
	}
	if err := s.table.enter(peer.Addr()); err != nil {
		s.opts.Metrics.Ended.WithLabelValues(CauseFull).Inc()
		return err
	}
	if err := loop.epoll.Add(u, libsrt.In|libsrt.Err); err != nil {
		s.table.leave(peer.Addr())
		return err
	}
	loop.adopt(ctx, u, peer, r)
	return nil
}
