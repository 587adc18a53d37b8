package live

import (
	"context"

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
