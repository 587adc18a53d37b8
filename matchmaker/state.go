package matchmaker

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/shoalcast/shoal/event"
)

// peer is what is known of one peer of one torrent.
type peer struct {
	id    event.PeerID
	addr  netip.AddrPort
	left  int64
	seen  time.Time // of its newest fact
	told  time.Time // of the newest fact that was put on the bus, or came from there
	place int       // in torrent.order
}

// complete reports whether the peer has all of the torrent.
func (p *peer) complete() bool { return p.left == 0 }

// torrent is one swarm.
type torrent struct {
	peers map[netip.AddrPort]*peer
	order []*peer // the same, in no order, to draw from
	seeds int
	// downloaded is how many became complete while we knew them.
	downloaded int
}

// state is the fold over facts about peers: who is in which swarm. It does no I/O and
// knows no clock.
type state struct {
	limits   limits
	rng      *rand.Rand
	torrents map[event.InfoHash]*torrent
	// entries counts the peers at each address, in all torrents.
	entries map[netip.Prefix]int
	peers   int
	evicted int
}

// limits bounds a state; see Options.
type limits struct {
	torrents, peers, all, address int
	// silence is how long a peer is kept that is not heard of.
	silence time.Duration
}

var (
	errTorrents = errors.New("this tracker has as many torrents as it can take; try again later")
	errPeers    = errors.New("this tracker has as many peers as it can take; try again later")
	errAddress  = errors.New("too many peers announce from your address; stop some torrents, or try again later")
)

func newState(l limits, rng *rand.Rand) *state {
	return &state{limits: l, rng: rng, torrents: map[event.InfoHash]*torrent{}, entries: map[netip.Prefix]int{}}
}

// find returns the peer at an address, nil if there is none.
func (s *state) find(h event.InfoHash, addr netip.AddrPort) *peer {
	if t := s.torrents[h]; t != nil {
		return t.peers[addr]
	}
	return nil
}

// apply folds one fact that is known at now. What is older than what is known changes
// nothing, so replaying is harmless. The error says which limit a new peer would pass.
func (s *state) apply(f event.PeerFact, now time.Time) error {
	at := f.Time()
	if at.After(now) { // by another tracker's clock: ours decides what is old
		at = now
	}
	if now.Sub(at) >= s.limits.silence {
		return nil
	}
	have := s.find(f.InfoHash, f.Addr)
	if f.Kind == event.PeerLeft {
		// Only whoever joined may leave: others share its address behind a NAT.
		if have != nil && have.id == f.Peer && !at.Before(have.seen) {
			s.remove(f.InfoHash, have)
		}
		return nil
	}
	if have != nil {
		if at.Before(have.seen) {
			return nil
		}
		s.update(s.torrents[f.InfoHash], have, f, at)
		return nil
	}
	return s.join(f, at)
}

func (s *state) update(t *torrent, p *peer, f event.PeerFact, at time.Time) {
	if p.complete() {
		t.seeds--
	}
	if f.Left == 0 {
		t.seeds++
		if !p.complete() && p.id == f.Peer {
			t.downloaded++
		}
	}
	p.id, p.left, p.seen = f.Peer, f.Left, at
}

func (s *state) join(f event.PeerFact, at time.Time) error {
	t := s.torrents[f.InfoHash]
	full := t != nil && len(t.order) >= s.limits.peers
	switch {
	case !f.Addr.Addr().IsLoopback() && s.entries[network(f.Addr.Addr())] >= s.limits.address:
		return errAddress
	case t == nil && len(s.torrents) >= s.limits.torrents:
		return errTorrents
	case !full && s.peers >= s.limits.all:
		return errPeers
	}
	if full {
		s.remove(f.InfoHash, t.order[s.rng.IntN(len(t.order))])
		s.evicted++
		t = s.torrents[f.InfoHash] // the last of a torrent takes it along
	}
	if t == nil {
		t = &torrent{peers: map[netip.AddrPort]*peer{}}
		s.torrents[f.InfoHash] = t
	}
	p := &peer{id: f.Peer, addr: f.Addr, left: f.Left, seen: at, place: len(t.order)}
	t.peers[p.addr] = p
	t.order = append(t.order, p)
	if p.complete() {
		t.seeds++
	}
	s.entries[network(p.addr.Addr())]++
	s.peers++
	return nil
}

func (s *state) remove(h event.InfoHash, p *peer) {
	t := s.torrents[h]
	last := t.order[len(t.order)-1]
	t.order[p.place], last.place = last, p.place
	t.order[len(t.order)-1] = nil
	t.order = t.order[:len(t.order)-1]
	delete(t.peers, p.addr)
	if p.complete() {
		t.seeds--
	}
	if len(t.order) == 0 {
		delete(s.torrents, h)
	}
	n := network(p.addr.Addr())
	if s.entries[n]--; s.entries[n] == 0 {
		delete(s.entries, n)
	}
	s.peers--
}

// expire forgets those of a torrent that were not heard of for too long, and says how
// many they were.
func (s *state) expire(h event.InfoHash, now time.Time) int {
	t := s.torrents[h]
	if t == nil {
		return 0
	}
	n := 0
	for i := len(t.order) - 1; i >= 0; i-- {
		if p := t.order[i]; now.Sub(p.seen) >= s.limits.silence {
			s.remove(h, p)
			n++
		}
	}
	return n
}

// count says how many peers of a torrent have all of it, how many have not, and how
// many came to have it.
func (s *state) count(h event.InfoHash) (complete, incomplete, downloaded int) {
	t := s.torrents[h]
	if t == nil {
		return 0, 0, 0
	}
	return t.seeds, len(t.order) - t.seeds, t.downloaded
}

// network is what counts as one address: whoever has an IPv6 address has its /64.
func network(a netip.Addr) netip.Prefix {
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // cannot fail: bits fits the address, which has no zone
	return p
}
