package swarm

import (
	"net/netip"

	"github.com/shoalcast/shoal/event"
)

// Config says who a node is. Stream, ID and Verifier must be set.
type Config struct {
	Stream   event.StreamID
	ID       PeerID
	Role     Role
	Verifier Verifier
	// Wants names the renditions to receive; none for a seed that is fed by its caller.
	Wants []event.Rendition
	// Up is the uplink budget in bit/s, all connections together: 0 gives nothing,
	// Unlimited knows no bound but credit.
	Up int64
	// NoOrigin is set where there is nobody to Fetch from.
	NoOrigin bool
	// Random seeds the node's choices, so that the same inputs give the same outputs.
	Random uint32
	Tuning Tuning // zero: DefaultTuning
}

// Info is what the transport knows of a connection.
type Info struct {
	Addr     netip.AddrPort // where others could reach this peer; invalid: nowhere
	Outbound bool           // this side dialled
}

// The methods of a Node, in sum. None blocks, none keeps what it is handed beyond what
// its comment says, and after each the caller takes Effects.
//
//	New(Config) *Node
//	Connected(now, Conn, Info), Receive(now, Conn, Message), Closed(now, Conn)
//	Tick(now) when Wake() has come
//	AddHead(now, *Head)                    an entry of one's own, verified, with leaves
//	Add(now, *Head, data, Source)          a whole piece of one's own, verified
//	AddInit(now, root, data)
//	Fetched(now, Key, first int, data), FetchFailed(now, Key)
//	Follow(now, r, from Position)          what to receive; nothing before it is asked for
//	Play(now, r, Epoch, pts, at Time)      when the media at pts is played; the rest follows
//	SetUp(bit/s), SetSwarm(size), Drain(now), Relay(now, *Signal)
//	Effects() *Effects, Wake() Time, Stats() Stats
