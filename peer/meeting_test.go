package peer

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
	"github.com/shoalcast/shoal/swarm"
	"github.com/shoalcast/shoal/swarm/live"
	"github.com/shoalcast/shoal/swarm/metainfo"
)

// meeting is a transport inside the test: whoever joins a torrent is connected to
// everybody in it.
type meeting struct {
	mu    sync.Mutex
	rooms map[metainfo.InfoHash][]*member
	cut   bool // nothing arrives
	down  bool // nobody gets in
	bans  int
}

type member struct {
	room    *meeting
	hash    metainfo.InfoHash
	loop    *live.Loop
	content []byte
}

func (m *meeting) Join(d metainfo.Descriptor, _ []string, l *live.Loop) (live.Membership, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down {
		return nil, context.DeadlineExceeded
	}
	if m.rooms == nil {
		m.rooms = map[metainfo.InfoHash][]*member{}
	}
	n := &member{room: m, hash: d.InfoHash, loop: l, content: d.Content}
	for _, o := range m.rooms[d.InfoHash] {
		a, b := &wire{room: m}, &wire{room: m}
		sa, sb := l.Attach(a, true), o.loop.Attach(b, false)
		a.connect(sb)
		b.connect(sa)
	}
	m.rooms[d.InfoHash] = append(m.rooms[d.InfoHash], n)
	return n, nil
}

func (m *meeting) Find(ctx context.Context, hash metainfo.InfoHash, _ []string) ([]byte, error) {
	m.mu.Lock()
	for _, n := range m.rooms[hash] {
		m.mu.Unlock()
		return n.content, nil
	}
	m.mu.Unlock()
	<-ctx.Done()
	return nil, ctx.Err()
}

// tell says something to all who are there, from a peer that listens to nobody.
func (m *meeting) tell(t *testing.T, messages ...swarm.Message) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, room := range m.rooms {
		for _, n := range room {
			var encoder swarm.Encoder
			to := n.loop.Attach(&wire{room: m}, false)
			for _, msg := range messages {
				frames, err := encoder.Encode(nil, msg)
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range frames {
					if err := to.Receive(f); err != nil {
						t.Error(err)
					}
				}
			}
		}
	}
}

func (m *meeting) setCut(cut bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cut = cut
}

// banned returns how many connections ended with a ban.
func (m *meeting) banned() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.bans
}

func (*member) Dial(swarm.Dial)      {}
func (*member) Signal(*swarm.Signal) {}

func (n *member) Close() {
	n.room.mu.Lock()
	defer n.room.mu.Unlock()
	n.room.rooms[n.hash] = slices.DeleteFunc(n.room.rooms[n.hash], func(o *member) bool { return o == n })
}

// wire is a link to another loop. What is sent before it is connected waits.
type wire struct {
	room *meeting
	mu   sync.Mutex
	to   *live.Session
	wait [][]byte
}

func (w *wire) connect(s *live.Session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.to = s
	for _, f := range w.wait {
		_ = s.Receive(f)
	}
}

func (w *wire) Send(frame []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.to == nil {
		w.wait = append(w.wait, frame)
		return nil
	}
	w.room.mu.Lock()
	cut := w.room.cut
	w.room.mu.Unlock()
	if cut {
		return nil
	}
	return w.to.Receive(frame)
}

func (w *wire) Close(_ string, ban bool) {
	if ban {
		w.room.mu.Lock()
		w.room.bans++
		w.room.mu.Unlock()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.to != nil {
		w.to.Closed()
	}
}

func (w *wire) Addr() netip.AddrPort { return netip.AddrPort{} }

// testSeed seeds what a test origin signs, as a seeder does.
type testSeed struct {
	o         *testOrigin
	headsOnly bool
	spoil     spoil // nil: it is honest
	loop      *live.Loop
	stop      func()
}

// spoil makes a lie of a head and its piece.
type spoil func(h *swarm.Head, data []byte) (*swarm.Head, []byte)

var seeds atomic.Uint32

// seed joins the swarm of an origin's stream with all that was signed. With headsOnly it
// has no block to give.
func (o *testOrigin) seed(t *testing.T, m *meeting, headsOnly bool) *testSeed {
	t.Helper()
	return o.addSeed(t, m, &testSeed{o: o, headsOnly: headsOnly})
}

// liar joins as a seed that changes what it hands on.
func (o *testOrigin) liar(t *testing.T, m *meeting, lie spoil) *testSeed {
	t.Helper()
	return o.addSeed(t, m, &testSeed{o: o, spoil: lie})
}

func (o *testOrigin) addSeed(t *testing.T, m *meeting, s *testSeed) *testSeed {
	t.Helper()
	d, err := metainfo.NewDescriptor(o.genesis)
	if err != nil {
		t.Fatal(err)
	}
	trust, err := manifest.NewTrust(o.genesis)
	if err != nil {
		t.Fatal(err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	number := seeds.Add(1)
	s.loop = live.New(live.Options{
		Node: swarm.Config{
			Stream: o.id, ID: swarm.PeerID{0xfe, byte(number)}, Role: swarm.Seed, Verifier: swarm.NewTrusted(trust),
			Up: swarm.Unlimited, NoOrigin: true, Random: number,
		},
	})
	for _, env := range o.sessions {
		s.learn(env)
	}
	s.feed(o.signed)
	in, err := m.Join(d, nil, s.loop)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.loop.Run(ctx) }()
	s.stop = sync.OnceFunc(func() {
		o.do(func() { o.seeds = slices.DeleteFunc(o.seeds, func(other *testSeed) bool { return other == s }) })
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the seed ended with %v", err)
		}
		in.Close()
	})
	o.seeds = append(o.seeds, s)
	t.Cleanup(s.stop)
	return s
}

func (s *testSeed) post(fn func(now swarm.Time, n *swarm.Node)) {
	if err := s.loop.Post(fn); err != nil && !errors.Is(err, live.ErrClosed) { // the test may be over
		s.o.t.Errorf("feed the seed: %v", err)
	}
}

// conns returns how many connections it has.
func (s *testSeed) conns(t *testing.T) (conns int) {
	t.Helper()
	if err := s.loop.Do(t.Context(), func(_ swarm.Time, n *swarm.Node) { conns = n.Stats().Conns }); err != nil {
		t.Fatal(err)
	}
	return conns
}

func (s *testSeed) learn(env manifest.Envelope) {
	s.post(func(now swarm.Time, n *swarm.Node) {
		if err := n.AddRecord(now, env.JSON()); err != nil {
			s.o.t.Errorf("a seed does not take a session: %v", err)
		}
	})
}

// feed hands on what was signed; o.mu is held.
func (s *testSeed) feed(signed []manifest.Signed) {
	for _, e := range signed {
		data, init := s.o.blobs[e.Entry.Root], s.o.blobs[e.Entry.Init]
		var leaves [][32]byte
		if !e.Entry.Gap {
			leaves = manifest.Leaves(data)
		}
		h, err := swarm.HeadOf(e, leaves)
		if err != nil {
			s.o.t.Error(err)
			return
		}
		s.post(func(now swarm.Time, n *swarm.Node) {
			if init != nil && e.Entry.Init != (event.Root{}) {
				n.AddInit(now, e.Entry.Init, init)
			}
			if s.spoil != nil && data != nil {
				h, data = s.spoil(h, data)
			}
			if s.headsOnly {
				n.AddHead(now, h)
				return
			}
			n.Add(now, h, data, swarm.FromSeed)
		})
	}
}
