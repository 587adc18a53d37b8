package bt

import (
	"net/netip"
	"testing"
	"time"
)

func TestAPeerThatWasTriedInVainIsLeftAloneForEverLonger(t *testing.T) {
	var r rests
	now := time.Unix(1_790_000_000, 0)
	peer, other := place{peer: PeerID{1}}, place{PeerID{1}, netip.MustParseAddrPort("192.0.2.1:6881")}
	for _, want := range []time.Duration{10 * time.Second, 20 * time.Second, 40 * time.Second} {
		r.note(peer, false, now)
		if now = now.Add(want - 1); !r.resting(peer, now) || r.resting(other, now) {
			t.Errorf("not yet %v later it is tried again", want)
		}
		if now = now.Add(1); r.resting(peer, now) {
			t.Errorf("%v later it is still left alone", want)
		}
	}
	for range 100 {
		r.note(peer, false, now)
	}
	if r.resting(peer, now.Add(10*time.Minute)) {
		t.Error("it is left alone for more than 10 minutes")
	}
	r.note(peer, true, now)
	if r.resting(peer, now) {
		t.Error("it is left alone though it was reached")
	}
	for i := range 5000 {
		r.note(place{peer: PeerID{byte(i), byte(i >> 8)}}, false, now)
	}
	if len(r.places) > maxRests {
		t.Errorf("%d places are remembered", len(r.places))
	}
}
