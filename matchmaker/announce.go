package matchmaker

import (
	"errors"
	"net/netip"
	"time"

	"github.com/shoalcast/shoal/event"
)

// announcement is what a peer says, whatever the transport.
type announcement struct {
	infohash   event.InfoHash
	peer       event.PeerID
	from       netip.Addr // who asks
	addr       netip.AddrPort
	left       int64 // event.LeftUnknown if it did not say
	downloaded int64
	uploaded   int64
	stopped    bool
	want       int
	family     int // of the answer's addresses, in bits; 0: both
}

// answer is what a peer is told.
type answer struct {
	complete, incomplete int
	peers                []found
}

// found is where a peer is.
type found struct {
	id   event.PeerID
	addr netip.AddrPort
}

var (
	errUnknown = errors.New("this tracker serves the streams and archives of its own installation only, and this torrent is none of them")
	errRate    = errors.New("you ask too often; wait for the interval that this tracker tells")
)

// announce takes what a peer says, and answers. Its errors are sentences for the peer.
func (s *Service) announce(a announcement) (answer, error) {
	now := time.Now()
	if !allows(s.rates, a.from, now) {
		return answer{}, errRate
	}
	if !s.known(a.infohash) {
		return answer{}, errUnknown
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// Without a port it takes from others, and cannot be handed out.
	if a.addr.Port() != 0 {
		if err := s.learn(a, now); err != nil {
			return answer{}, err
		}
	}
	var out answer
	out.complete, out.incomplete, _ = s.state.count(a.infohash)
	if a.stopped {
		return out, nil
	}
	for _, p := range choose(s.state, asker{
		infohash: a.infohash, id: a.peer, addr: a.addr, complete: a.left == 0, family: a.family, now: now,
	}, a.want, s.rng) {
		out.peers = append(out.peers, found{id: p.id, addr: p.addr})
	}
	return out, nil
}

// known reports whether a torrent is one of those tracked.
func (s *Service) known(h [20]byte) bool { return s.opts.Known == nil || s.opts.Known(h) }

// learn folds what a peer says, and sees to it that the bus keeps it; s.mu is held.
func (s *Service) learn(a announcement, now time.Time) error {
	f := event.PeerFact{
		InfoHash: a.infohash, Peer: a.peer, Addr: a.addr, Left: a.left,
		Downloaded: a.downloaded, Uploaded: a.uploaded, At: now.UnixMilli(), Instance: s.instance,
	}
	before := s.state.find(a.infohash, contact{addr: a.addr})
	f.Kind = kindOf(a.peer, a.left, a.stopped, before)
	if f.Kind == "" {
		return nil
	}
	tell := f.Kind != event.PeerMeasured || now.Sub(before.told) >= s.opts.Interval/2
	if err := s.state.apply(f, now); err != nil {
		return err
	}
	s.gauge()
	if !tell {
		return nil
	}
	if p := s.state.find(a.infohash, contact{addr: a.addr}); p != nil {
		p.told = now
	}
	s.queue.put(f)
	return nil
}

// kindOf says what an announcement means to who knows the peer already, or nobody by its
// contact. It is empty where there is nothing to learn.
func kindOf(id event.PeerID, left int64, stopped bool, before *peer) event.PeerKind {
	switch {
	case stopped && (before == nil || before.id != id):
		return ""
	case stopped:
		return event.PeerLeft
	case before == nil, before.id != id, before.complete() != (left == 0):
		return event.PeerJoined
	}
	return event.PeerMeasured
}

// counts is one torrent's part of a scrape.
type counts struct{ complete, incomplete, downloaded int }

// scrape counts the peers of torrents, in their order; those of others have none.
func (s *Service) scrape(from netip.Addr, hashes []event.InfoHash) ([]counts, error) {
	if !allows(s.rates, from, time.Now()) {
		return nil, errRate
	}
	return s.counts(hashes), nil
}

func (s *Service) counts(hashes []event.InfoHash) []counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]counts, len(hashes))
	for i, h := range hashes {
		out[i].complete, out[i].incomplete, out[i].downloaded = s.state.count(h)
	}
	return out
}

// result names what became of a request, for Metrics.Requests.
func result(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, errUnknown):
		return "unknown"
	case errors.Is(err, errOrigin):
		return "refused"
	case errors.Is(err, errRate), errors.Is(err, errTorrents), errors.Is(err, errPeers), errors.Is(err, errAddress),
		errors.Is(err, errSockets), errors.Is(err, errAddressSockets), errors.Is(err, errSocketTorrents):
		return "limited"
	}
	return "malformed"
}

// want is how many peers an asker gets that wants n, negative if it did not say.
func want(n int64) int {
	if n < 0 {
		return defaultWant
	}
	return int(min(n, maxWant))
}

// believe returns the address under which an asker is found: the one it names, where the
// asker is on this machine or a private network and so knows better than we do.
func believe(from, named netip.Addr) netip.Addr {
	if !from.IsLoopback() && !from.IsPrivate() {
		return from
	}
	named = named.Unmap().WithZone("")
	if !named.IsValid() || named.IsUnspecified() || named.IsMulticast() {
		return from
	}
	return named
}
