package bt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/pion/stun/v4"

	"github.com/shoalcast/shoal/swarm/bt"
)

// native is a peer without a TCP port, which signals through the hub.
type native struct {
	*peer
	id bt.PeerID

	mu  sync.Mutex
	hub *bt.Link
	// rewrite changes the descriptions that are sent.
	rewrite func(body []byte) []byte
}

// Send wraps a signal into a frame: to whom, from whom, what.
func (n *native) Send(to bt.PeerID, body []byte) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.hub == nil {
		return errors.New("no hub")
	}
	if n.rewrite != nil && len(body) > 0 {
		body = n.rewrite(body)
	}
	return n.hub.Send(append(append(to[:], n.id[:]...), body...))
}

// newHub is a peer that relays frames from natives to natives.
func newHub(t testing.TB) *peer {
	var mu sync.Mutex
	known := map[bt.PeerID]*bt.Link{}
	return join(t, func(s *setup) {
		s.on = func(s *session, f []byte) error {
			mu.Lock()
			defer mu.Unlock()
			known[bt.PeerID(f[16:32])] = s.link
			if to := known[bt.PeerID(f[:16])]; to != nil && len(f) > 32 {
				return to.Send(f)
			}
			return nil
		}
	})
}

func newNative(t testing.TB, hub *peer, id byte, change func(*setup)) *native {
	t.Helper()
	n := &native{id: bt.PeerID{id}}
	n.peer = join(t, func(s *setup) {
		s.opts = bt.Options{WebRTC: "127.0.0.1:0"}
		s.spec.Signaller = n
		s.on = func(s *session, f []byte) error {
			if !s.link.WebRTC() {
				return n.swarm.Signal(bt.PeerID(f[16:32]), f[32:])
			}
			return nil
		}
		if change != nil {
			change(s)
		}
	})
	check(t, n.swarm.Dial(hub.addr()))
	link := n.connected(0).link
	n.mu.Lock()
	n.hub = link
	n.mu.Unlock()
	check(t, n.Send(n.id, nil))
	hub.until("the newcomer's name", func() bool {
		for _, s := range hub.sessions {
			if len(s.frames) > 0 && bt.PeerID(s.frames[0][16:32]) == n.id {
				return true
			}
		}
		return false
	})
	return n
}

// meet connects two natives by WebRTC.
func meet(t testing.TB, a, b *native) (*session, *session) {
	t.Helper()
	check(t, a.swarm.DialSignalled(b.id))
	return a.connected(1), b.connected(1)
}

func TestTwoPeersOfWhichNeitherListensMeetThroughAThird(t *testing.T) {
	hub := newHub(t)
	a, b := newNative(t, hub, 1, nil), newNative(t, hub, 2, nil)
	start := time.Now()
	sa, sb := meet(t, a, b)
	t.Logf("met in %v", time.Since(start))
	if sa.link.Addr().IsValid() || sb.link.Addr().IsValid() || !sa.outbound || sb.outbound {
		t.Errorf("at %v and %v", sa.link.Addr(), sb.link.Addr())
	}
	var want []byte
	for i := range 200 {
		f := bytes.Repeat([]byte{byte(i)}, 1+i*80)
		want = append(want, f...)
		check(t, sa.link.Send(bytes.Clone(f)))
		check(t, sb.link.Send(bytes.Clone(f)))
	}
	check(t, sa.link.Send(make([]byte, bt.MaxPayload)))
	want = append(want, make([]byte, bt.MaxPayload)...)
	b.until("all frames", func() bool { return sb.bytes == len(want) })
	a.until("all frames", func() bool { return sa.bytes == len(want)-bt.MaxPayload })
	if !bytes.Equal(bytes.Join(sb.frames, nil), want) {
		t.Error("other bytes arrived")
	}
	sa.link.Close("done", false)
	b.until("the end", func() bool { return sb.closed })
	if n := len(b.swarm.Peers()); n != 1 {
		t.Errorf("%d peers are left", n)
	}
}

func TestAPeerAtWhoseAddressNobodyAnswersIsMetThroughAThird(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	nowhere := l.Addr().(*net.TCPAddr).AddrPort()
	check(t, l.Close())
	hub := newHub(t)
	a, b := newNative(t, hub, 1, nil), newNative(t, hub, 2, nil)
	check(t, a.swarm.Reach(b.id, nowhere))
	if sa := a.connected(1); !sa.link.WebRTC() || !sa.outbound {
		t.Error("they met otherwise")
	}
}

func TestAPeerThatAnswersAtItsAddressIsMetThere(t *testing.T) {
	hub := newHub(t)
	a, c := newNative(t, hub, 1, nil), join(t, nil)
	check(t, a.swarm.Reach(bt.PeerID{3}, c.addr()))
	if sa := a.connected(1); sa.link.Addr() != c.addr() || !sa.outbound || c.connected(0).outbound {
		t.Errorf("they met otherwise, at %v", sa.link.Addr())
	}
}

func TestPeersThatDialEachOtherAtOnceMeet(t *testing.T) {
	hub := newHub(t)
	a, b := newNative(t, hub, 1, nil), newNative(t, hub, 2, nil)
	check(t, a.swarm.DialSignalled(b.id))
	check(t, b.swarm.DialSignalled(a.id))
	sa, sb := a.connected(1), b.connected(1)
	check(t, sa.link.Send([]byte("hello")))
	b.until("a frame", func() bool { return sb.bytes == 5 })
	check(t, a.swarm.DialSignalled(a.id)) // nobody answers oneself
}

func TestAWebRTCReaderThatStallsCostsLittleAndIsClosed(t *testing.T) {
	hub := newHub(t)
	stop := make(chan struct{})
	defer close(stop)
	a := newNative(t, hub, 1, func(s *setup) { s.opts.Stall = 500 * time.Millisecond })
	b := newNative(t, hub, 2, func(s *setup) {
		relay := s.on
		s.on = func(s *session, f []byte) error {
			if s.link.WebRTC() {
				<-stop
			}
			return relay(s, f)
		}
	})
	sa, _ := meet(t, a, b)
	taken := 0
	for {
		err := sa.link.Send(make([]byte, 16<<10))
		if errors.Is(err, bt.ErrClosed) || errors.Is(err, bt.ErrOverflow) {
			break
		}
		check(t, err)
		taken += 16 << 10
	}
	a.within(10*time.Second, "the end", func() bool { return sa.closed })
	if taken > 4<<20 {
		t.Errorf("%d bytes were taken", taken)
	}
}

func TestSignalsThatAreNoneAreRefusedAndAttemptsAreBounded(t *testing.T) {
	hub := newHub(t)
	a := newNative(t, hub, 1, nil)
	for _, bad := range []string{
		"", "{}", `{"type":"offer","id":"12"}`, `{"type":"pranswer","id":"00000000000000000000000000000000"}`,
		`{"type":"answer","id":"00000000000000000000000000000000","sdp":"x"}`, string(make([]byte, 9000)),
	} {
		if err := a.swarm.Signal(bt.PeerID{9}, []byte(bad)); err == nil {
			t.Errorf("%.40q is taken", bad)
		}
	}
	busy := 0
	for i := range 100 {
		if errors.Is(a.swarm.DialSignalled(bt.PeerID{9, byte(i)}), bt.ErrBusy) {
			busy++
		}
	}
	if busy < 60 {
		t.Errorf("only %d of 100 attempts were refused", busy)
	}
}

func TestTheSTUNServerSaysWhereOneIsAndNothingElse(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	check(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- bt.ServeSTUN(ctx, conn) }()
	c, err := net.Dial("udp", conn.LocalAddr().String())
	check(t, err)
	defer c.Close()
	ask := func(raw []byte) *stun.Message {
		_, err := c.Write(raw)
		check(t, err)
		check(t, c.SetReadDeadline(time.Now().Add(300*time.Millisecond)))
		buf := make([]byte, 1500)
		n, err := c.Read(buf)
		if err != nil {
			return nil
		}
		m := &stun.Message{Raw: buf[:n]}
		check(t, m.Decode())
		return m
	}
	request := stun.MustBuild(stun.TransactionID, stun.BindingRequest)
	m := ask(request.Raw)
	var at stun.XORMappedAddress
	if m == nil || at.GetFrom(m) != nil || at.String() != c.LocalAddr().String() || m.TransactionID != request.TransactionID {
		t.Fatalf("answered %v, %v", m, at)
	}
	if len(m.Raw) > 3*len(request.Raw) {
		t.Errorf("an answer of %d bytes makes it a tool for floods", len(m.Raw))
	}
	if m := ask(stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassRequest)).Raw); m != nil {
		t.Error("it offers to relay")
	}
	if m := ask([]byte("garbage that is long enough to be a header")); m != nil {
		t.Error("it answers garbage")
	}
	got := 0
	for range 60 {
		_, err := c.Write(stun.MustBuild(stun.TransactionID, stun.BindingRequest).Raw)
		check(t, err)
	}
	for ask(request.Raw) != nil && got < 60 {
		got++
	}
	if got > 30 {
		t.Errorf("one address got %d answers at once", got)
	}
	cancel()
	check(t, <-ended)
}

func TestSTUNServersThatAreLearntLaterAreAsked(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	check(t, err)
	defer conn.Close()
	hub := newHub(t)
	a, b := newNative(t, hub, 1, nil), newNative(t, hub, 2, nil)
	a.client.SetICEServers([]string{fmt.Sprintf("stun:%s", conn.LocalAddr())})
	meet(t, a, b)
	check(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
	if _, _, err := conn.ReadFrom(make([]byte, 1500)); err != nil {
		t.Errorf("it was not asked: %v", err)
	}
}

func TestAPeerLearnsItsPublicAddressOnItsOnePort(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	check(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- bt.ServeSTUN(ctx, conn) }()
	hub := newHub(t)
	server := fmt.Sprintf("stun:%s", conn.LocalAddr())
	with := func(s *setup) { s.opts.ICEServers = []string{server} }
	before := udpSockets(t)
	a, b := newNative(t, hub, 1, with), newNative(t, hub, 2, with)
	sa, sb := meet(t, a, b)
	check(t, sa.link.Send([]byte("x")))
	b.until("a frame", func() bool { return sb.bytes == 1 })
	if n := newUDPSockets(t, before); n != 2 {
		t.Errorf("%d UDP sockets for two peers", n)
	}
	cancel()
	check(t, <-ended)
}
