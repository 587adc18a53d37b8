package matchmaker

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/shoalcast/shoal/bus/bustest"
	"github.com/shoalcast/shoal/event"
)

func TestWhoIsSaidToBeLateIsGivenLessAndGetsAnotherChance(t *testing.T) {
	s := testState(limits{})
	for i := range 40 {
		if err := s.apply(factOf(event.PeerJoined, fmt.Sprintf("192.0.2.%d:1", i), byte(i), 1, epoch), epoch); err != nil {
			t.Fatal(err)
		}
	}
	var slow event.PeerID
	for _, p := range s.torrents[event.InfoHash{1}].dialable {
		if p.addr == netip.MustParseAddrPort("192.0.2.3:1") {
			slow = p.id
			slow[19] = 3
			p.id = slow
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	given := func(now time.Time) (times int) {
		for range 1_000 {
			for _, p := range choose(s, asker{infohash: event.InfoHash{1}, addr: netip.MustParseAddrPort("198.51.100.1:1"), now: now}, 10, rng) {
				if p.id == slow {
					times++
				}
			}
		}
		return times
	}
	if n := given(epoch); n < 200 || n > 300 {
		t.Fatalf("before anybody said anything it was given %d times of 1,000", n)
	}
	s.lateness.note(tailOf(slow), 60, epoch)
	if n := given(epoch); n < 200 {
		t.Errorf("one report is believed: it is given %d times", n)
	}
	s.lateness.note(tailOf(slow), 60, epoch)
	s.lateness.note(tailOf(slow), 60, epoch.Add(time.Second))
	if n := given(epoch.Add(time.Second)); n < 20 || n > 90 {
		t.Errorf("said to be late, it is given %d times, want about 50: a fifth of 250", n)
	}
	if n := given(epoch.Add(3 * time.Minute)); n < 200 {
		t.Errorf("minutes later it is still given only %d times", n)
	}
	for i := range 40 {
		s.lateness.note(tailOf(slow), 0, epoch.Add(time.Duration(i)*time.Second))
	}
	if n := given(epoch.Add(40 * time.Second)); n < 200 {
		t.Errorf("on time again, it is given only %d times", n)
	}
}

func TestWhatIsSaidOfPeersIsBounded(t *testing.T) {
	var l lateness
	for i := range 3 * mostLate {
		l.note(tail{byte(i), byte(i >> 8), byte(i >> 16)}, 1, epoch)
	}
	if n := len(l.now) + len(l.before); n > 2*mostLate {
		t.Errorf("%d are remembered", n)
	}
}

func TestWhatIsReportedOnTheBusIsHeard(t *testing.T) {
	b := bustest.Start(t)
	s := New(Options{Bus: b, Reports: b})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	var id event.PeerID
	copy(id[16:], "\x1a\x2b\x3c\x4d")
	r := event.Report{
		Stream: "k2k2k2k2k2k2k2k2k2k2k2k2k2k2k2k2", Session: "viewer00000000000001", At: 1, Event: event.OnInterval, State: event.Playing, Reporter: event.ByPage,
		Neighbours: []event.Neighbour{{ID: "1a2b3c4d", Kind: "peer", Late: 40}},
	}
	late := func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.state.lateness.late(id, time.Now())
	}
	for until := time.Now().Add(10 * time.Second); !late(); r.N++ {
		if time.Now().After(until) {
			t.Fatal("what was reported is not known")
		}
		if err := b.PublishReport(ctx, &r); err != nil {
			t.Fatal(err)
		}
	}
}
