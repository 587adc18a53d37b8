package matchmaker

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/shoalcast/shoal/event"
)

// asker is a peer that wants others.
type asker struct {
	infohash event.InfoHash
	id       event.PeerID
	addr     netip.AddrPort
	complete bool
	now      time.Time
	// family is the only address length wanted, in bits; 0 takes both.
	family int
}

// choose returns up to n peers with an address for one that asks: any that it can use, at
// random. One that says it is complete is given other complete ones last, but is given
// them: clients that have only a magnet link say so too, and need somebody to tell them
// what they lack. It is pure: the same state, asker and rng give the same peers.
func choose(s *state, a asker, n int, rng *rand.Rand) []*peer {
	t := s.torrents[a.infohash]
	if t == nil {
		return nil
	}
	return draw(t.dialable, n, rng, func(p *peer) rank {
		switch {
		case !useful(a, p):
			return never
		case a.complete && p.complete(), s.avoids(p, a.now, rng):
			return last
		}
		return gladly
	})
}

// anyway is the share of choices in which a peer's lateness does not count: who was late gets to show that it no longer is, and
// who is slandered is not lost.
const anyway = 0.2

// avoids reports whether a peer comes after others for now, as those that it gives to say that it is late.
func (s *state) avoids(p *peer, now time.Time, rng *rand.Rand) bool {
	return s.lateness.late(p.id, now) && rng.Float64() >= anyway
}

// chooseOffered returns up to n peers, at random, to whom offers of one behind a socket
// go: each another, none behind the same socket, none that was handed as many as it may be
// (see offers). Those that were asked before or are late, and complete ones for a complete one, come
// after others. It is pure.
func chooseOffered(s *state, from *peer, h event.InfoHash, n int, now time.Time, rng *rand.Rand) []*peer {
	asked := make(map[event.PeerID]bool, len(from.asked))
	for _, id := range from.asked {
		asked[id] = true
	}
	return draw(s.torrents[h].behind, n, rng, func(p *peer) rank {
		switch {
		case p.socket == from.socket || p.id == from.id: // itself, also by a socket it had before
			return never
		case !p.socket.offers.room(from.socket, now):
			return never
		case asked[p.id], from.complete() && p.complete(), s.avoids(p, now, rng):
			return last
		}
		return gladly
	})
}

// rank says how a peer suits who asks.
type rank int

const (
	gladly rank = iota
	last        // where there are no others
	never
)

// draw returns up to n of the peers in order, at random, by rank.
func draw(order []*peer, n int, rng *rand.Rand, of func(*peer) rank) []*peer {
	if n <= 0 {
		return nil
	}
	out := make([]*peer, 0, min(n, len(order)))
	var spare []*peer
	// Draws without repetition, and without touching the order: swapped holds what a
	// shuffle would have moved so far.
	swapped := map[int]int{}
	at := func(i int) int {
		if j, ok := swapped[i]; ok {
			return j
		}
		return i
	}
	for i := range order {
		if len(out) == n {
			break
		}
		j := i + rng.IntN(len(order)-i)
		drawn := at(j)
		swapped[j] = at(i)
		p := order[drawn]
		switch of(p) {
		case gladly:
			out = append(out, p)
		case last:
			if len(spare) < n {
				spare = append(spare, p)
			}
		case never:
		}
	}
	return append(out, spare[:min(len(spare), n-len(out))]...)
}

// useful reports whether a could connect to p and gain from it.
func useful(a asker, p *peer) bool {
	switch {
	case p.addr == a.addr || p.id == a.id: // itself, also under its other address
		return false
	case a.family != 0 && p.addr.Addr().BitLen() != a.family:
		return false
	}
	return reachable(a.addr.Addr(), p.addr.Addr())
}

// reachable reports whether an address means anything to somebody at another: this
// machine's own only here, a private network's only in one.
func reachable(from, to netip.Addr) bool {
	local := from.IsLoopback() || from.IsPrivate() || from.IsLinkLocalUnicast()
	switch {
	case to.IsLoopback():
		return from.IsLoopback()
	case to.IsPrivate(), to.IsLinkLocalUnicast():
		return local
	}
	return true
}
