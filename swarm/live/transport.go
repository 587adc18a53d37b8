package live

import (
	"context"
	"crypto/rand"

	"github.com/shoalcast/shoal/swarm"
	"github.com/shoalcast/shoal/swarm/metainfo"
)

// Transport brings the peers of streams together: it joins the torrents of their
// descriptors, and attaches every connection that speaks the live protocol to a loop.
// swarm/bt has the real one.
type Transport interface {
	// Join takes part in a stream's torrent until the membership is closed.
	Join(d metainfo.Descriptor, trackers []string, l *Loop) (Membership, error)
	// Find asks the peers of a torrent for the descriptor: its content, not verified.
	Find(ctx context.Context, hash metainfo.InfoHash, trackers []string) ([]byte, error)
}

// NewID makes a node's id: random, but for its last four bytes, which are those of the peer id that its transport has towards
// trackers (BEP 3), where it has one: so who keeps trackers knows of whom reports speak.
func NewID(t Transport) swarm.PeerID {
	var id swarm.PeerID
	_, _ = rand.Read(id[:]) // never fails: crypto/rand
	if n, ok := t.(interface{ PeerID() [20]byte }); ok {
		known := n.PeerID()
		copy(id[len(id)-4:], known[len(known)-4:])
	}
	return id
}

// Membership is one peer's part in one torrent.
type Membership interface {
	// Dial connects to a peer that the node heard of, if there is room and it is not
	// banned. It returns at once.
	Dial(swarm.Dial)
	// Signal takes in a signal that arrived for this peer.
	Signal(*swarm.Signal)
	// Close leaves the torrent and closes its connections.
	Close()
}
