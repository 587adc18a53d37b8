package bt_test

import (
	"net/netip"
	"testing"
	"time"
)

func TestWhoBreaksTheFramingIsClosed(t *testing.T) {
	hash, _ := descriptor(t)
	for name, act := range map[string]func(*raw) error{
		"a frame before the handshake": func(r *raw) error { return r.frame([]byte("x")) },
		"a frame that is too long": func(r *raw) error {
			r.hello(1)
			return r.frame(make([]byte, 65_535))
		},
		"a handshake that is none": func(r *raw) error { return r.send(20, 0, 'x', 'y') },
		"a handshake without end": func(r *raw) error {
			return r.send(append([]byte{20, 0}, make([]byte, 70_000)...)...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := join(t, nil)
			r := greet(t, p, hash, "hostile")
			// It may be closed before all is written.
			_ = act(r)
			r.ended()
		})
	}
}

func TestTheBannedAreNeitherDialledNorTaken(t *testing.T) {
	a, b := join(t, nil), join(t, nil)
	sa, _ := pair(t, a, b)
	sa.link.Close("it lied", true)
	a.until("its end", func() bool { return sa.closed })
	if err := a.swarm.Dial(b.addr()); err == nil {
		t.Error("a banned peer is dialled")
	}
	check(t, b.swarm.Dial(a.addr()))
	hash, _ := descriptor(t)
	// It comes back from where it listened, and under its own id, and neither helps.
	r := greet(t, a, hash, "other id")
	r.hello(int(b.client.Port()))
	r.ended()
	id := b.client.PeerID()
	greet(t, a, hash, string(id[:])).ended()
	// An honest one on the same machine is welcome.
	greet(t, a, hash, "honest").hello(4321)
	if s := a.connected(1); s.link.Addr() != netip.MustParseAddrPort("127.0.0.1:4321") {
		t.Errorf("connected to %v", s.link.Addr())
	}
}

func TestABanEndsTheConnectionsThereAre(t *testing.T) {
	a, b := join(t, nil), join(t, nil)
	sa, sb := pair(t, a, b)
	b.client.Ban(a.addr())
	a.until("the end", func() bool { return sa.closed })
	b.until("the end", func() bool { return sb.closed })
}

func TestDiallingWhatCannotBeOrIsThereDoesNothing(t *testing.T) {
	a, b := join(t, nil), join(t, nil)
	for _, bad := range []string{"0.0.0.0:1", "127.0.0.1:0", "224.0.0.1:5"} {
		if err := a.swarm.Dial(netip.MustParseAddrPort(bad)); err == nil {
			t.Errorf("%s is dialled", bad)
		}
	}
	sa, sb := pair(t, a, b)
	for range 20 {
		check(t, a.swarm.Dial(b.addr()))
	}
	check(t, sa.link.Send([]byte{1}))
	b.within(5*time.Second, "a frame", func() bool { return len(sb.frames) == 1 })
	if len(b.swarm.Peers()) != 1 {
		t.Errorf("%d connections between two peers", len(b.swarm.Peers()))
	}
}
