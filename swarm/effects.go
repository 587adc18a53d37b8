package swarm

import (
	"bytes"
	"time"

	"github.com/shoalcast/shoal/event"
)

// Time is a moment: the time since some moment that is the same in all calls to a Node.
type Time = time.Duration

// Conn names one connection of a node, by a number that its caller chose and does not
// use again.
type Conn uint32

// Source is the kind of who delivered bytes.
type Source uint8

// Who can deliver.
const (
	FromPeer Source = iota
	FromSeed
	FromEdge
	FromOrigin
	sources
)

// Effects is what a node wants done. It is the caller's until the next call to the node.
type Effects struct {
	Send    []Send    // in this order on each connection
	Drop    []Drop    // after what is sent
	Heads   []*Head   // newly verified, in any order
	Pieces  []*Piece  // newly whole, in any order
	Fetch   []Fetch   // to be asked of the origin
	Dial    []Dial    // peers to connect to, if there is room
	Signals []*Signal // for this node
	Records [][]byte  // newly learned, verified
	Inits   []Segment // init segments that arrived
}

// Send is one message for one connection.
type Send struct {
	To  Conn
	Msg Message
}

// Drop ends a connection. If the reason bans, its peer is not to be connected again.
type Drop struct {
	Conn   Conn
	Reason Reason
}

// Dial is a peer to connect to. Relay signals it, through whom it was heard of.
type Dial struct{ Hint }

// Piece is a verified piece.
type Piece struct {
	Head   *Head
	Blocks [][]byte // none for a gap; shared with the node, which keeps them while its window does
	// Bytes counts the piece's bytes by who delivered them.
	Bytes     [sources]int64
	Duplicate int64 // bytes of good blocks that came again
	Rejected  int   // blocks that were false
}

// Data returns the piece's bytes in one slice of its own.
func (p *Piece) Data() []byte { return bytes.Join(p.Blocks, nil) }

// Fetch asks for the blocks First to Last of a piece from the origin, over HTTP:
// the bytes from First × 16 KiB on. Fetched or FetchFailed answers.
type Fetch struct {
	Head        *Head
	First, Last int
}

// Segment is a verified init segment.
type Segment struct {
	Root event.Root
	Data []byte
}
