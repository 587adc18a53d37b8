package bus_test

import (
	"context"
	"net/netip"
	"testing"

	"github.com/shoalcast/shoal/bus/bustest"
	"github.com/shoalcast/shoal/event"
)

func peerFact(port uint16) event.PeerFact {
	return event.PeerFact{
		Kind: event.PeerJoined, InfoHash: event.InfoHash{1}, Peer: event.PeerID{2},
		Addr: netip.AddrPortFrom(netip.MustParseAddr("203.0.113.7"), port), Left: 5, At: 1_700_000_000_000,
	}
}

func TestFactsAboutPeersOfARegionAreReadFromTheBeginningThenLive(t *testing.T) {
	b := bustest.Start(t)
	ctx := ctxOf(t)
	hash := event.InfoHash{1}.String()
	check(t, b.AppendPeerFact(ctx, "local", string(streamA), peerFact(1)))
	check(t, b.AppendPeerFact(ctx, "local", hash, peerFact(2)))
	// The newest of all is of another region: nothing of ours comes after it.
	check(t, b.AppendPeerFact(ctx, "eu-west", hash, peerFact(99)))

	got, caughtUp := make(chan uint16, 10), make(chan struct{})
	followed(t, func(ctx context.Context) error {
		return b.FollowPeers(ctx, "local", func() { close(caughtUp) }, func(f event.PeerFact) error {
			want := peerFact(f.Addr.Port())
			if f != want {
				t.Errorf("got %+v, want %+v", f, want)
			}
			got <- f.Addr.Port()
			return nil
		})
	})
	for want := range uint16(2) {
		if p := receive(t, got); p != want+1 {
			t.Fatalf("fact %d came instead of %d", p, want+1)
		}
	}
	receive(t, caughtUp)
	check(t, b.AppendPeerFact(ctx, "local", hash, peerFact(3)))
	if p := receive(t, got); p != 3 {
		t.Fatalf("fact %d came instead of 3", p)
	}
}

func TestARegionWithoutPeersIsCaughtUpAtOnce(t *testing.T) {
	b := bustest.Start(t)
	check(t, b.AppendPeerFact(ctxOf(t), "eu-west", "swarm", peerFact(1)))
	caughtUp := make(chan struct{})
	followed(t, func(ctx context.Context) error {
		return b.FollowPeers(ctx, "local", func() { close(caughtUp) }, func(event.PeerFact) error { return nil })
	})
	receive(t, caughtUp)
}

func TestPeersAreNotFiledUnderWhatIsNoToken(t *testing.T) {
	b := bustest.Start(t)
	for _, names := range [][2]string{{"", "swarm"}, {"local", ""}, {"local", "a.b"}, {"*", "swarm"}, {"local", ">"}, {"local", "a b"}} {
		if b.AppendPeerFact(ctxOf(t), names[0], names[1], peerFact(1)) == nil {
			t.Errorf("%q is accepted", names)
		}
	}
}
