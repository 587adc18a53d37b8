package bt_test

import (
	"bytes"
	"context"
	"crypto/sha1"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/zeebo/bencode"
	"go.uber.org/goleak"

	"github.com/shoalcast/shoal/swarm/bt"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// The library's own, which it never ends: the timer of its accept limits, and a
		// cleaner of its DNS cache.
		goleak.IgnoreAnyFunction("github.com/anacrolix/torrent.(*Client).acceptLimitClearer"),
	)
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var content = bytes.Repeat([]byte("genesis "), 100)

// descriptor returns a small torrent's infohash and info.
func descriptor(t testing.TB) (hash [20]byte, info []byte) {
	t.Helper()
	piece := sha1.Sum(content)
	info, err := bencode.EncodeBytes(map[string]any{
		"length": len(content), "name": "live.shoal", "piece length": 16 << 10,
		"pieces": piece[:], "private": 1,
	})
	check(t, err)
	return sha1.Sum(info), info
}

// peer is one client in one swarm, which keeps what it receives.
type peer struct {
	t      testing.TB
	client *bt.Client
	swarm  *bt.Swarm

	mu       sync.Mutex
	sessions []*session
	changed  chan struct{}
}

// session is a link with what came over it.
type session struct {
	peer     *peer
	link     *bt.Link
	outbound bool
	frames   [][]byte
	bytes    int
	closed   bool
	on       func(s *session, frame []byte) error
}

func (s *session) Receive(frame []byte) error {
	s.peer.mu.Lock()
	if s.closed {
		s.peer.t.Error("a frame came after Closed")
	}
	s.frames = append(s.frames, frame)
	s.bytes += len(frame)
	on := s.on
	s.peer.touch()
	s.peer.mu.Unlock()
	if on != nil {
		return on(s, frame)
	}
	return nil
}

func (s *session) Closed() {
	s.peer.mu.Lock()
	defer s.peer.mu.Unlock()
	s.closed = true
	s.peer.touch()
}

// touch wakes whoever waits; under the lock.
func (p *peer) touch() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// until waits for a condition, which is called under the peer's lock.
func (p *peer) until(what string, cond func() bool) {
	p.t.Helper()
	p.within(10*time.Second, what, cond)
}

func (p *peer) within(d time.Duration, what string, cond func() bool) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), d)
	defer cancel()
	for {
		p.mu.Lock()
		ok, changed := cond(), p.changed
		p.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			p.t.Fatalf("not within %v: %s", d, what)
		}
	}
}

// ended reports whether a session is closed.
func (p *peer) ended(s *session) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return s.closed
}

// connected waits for the nth session.
func (p *peer) connected(n int) *session {
	p.t.Helper()
	p.until("a connection", func() bool { return len(p.sessions) > n })
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sessions[n]
}

func (p *peer) addr() netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), p.client.Port())
}

type setup struct {
	opts bt.Options
	spec bt.Spec
	on   func(s *session, frame []byte) error
}

// join starts a client that is in the test's swarm; change may alter how.
func join(t testing.TB, change func(*setup)) *peer {
	t.Helper()
	p := &peer{t: t, changed: make(chan struct{})}
	hash, info := descriptor(t)
	s := setup{opts: bt.Options{Listen: "127.0.0.1:0"}, spec: bt.Spec{InfoHash: hash, Info: info, Content: content}}
	if change != nil {
		change(&s)
	}
	c, err := bt.New(s.opts)
	check(t, err)
	t.Cleanup(func() { check(t, c.Close()) })
	p.client = c
	s.spec.Attach = func(l *bt.Link, outbound bool) bt.Receiver {
		p.mu.Lock()
		defer p.mu.Unlock()
		n := &session{peer: p, link: l, outbound: outbound, on: s.on}
		p.sessions = append(p.sessions, n)
		p.touch()
		return n
	}
	p.swarm, err = c.Join(s.spec)
	check(t, err)
	return p
}

// pair connects two peers, and returns the dialling and the dialled one's session.
func pair(t testing.TB, a, b *peer) (*session, *session) {
	t.Helper()
	check(t, a.swarm.Dial(b.addr()))
	return a.connected(0), b.connected(0)
}
