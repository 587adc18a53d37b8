package matchmaker

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/shoalcast/shoal/event"
)

// contact is how a peer is reached: at an address, or, where it has none that takes
// connections, through the socket that it announces by.
type contact struct {
	addr   netip.AddrPort
	socket *socket // nil for those with an address
}

// peer is what is known of one peer of one torrent.
type peer struct {
	id   event.PeerID
	addr netip.AddrPort // with port 0 if it is reached through its socket
	left int64
	seen time.Time // of its newest fact
	told time.Time // of the newest fact that was put on the bus, or came from there

	socket *socket        // nil for those with an address
	asked  []event.PeerID // who was handed an offer of it, the latest of them
	place  int            // in torrent.dialable or torrent.behind
}

// maxAsked bounds peer.asked: several announces' worth.
const maxAsked = 64

func (p *peer) contact() contact {
	if p.socket != nil {
		return contact{socket: p.socket}
	}
	return contact{addr: p.addr}
}

// complete reports whether the peer has all of the torrent.
func (p *peer) complete() bool { return p.left == 0 }

// ask notes that a peer is handed an offer of this one.
func (p *peer) ask(id event.PeerID) {
	if len(p.asked) == maxAsked {
		p.asked = append(p.asked[:0], p.asked[1:]...)
	}
	p.asked = append(p.asked, id)
}

// torrent is one swarm.
type torrent struct {
	peers map[contact]*peer
	// The same, in no order, to draw from: those with an address, and those behind sockets.
	dialable, behind []*peer

	seeds int
	// downloaded is how many became complete while we knew them.
	downloaded int
}

// list is the one of the two in which a peer is drawn.
func (t *torrent) list(p *peer) *[]*peer {
	if p.socket != nil {
		return &t.behind
	}
	return &t.dialable
}

// any returns a random peer.
func (t *torrent) any(rng *rand.Rand) *peer {
	i := rng.IntN(len(t.peers))
	if i < len(t.dialable) {
		return t.dialable[i]
	}
	return t.behind[i-len(t.dialable)]
}

// state is the fold over facts about peers: who is in which swarm. It does no I/O and
// knows no clock.
type state struct {
	limits   limits
	rng      *rand.Rand
	torrents map[event.InfoHash]*torrent
	// entries counts the peers at each address, in all torrents.
	entries  map[netip.Prefix]int
	peers    int
	evicted  int
	lateness lateness
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

// find returns the peer of a contact, nil if there is none.
func (s *state) find(h event.InfoHash, at contact) *peer {
	if t := s.torrents[h]; t != nil {
		return t.peers[at]
	}
	return nil
}

// apply folds one fact that is known at now. What is older than what is known changes
// nothing, so replaying is harmless. The error says which limit a new peer would pass.
func (s *state) apply(f event.PeerFact, now time.Time) error {
	return s.fold(f, contact{addr: f.Addr}, now)
}

// fold is apply for a peer that is reached by a contact.
func (s *state) fold(f event.PeerFact, by contact, now time.Time) error {
	at := f.Time()
	if at.After(now) { // by another tracker's clock: ours decides what is old
		at = now
	}
	if now.Sub(at) >= s.limits.silence {
		return nil
	}
	have := s.find(f.InfoHash, by)
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
	return s.join(f, by, at)
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

func (s *state) join(f event.PeerFact, by contact, at time.Time) error {
	t := s.torrents[f.InfoHash]
	full := t != nil && len(t.peers) >= s.limits.peers
	switch {
	case !f.Addr.Addr().IsLoopback() && s.entries[network(f.Addr.Addr())] >= s.limits.address:
		return errAddress
	case t == nil && len(s.torrents) >= s.limits.torrents:
		return errTorrents
	case !full && s.peers >= s.limits.all:
		return errPeers
	}
	if full {
		s.remove(f.InfoHash, t.any(s.rng))
		s.evicted++
		t = s.torrents[f.InfoHash] // the last of a torrent takes it along
	}
	if t == nil {
		t = &torrent{peers: map[contact]*peer{}}
		s.torrents[f.InfoHash] = t
	}
	p := &peer{id: f.Peer, addr: f.Addr, left: f.Left, seen: at, socket: by.socket}
	t.peers[by] = p
	list := t.list(p)
	p.place = len(*list)
	*list = append(*list, p)
	if p.complete() {
		t.seeds++
	}
	s.entries[network(p.addr.Addr())]++
	s.peers++
	return nil
}

// drop forgets the peer of a contact, if there is one.
func (s *state) drop(h event.InfoHash, at contact) {
	if p := s.find(h, at); p != nil {
		s.remove(h, p)
	}
}

func (s *state) remove(h event.InfoHash, p *peer) {
	t := s.torrents[h]
	list := t.list(p)
	end := len(*list) - 1
	last := (*list)[end]
	(*list)[p.place], last.place = last, p.place
	(*list)[end] = nil
	*list = (*list)[:end]
	delete(t.peers, p.contact())
	if p.complete() {
		t.seeds--
	}
	if len(t.peers) == 0 {
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
	for _, list := range []*[]*peer{&t.dialable, &t.behind} {
		for i := len(*list) - 1; i >= 0; i-- {
			if p := (*list)[i]; now.Sub(p.seen) >= s.limits.silence {
				s.remove(h, p)
				n++
			}
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
	return t.seeds, len(t.peers) - t.seeds, t.downloaded
}
