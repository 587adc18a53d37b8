package live_test

import (
	"bytes"
	"context"
	"net/netip"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
	"github.com/shoalcast/shoal/swarm"
	"github.com/shoalcast/shoal/swarm/live"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const stream event.StreamID = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

// trusting takes every head for genuine whose payload it knows.
type trusting struct{ heads map[string]manifest.Entry }

func (v trusting) OpenHead(h *swarm.Head) error {
	h.Entry = v.heads[string(h.Payload)]
	return nil
}

func (v trusting) Block(h *swarm.Head, i int, data []byte) bool {
	return manifest.VerifyBlock(h.Leaves, i, data)
}
func (v trusting) Init(event.Root, []byte) bool   { return true }
func (v trusting) AddRecord([]byte) (bool, error) { return false, nil }
func (v trusting) Records() [][]byte              { return nil }

// pipe is a link to another loop in this process.
type pipe struct {
	mu   sync.Mutex
	to   *live.Session
	wait [][]byte
	done bool
	ban  bool
	why  string
}

func (p *pipe) Send(frame []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.to == nil {
		p.wait = append(p.wait, frame)
		return nil
	}
	return p.to.Receive(frame)
}

func (p *pipe) Close(reason string, ban bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done, p.ban, p.why = true, ban, reason
	if p.to != nil {
		p.to.Closed()
	}
}

func (p *pipe) Addr() netip.AddrPort { return netip.MustParseAddrPort("127.0.0.1:1") }

func (p *pipe) connect(s *live.Session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.to = s
	for _, f := range p.wait {
		_ = s.Receive(f)
	}
	p.wait = nil
}

func join(a, b *live.Loop) (*pipe, *pipe) {
	pa, pb := &pipe{}, &pipe{}
	sa, sb := a.Attach(pa, true), b.Attach(pb, false)
	pa.connect(sb)
	pb.connect(sa)
	return pa, pb
}

func start(t *testing.T, l *live.Loop) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the loop ended with %v", err)
		}
	})
}

func TestAPieceOfASeedArrivesAtAViewerVerified(t *testing.T) {
	v := trusting{map[string]manifest.Entry{}}
	got := make(chan *swarm.Piece, 16)
	seed := live.New(live.Options{Node: swarm.Config{Stream: stream, ID: swarm.PeerID{1}, Role: swarm.Seed, Verifier: v, Up: swarm.Unlimited, NoOrigin: true}})
	viewer := live.New(live.Options{
		Node:    swarm.Config{Stream: stream, ID: swarm.PeerID{2}, Verifier: v, Wants: []event.Rendition{"v0"}, Up: swarm.Unlimited, NoOrigin: true},
		Handler: live.Handler{Piece: func(p *swarm.Piece) { got <- p }},
	})
	var heads []*swarm.Head
	for i := range 10 {
		data := bytes.Repeat([]byte{byte(i + 1)}, 50_000)
		e := manifest.Entry{Stream: stream, R: "v0", Epoch: 1, N: uint64(i), Part: uint64(i % 5), Key: i%5 == 0, PTS: event.Ticks(i) * 18000, Dur: 18000, Size: int64(len(data))}
		h := &swarm.Head{Payload: []byte{byte(i)}, Leaves: manifest.Leaves(data), Entry: e}
		v.heads[string(h.Payload)] = e
		heads = append(heads, h)
	}
	start(t, seed)
	start(t, viewer)
	join(seed, viewer)
	for _, h := range heads {
		data := bytes.Repeat([]byte{byte(h.Entry.N + 1)}, 50_000)
		if err := seed.Do(t.Context(), func(now swarm.Time, n *swarm.Node) { n.Add(now, h, data, swarm.FromOrigin) }); err != nil {
			t.Fatal(err)
		}
	}
	for range 5 { // at least from the newest keyframe on
		select {
		case p := <-got:
			if want := byte(p.Head.Entry.N + 1); !bytes.Equal(p.Data(), bytes.Repeat([]byte{want}, 50_000)) {
				t.Errorf("piece %d has other bytes", p.Head.Entry.N)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("no piece arrived")
		}
	}
}

func TestWhoSendsNonsenseIsClosed(t *testing.T) {
	l := live.New(live.Options{Node: swarm.Config{Stream: stream, ID: swarm.PeerID{1}, Verifier: trusting{}, Up: swarm.Unlimited}})
	closed := make(chan struct{})
	link := &closing{closed: closed}
	start(t, l)
	s := l.Attach(link, false)
	if err := s.Receive([]byte{1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-closed:
	case <-time.After(10 * time.Second):
		t.Fatal("the connection stays open")
	}
}

// closing is a link that only tells when it is closed.
type closing struct {
	once   sync.Once
	closed chan struct{}
}

func (c *closing) Send([]byte) error    { return nil }
func (c *closing) Close(string, bool)   { c.once.Do(func() { close(c.closed) }) }
func (c *closing) Addr() netip.AddrPort { return netip.AddrPort{} }

func TestAFloodIsRefusedBeforeItFillsMemory(t *testing.T) {
	// A loop that does not run takes nothing from its sessions.
	l := live.New(live.Options{Node: swarm.Config{Stream: stream, ID: swarm.PeerID{1}, Verifier: trusting{}, Up: swarm.Unlimited}})
	s := l.Attach(&closing{closed: make(chan struct{})}, false)
	frame := make([]byte, 60_000)
	for range 1000 {
		if err := s.Receive(frame); err != nil {
			return
		}
	}
	t.Error("60 MB of one connection wait unread")
}
