package matchmaker

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/shoalcast/shoal/event"
)

const (
	// socketTorrents bounds the torrents that one socket is in: pages share one socket
	// between all of theirs.
	socketTorrents = 64
	// maxRefused is how many more messages of a socket may be refused than are taken before
	// it is closed: answering them costs, too.
	maxRefused = 50
)

var (
	errOrigin         = errors.New("pages of this site may not use this tracker; its operator can allow them with --allow-origins")
	errSockets        = errors.New("this tracker has as many WebSockets as it can take; try again later")
	errAddressSockets = errors.New("too many WebSockets from your address; close some, or try again later")
	errSocketTorrents = errors.New("too many torrents on one WebSocket; stop some, or open another")
	errNoOffer        = errors.New("this answers no offer that you were sent lately: it is too old, answered already, or for another")
)

// upgrade reports whether a request asks for a WebSocket.
func upgrade(r *http.Request) bool { return strings.EqualFold(r.Header.Get("Upgrade"), "websocket") }

// serveSocket serves a WebSocket until it ends: the WebTorrent tracker protocol, by which
// pages that nobody can dial exchange offers and answers of WebRTC.
func (s *Service) serveSocket(w http.ResponseWriter, r *http.Request) {
	k, status, err := s.openSocket(r)
	s.opts.Metrics.Requests.WithLabelValues("websocket", "connect", result(err)).Inc()
	if err != nil {
		http.Error(w, err.Error(), status)
		return
	}
	defer s.closeSocket(k)
	// Compression would cost each socket a window of memory.
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true, CompressionMode: websocket.CompressionDisabled}) // the origin was looked at
	if err != nil {
		return // it has been told
	}
	refused := 0
	k.serve(conn, 2*s.opts.Interval, func(b []byte) bool {
		if s.heard(k, b) {
			refused = max(0, refused-1)
		} else {
			refused++
		}
		return refused < maxRefused
	})
}

// openSocket takes a place for a socket, if its peer may have one.
func (s *Service) openSocket(r *http.Request) (_ *socket, status int, err error) {
	from := s.asker(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	n := network(from)
	switch {
	case !originAllowed(r, s.opts.Origins):
		return nil, http.StatusForbidden, errOrigin
	case !allows(s.rates, from, time.Now()):
		return nil, http.StatusTooManyRequests, errRate
	case s.stopped, len(s.sockets) >= s.opts.Sockets:
		return nil, http.StatusServiceUnavailable, errSockets
	case !from.IsLoopback() && s.socketsAt[n] >= s.opts.AddressSockets:
		return nil, http.StatusTooManyRequests, errAddressSockets
	}
	k := newSocket(from)
	s.sockets[k] = struct{}{}
	s.socketsAt[n]++
	s.serving.Add(1)
	s.opts.Metrics.Sockets.Set(float64(len(s.sockets)))
	return k, 0, nil
}

// closeSocket forgets a socket, and with it the peers that it stood for.
func (s *Service) closeSocket(k *socket) {
	k.end(endGone)
	s.mu.Lock()
	defer s.mu.Unlock()
	for h := range k.torrents {
		s.state.drop(h, contact{socket: k})
	}
	k.torrents = nil
	delete(s.sockets, k)
	n := network(k.from)
	if s.socketsAt[n]--; s.socketsAt[n] == 0 {
		delete(s.socketsAt, n)
	}
	s.gauge()
	s.serving.Done()
}

// closeSockets ends all sockets, and takes no more.
func (s *Service) closeSockets() {
	s.mu.Lock()
	s.stopped = true
	for k := range s.sockets {
		k.end(endStopping)
	}
	s.mu.Unlock()
	s.serving.Wait()
}

// heard does what a message asks for, and says whether it could.
func (s *Service) heard(k *socket, b []byte) bool {
	now := time.Now()
	m, err := parseWS(b)
	kind := "announce"
	switch {
	case m.action == "scrape":
		kind = "scrape"
	case m.answer != nil:
		kind = "answer"
	}
	switch {
	case !allows(s.rates, k.from, now):
		err = errRate
	case err != nil:
	case kind == "scrape":
		k.send(encodeScraped(m.hashes, s.counts(m.hashes), s.known, s.opts.MinInterval))
	case kind == "answer":
		err = s.wsAnswer(k, m, now)
	default:
		err = s.wsAnnounce(k, m, now)
	}
	s.opts.Metrics.Requests.WithLabelValues("websocket", kind, result(err)).Inc()
	if err != nil {
		k.send(encodeFailure(m, err))
	}
	return err == nil
}

// wsAnnounce takes what a peer says, answers, and hands its offers to others.
func (s *Service) wsAnnounce(k *socket, m wsMessage, now time.Time) error {
	if !s.known(m.infohash) {
		return errUnknown
	}
	s.mu.Lock()
	p, err := s.enter(k, m, now)
	if err != nil {
		s.mu.Unlock()
		return err
	}
	complete, incomplete, _ := s.state.count(m.infohash)
	var to []*socket
	if p != nil {
		for i, q := range chooseOffered(s.state, p, m.infohash, len(m.offers), now, s.rng) {
			q.socket.offers.hand(offer{infohash: m.infohash, id: m.offers[i].id, from: k, by: p.id, to: q.id, at: now})
			p.ask(q.id)
			to = append(to, q.socket)
		}
	}
	s.mu.Unlock()
	k.send(encodeAnnounced(m.infohash, s.opts.Interval, complete, incomplete))
	for i, q := range to {
		q.send(encodeOffer(m.infohash, m.peer, m.offers[i]))
	}
	s.opts.Metrics.Forwarded.WithLabelValues("offer").Add(float64(len(to)))
	return nil
}

// enter folds what a peer says that is reached through its socket, and returns it; nil if
// it left. s.mu is held.
//
// No facts about these peers go to the bus: they are as long in a swarm as their socket is
// open, so a tracker that starts again has none of them, and no other tracker could reach
// them. They announce again as soon as they are connected again.
func (s *Service) enter(k *socket, m wsMessage, now time.Time) (*peer, error) {
	by := contact{socket: k}
	f := event.PeerFact{
		InfoHash: m.infohash, Peer: m.peer, Addr: netip.AddrPortFrom(k.from, 0), Left: m.left, At: now.UnixMilli(),
		Kind: kindOf(m.peer, m.left, m.stopped, s.state.find(m.infohash, by)),
	}
	if f.Kind == "" { // it says goodbye where it was not
		return nil, nil
	}
	if f.Kind == event.PeerJoined && !s.roomOn(k, m.infohash) {
		return nil, errSocketTorrents
	}
	if err := s.state.fold(f, by, now); err != nil {
		return nil, err
	}
	s.gauge()
	p := s.state.find(m.infohash, by)
	if p == nil {
		delete(k.torrents, m.infohash)
	} else {
		k.torrents[m.infohash] = struct{}{}
	}
	return p, nil
}

// roomOn reports whether a socket may be in a torrent, besides those that it is in.
func (s *Service) roomOn(k *socket, h event.InfoHash) bool {
	if len(k.torrents) < socketTorrents {
		return true
	}
	for h := range k.torrents { // it may have been forgotten, or made room for another
		if s.state.find(h, contact{socket: k}) == nil {
			delete(k.torrents, h)
		}
	}
	_, in := k.torrents[h]
	return in || len(k.torrents) < socketTorrents
}

// wsAnswer takes an answer to who made the offer.
func (s *Service) wsAnswer(k *socket, m wsMessage, now time.Time) error {
	s.mu.Lock()
	to, ok := k.offers.answer(m.infohash, m.offerID, m.to, m.peer, now)
	s.mu.Unlock()
	if !ok {
		return errNoOffer
	}
	to.send(encodeAnswer(m))
	s.opts.Metrics.Forwarded.WithLabelValues("answer").Inc()
	return nil
}
