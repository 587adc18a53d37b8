package bt

import (
	"bytes"
	"context"
	"crypto/sha1" //nolint:gosec // BEP 3
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/anacrolix/torrent"
	"github.com/anacrolix/torrent/bencode"
	"github.com/anacrolix/torrent/metainfo"
)

// Spec says which stream to join.
type Spec struct {
	// InfoHash names the stream's descriptor torrent.
	InfoHash [20]byte
	// Info is the descriptor's info dictionary, Content its file's bytes, if they are
	// known; else they are asked of the peers. Content without Info is an error.
	Info, Content []byte
	// Trackers are announced to: http, https, udp and, for clients with a WebRTC port, ws
	// and wss (WebTorrent). Others are left out.
	Trackers []string
	// Offers is how many connections are offered with an announce to a WebTorrent tracker
	// while there are few; 0 only answers, as seeds do.
	Offers int
	// Peers are dialled at once.
	Peers []netip.AddrPort
	// Attach takes in each new connection; outbound when this side dialled it. It must
	// not block.
	Attach func(link *Link, outbound bool) Receiver
	// Signaller carries session descriptions for WebRTC; nil: DialSignalled fails.
	Signaller Signaller
}

// Swarm is one stream's swarm, joined.
type Swarm struct {
	client  *Client
	spec    Spec
	torrent *torrent.Torrent
	content *memory
	ctx     context.Context
	stop    context.CancelFunc
	dials   chan netip.AddrPort
	tasks   sync.WaitGroup

	mu      sync.Mutex
	links   map[*Link]struct{}
	closed  bool
	drained sync.WaitGroup // the links
}

// Join joins a stream's swarm, and stays until Close.
func (c *Client) Join(spec Spec) (*Swarm, error) {
	if err := spec.check(); err != nil {
		return nil, fmt.Errorf("join swarm: %w", err)
	}
	s := &Swarm{
		client: c, spec: spec, content: newMemory(bytes.Clone(spec.Content)),
		dials: make(chan netip.AddrPort, maxDials), links: map[*Link]struct{}{},
	}
	s.ctx, s.stop = context.WithCancel(c.ctx)
	c.mu.Lock()
	if _, twice := c.swarms[spec.InfoHash]; twice || c.closed {
		c.mu.Unlock()
		s.stop()
		return nil, fmt.Errorf("join swarm %x: joined already, or the client is closed", spec.InfoHash)
	}
	c.swarms[spec.InfoHash] = s
	c.mu.Unlock()
	s.torrent, _ = c.torrents.AddTorrentOpt(torrent.AddTorrentOpts{
		InfoHash: spec.InfoHash, InfoBytes: spec.Info, Storage: s.content, DisableInitialPieceCheck: true,
	})
	s.tasks.Go(s.dialAll)
	s.tasks.Go(s.fetch)
	for _, t := range slices.Compact(slices.Sorted(slices.Values(spec.Trackers))) {
		switch scheme, _, _ := strings.Cut(t, "://"); {
		case scheme == "http" || scheme == "https" || scheme == "udp":
			s.tasks.Go(func() { s.announce(t) })
		case c.ice != nil && (scheme == "ws" || scheme == "wss"):
			s.tasks.Go(func() { s.meet(t) })
		}
	}
	for _, p := range spec.Peers {
		if err := s.Dial(p); err != nil {
			c.opts.Log.Debug("a peer is not dialled", keyPeer, p, keyErr, err)
		}
	}
	return s, nil
}

func (s Spec) check() error {
	if s.Attach == nil {
		return errors.New("nobody takes connections: Attach is nil")
	}
	if len(s.Info) == 0 {
		if len(s.Content) > 0 {
			return errors.New("the descriptor's content is given without its info")
		}
		return nil
	}
	if sha1.Sum(s.Info) != s.InfoHash { //nolint:gosec // BEP 3
		return errors.New("the info does not hash to the infohash")
	}
	var info metainfo.Info
	if err := bencode.Unmarshal(s.Info, &info); err != nil {
		return fmt.Errorf("read info: %w", err)
	}
	if info.TotalLength() > maxDescriptor {
		return fmt.Errorf("the torrent has %d bytes: it is no stream's descriptor", info.TotalLength())
	}
	if len(s.Content) == 0 {
		return nil
	}
	if info.PieceLength <= 0 || info.TotalLength() != int64(len(s.Content)) {
		return errors.New("the content is not as long as its info says")
	}
	var pieces []byte
	for rest := s.Content; len(rest) > 0; {
		n := min(int64(len(rest)), info.PieceLength)
		sum := sha1.Sum(rest[:n]) //nolint:gosec // BEP 3
		pieces, rest = append(pieces, sum[:]...), rest[n:]
	}
	if !bytes.Equal(pieces, info.Pieces) {
		return errors.New("the content does not hash to what its info says")
	}
	return nil
}

// attach makes the link of a connection whose peer speaks sh_live.
func (s *Swarm) attach(c *conn, remoteID byte, addr netip.AddrPort) (*Link, error) {
	l := &Link{conn: c, swarm: s, addr: addr, remoteID: remoteID, wake: make(chan struct{}, 1)}
	if err := s.admit(l); err != nil {
		return nil, err
	}
	l.receiver = s.spec.Attach(l, c.outbound)
	go func() {
		defer s.drained.Done()
		l.run()
	}()
	return l, nil
}

func (s *Swarm) admit(l *Link) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	if len(s.links) >= s.client.opts.MaxConns {
		return errors.New("there are as many connections as are allowed")
	}
	s.links[l] = struct{}{}
	s.drained.Add(1)
	return nil
}

// count returns how many connections there are.
func (s *Swarm) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.links)
}

func (s *Swarm) detach(l *Link) {
	s.mu.Lock()
	delete(s.links, l)
	s.mu.Unlock()
}

// Dial connects to a peer, soon and without blocking. It does nothing if there is a
// connection already; ErrBanned and ErrBusy say why it will not.
func (s *Swarm) Dial(addr netip.AddrPort) error {
	addr = unmap(addr)
	if err := s.mayDial(addr); err != nil || s.connected(addr) {
		return err
	}
	select {
	case s.dials <- addr:
		return nil
	default:
		return fmt.Errorf("dial %s: %w", addr, ErrBusy)
	}
}

func (s *Swarm) mayDial(addr netip.AddrPort) error {
	switch {
	case !addr.IsValid() || addr.Port() == 0 || addr.Addr().IsUnspecified() || addr.Addr().IsMulticast():
		return fmt.Errorf("dial %s: nobody can be there", addr)
	case s.client.bans.addr(addr):
		return fmt.Errorf("dial %s: %w", addr, ErrBanned)
	}
	return nil
}

func (s *Swarm) connected(addr netip.AddrPort) bool { return len(s.at(addr)) > 0 }

// at returns the links to peers at an address.
func (s *Swarm) at(addr netip.AddrPort) []*Link {
	s.mu.Lock()
	defer s.mu.Unlock()
	var links []*Link
	for l := range s.links {
		if l.addr == addr {
			links = append(links, l)
		}
	}
	return links
}

// dialAll hands addresses to the library, which needs its lock for that and bounds how
// many it dials at once.
func (s *Swarm) dialAll() {
	for {
		select {
		case <-s.ctx.Done():
			return
		case addr := <-s.dials:
			if !s.connected(addr) {
				s.torrent.AddPeers([]torrent.PeerInfo{{Addr: addr, Source: torrent.PeerSourceDirect}})
			}
		}
	}
}

// fetch asks the peers for the descriptor, if it is not known.
func (s *Swarm) fetch() {
	select {
	case <-s.ctx.Done():
		return
	case <-s.torrent.GotInfo():
	}
	if s.torrent.Length() > maxDescriptor {
		s.client.opts.Log.Warn("the magnet link names a torrent that is no stream's descriptor", "bytes", s.torrent.Length())
		return
	}
	s.torrent.DownloadAll()
}

// Descriptor returns the content of the stream's descriptor torrent, as soon as it is
// known. It is what the infohash names; whether it is a genesis is for others to verify.
func (s *Swarm) Descriptor(ctx context.Context) ([]byte, error) {
	for _, done := range []<-chan struct{}{s.torrent.GotInfo(), s.torrent.Complete().On()} {
		select {
		case <-done:
		case <-ctx.Done():
			return nil, fmt.Errorf("get the stream's descriptor from its peers: %w", ctx.Err())
		case <-s.ctx.Done():
			return nil, fmt.Errorf("get the stream's descriptor from its peers: %w", ErrClosed)
		}
	}
	s.content.mu.Lock()
	defer s.content.mu.Unlock()
	return bytes.Clone(s.content.data), nil
}

// Info returns the descriptor torrent's info dictionary, nil until it is known.
func (s *Swarm) Info() []byte { return bytes.Clone(s.torrent.Metainfo().InfoBytes) }

// Peer is one connected peer.
type Peer struct {
	Addr     netip.AddrPort // where it takes connections; invalid: nowhere
	ID       [20]byte       // of its BitTorrent handshake
	Outbound bool
	WebRTC   bool
	Queued   int // bytes that wait to be written
}

// Peers lists the connected peers that speak sh_live.
func (s *Swarm) Peers() []Peer {
	s.mu.Lock()
	defer s.mu.Unlock()
	peers := make([]Peer, 0, len(s.links))
	for l := range s.links {
		peers = append(peers, Peer{
			Addr: l.addr, ID: l.conn.id, Outbound: l.conn.outbound,
			WebRTC: l.WebRTC(), Queued: l.Queued(),
		})
	}
	return peers
}

// Close leaves the swarm: it says so to the trackers, closes all connections once what
// was sent is out, and waits for both, a few seconds at most.
func (s *Swarm) Close() {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.closed = true
	links := make([]*Link, 0, len(s.links))
	for l := range s.links {
		links = append(links, l)
	}
	s.mu.Unlock()
	for _, l := range links {
		l.Close("leaving the swarm", false)
	}
	s.stop()
	s.drained.Wait()
	s.torrent.Drop()
	s.tasks.Wait()
	s.client.mu.Lock()
	delete(s.client.swarms, s.spec.InfoHash)
	s.client.mu.Unlock()
}
