package bt_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/shoalcast/shoal/swarm/bt"
)

func TestAHandlerMaySendAndCloseFromInsideReceive(t *testing.T) {
	const rounds = 500
	echo := func(s *setup) {
		s.on = func(s *session, f []byte) error {
			if f[0]++; f[0] == 0 {
				f[1]++
			}
			if int(f[0])+int(f[1])<<8 >= rounds {
				s.link.Close("enough", false)
				return nil
			}
			return s.link.Send(f)
		}
	}
	a, b := join(t, echo), join(t, echo)
	sa, sb := pair(t, a, b)
	check(t, sa.link.Send([]byte{0, 0}))
	a.until("the end of the game", func() bool { return sa.closed })
	b.until("the end of the game", func() bool { return sb.closed })
	if n := len(sa.frames) + len(sb.frames); n != rounds {
		t.Errorf("%d frames were received, want %d", n, rounds)
	}
}

func TestAReaderThatStallsCostsLittleAndIsClosed(t *testing.T) {
	p := join(t, func(s *setup) { s.opts.Stall = 300 * time.Millisecond })
	hash, _ := descriptor(t)
	r := greet(t, p, hash, "stalled")
	check(t, r.conn.SetReadBuffer(64<<10))
	r.hello(1234)
	s := p.connected(0)
	taken := 0
	for {
		err := s.link.Send(make([]byte, 16<<10))
		if errors.Is(err, bt.ErrOverflow) {
			break
		}
		check(t, err)
		if taken += 16 << 10; taken > 64<<20 {
			t.Fatal("64 MB were taken for a peer that reads nothing")
		}
	}
	if q := s.link.Queued(); q > 2<<20 || taken > 4<<20 {
		t.Errorf("%d bytes wait, %d were taken", q, taken)
	}
	p.within(3*time.Second, "the connection's end", func() bool { return s.closed })
	if err := s.link.Send([]byte{1}); !errors.Is(err, bt.ErrClosed) {
		t.Errorf("sent after the end: %v", err)
	}
}

func TestPeersWithTheWholeDescriptorStayConnected(t *testing.T) {
	a, b := join(t, nil), join(t, nil)
	sa, sb := pair(t, a, b)
	for i := range 50 {
		check(t, sa.link.Send([]byte{1}))
		b.until("a frame", func() bool { return sb.bytes > i })
		check(t, sb.link.Send([]byte{2}))
		a.until("a frame", func() bool { return sa.bytes > i })
	}
	if a.ended(sa) || b.ended(sb) || len(a.swarm.Peers()) != 1 {
		t.Error("the connection is closed")
	}
}

func TestSixtyPeersJoinWithinThreeSeconds(t *testing.T) {
	hub := join(t, nil)
	var peers []*peer
	for range 60 {
		peers = append(peers, join(t, nil))
	}
	start := time.Now()
	for _, p := range peers {
		check(t, p.swarm.Dial(hub.addr()))
	}
	hub.within(3*time.Second, "sixty connections", func() bool { return len(hub.sessions) == 60 })
	t.Logf("60 peers in %v", time.Since(start))
	// And the other way round: one client dials many.
	var wg sync.WaitGroup
	dialler := join(t, nil)
	for _, p := range peers {
		wg.Go(func() { check(t, dialler.swarm.Dial(p.addr())) })
	}
	wg.Wait()
	dialler.within(3*time.Second, "sixty connections", func() bool { return len(dialler.sessions) == 60 })
}

func TestMoreConnectionsThanAllowedAreTurnedAway(t *testing.T) {
	hub := join(t, func(s *setup) { s.opts.MaxConns = 2 })
	hash, _ := descriptor(t)
	for i := range 3 {
		r := greet(t, hub, hash, fmt.Sprint(i))
		r.hello(1000 + i)
		if i == 2 {
			r.ended()
			break
		}
		hub.connected(i)
	}
	if n := len(hub.swarm.Peers()); n != 2 {
		t.Errorf("there are %d peers", n)
	}
}

func TestOnlyTheStreamsTorrentOffersTheExtensionAndNothingGoesAroundTheTracker(t *testing.T) {
	before := udpSockets(t)
	p := join(t, nil)
	path, file, other := archive(t, 100<<10, nil)
	check(t, p.client.Seed(path, file))
	hash, _ := descriptor(t)
	for _, c := range []struct {
		hash [20]byte
		want []string
	}{{hash, []string{"sh_live", "ut_metadata"}}, {other, []string{"ut_metadata"}}, {hash, []string{"sh_live", "ut_metadata"}}} {
		r := greet(t, p, c.hash, "curious")
		var names []string
		for name := range r.offered() {
			names = append(names, name)
		}
		slices.Sort(names)
		if !slices.Equal(names, c.want) {
			t.Errorf("offered %v, want %v: neither peer exchange nor others", names, c.want)
		}
		if r.bits[7]&1 != 0 {
			t.Error("the handshake offers a DHT")
		}
	}
	if n := newUDPSockets(t, before); n > 0 {
		t.Errorf("%d UDP sockets are open: there is to be no DHT", n)
	}
}

func TestAnIdleConnectionIsKeptAliveAndASilentOneIsNot(t *testing.T) {
	p := join(t, func(s *setup) { s.opts.ReadTimeout, s.opts.Heartbeat = 400*time.Millisecond, 100*time.Millisecond })
	hash, _ := descriptor(t)
	r := greet(t, p, hash, "quiet")
	r.hello(1234)
	s := p.connected(0)
	for beats := 0; beats < 10; {
		m, err := r.next()
		check(t, err)
		if m == nil {
			beats++
			check(t, r.send())
		}
	}
	if p.ended(s) {
		t.Error("a connection that both keep alive was closed")
	}
	start := time.Now()
	r.ended()
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("a silent peer was kept for %v", took)
	}
	p.until("the silent peer's end", func() bool { return s.closed })
}

func TestTwoIdlePeersStayConnectedBeyondTheReadTimeout(t *testing.T) {
	quick := func(s *setup) { s.opts.ReadTimeout, s.opts.Heartbeat = 300*time.Millisecond, 100*time.Millisecond }
	a, b := join(t, quick), join(t, quick)
	sa, sb := pair(t, a, b)
	idle := time.NewTimer(time.Second)
	<-idle.C
	check(t, sa.link.Send([]byte{1}))
	b.until("a frame after a second of silence", func() bool { return len(sb.frames) == 1 })
}
