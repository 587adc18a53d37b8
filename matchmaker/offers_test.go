package matchmaker

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/shoalcast/shoal/event"
)

// swarmOf returns a state with n peers of one torrent behind sockets of their own.
func swarmOf(t *testing.T, n int, left func(i int) int64) (*state, []*peer) {
	t.Helper()
	s := testState(limits{})
	var all []*peer
	for i := range n {
		by := contact{socket: &socket{}}
		f := factOf(event.PeerJoined, fmt.Sprintf("192.0.2.%d:0", i%250), 0, left(i), epoch)
		f.Peer = event.PeerID{byte(i), byte(i >> 8), 1}
		if err := s.fold(f, by, epoch); err != nil {
			t.Fatal(err)
		}
		all = append(all, s.find(f.InfoHash, by))
	}
	return s, all
}

func taker(int) int64 { return 1 }

func TestOffersGoToPeersAtRandomAndToNobodyTwiceWhileOthersAreThere(t *testing.T) {
	s, all := swarmOf(t, 41, taker)
	rng := rand.New(rand.NewPCG(3, 4))
	asker, times := all[0], map[event.PeerID]int{}
	for round := range 8 {
		for _, p := range chooseOffered(s, asker, event.InfoHash{1}, 5, epoch, rng) {
			times[p.id]++
			asker.ask(p.id)
		}
		if len(times) != 5*(round+1) || times[asker.id] != 0 {
			t.Fatalf("after %d times 5 offers %d peers have one", round+1, len(times))
		}
	}
	if got := chooseOffered(s, asker, event.InfoHash{1}, 5, epoch, rng); len(got) != 5 {
		t.Errorf("when all were asked %d are asked again", len(got))
	}
	clear(times)
	for range 2000 {
		asker.asked = nil
		for _, p := range chooseOffered(s, asker, event.InfoHash{1}, 4, epoch, rng) {
			times[p.id]++
		}
	}
	for id, n := range times {
		if n < 120 || n > 280 {
			t.Errorf("peer %v is asked %d times, others about 200", id, n)
		}
	}
}

func TestWhoIsCompleteOffersToTakersFirst(t *testing.T) {
	s, all := swarmOf(t, 20, func(i int) int64 { return int64(i % 2) })
	got := chooseOffered(s, all[0], event.InfoHash{1}, 15, epoch, rand.New(rand.NewPCG(1, 2)))
	if len(got) != 15 {
		t.Fatalf("%d are chosen", len(got))
	}
	for i, p := range got {
		if p.complete() != (i >= 10) {
			t.Errorf("place %d: complete %v", i, p.complete())
		}
	}
}

func TestWhatAPeerRemembersOfItsOffersIsBounded(t *testing.T) {
	p := &peer{}
	for i := range byte(200) {
		p.ask(event.PeerID{i})
	}
	if len(p.asked) != maxAsked || p.asked[maxAsked-1] != (event.PeerID{199}) || p.asked[0] != (event.PeerID{200 - maxAsked}) {
		t.Errorf("it remembers %d, from %v on", len(p.asked), p.asked[0])
	}
}

func TestOffersHeldAreBoundedByNumberByWhoMakesThemAndByAge(t *testing.T) {
	var o offers
	hand := func(from *socket, now time.Time) (n int) {
		for o.room(from, now) {
			o.hand(offer{from: from, at: now})
			n++
		}
		return n
	}
	first, now := &socket{}, epoch
	if n := hand(first, now); n != maxOffersFrom {
		t.Errorf("%d of one other", n)
	}
	for range 30 {
		hand(&socket{}, now.Add(time.Second))
	}
	if len(o.held) != maxOffersHeld {
		t.Errorf("%d of all others", len(o.held))
	}
	if n := hand(&socket{}, now.Add(offerLife)); n != maxOffersFrom {
		t.Errorf("when the first are too old, %d more", n)
	}
	if o.forget(now.Add(time.Hour)); len(o.held) != 0 || o.held[:cap(o.held)][0].from != nil {
		t.Error("old offers, or their sockets, are kept")
	}
}
