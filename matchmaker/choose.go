package matchmaker

import (
	"math/rand/v2"
	"net/netip"

	"github.com/shoalcast/shoal/event"
)

// asker is a peer that wants others.
type asker struct {
	infohash event.InfoHash
	id       event.PeerID
	addr     netip.AddrPort
	complete bool
	// family is the only address length wanted, in bits; 0 takes both.
	family int
}

// choose returns up to n peers for one that asks: any that it can use, at random. One that
// says it is complete is given other complete ones last, but is given them: clients that
// have only a magnet link say so too, and need somebody to tell them what they lack. It
// is pure: the same state, asker and rng give the same peers.
func choose(s *state, a asker, n int, rng *rand.Rand) []*peer {
	t := s.torrents[a.infohash]
	if t == nil || n <= 0 {
		return nil
	}
	out := make([]*peer, 0, min(n, len(t.order)))
	var last []*peer
	// Draws without repetition, and without touching the order: swapped holds what a
	// shuffle would have moved so far.
	swapped := map[int]int{}
	at := func(i int) int {
		if j, ok := swapped[i]; ok {
			return j
		}
		return i
	}
	for i := range t.order {
		if len(out) == n {
			break
		}
		j := i + rng.IntN(len(t.order)-i)
		drawn := at(j)
		swapped[j] = at(i)
		switch p := t.order[drawn]; {
		case !useful(a, p):
		case a.complete && p.complete():
			if len(last) < n {
				last = append(last, p)
			}
		default:
			out = append(out, p)
		}
	}
	return append(out, last[:min(len(last), n-len(out))]...)
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
