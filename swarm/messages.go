package swarm

import (
	"encoding/hex"
	"fmt"
	"math/bits"
	"net/netip"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

// Version is the version of the protocol that Hello states.
const Version = 1

// Lanes is how many lanes the blocks of a rendition are striped over. One more, HeadLane,
// carries the heads.
const (
	Lanes    = 4
	HeadLane = Lanes
	allLanes = Lanes + 1
)

// MaxBlocks is the most blocks that a piece can have.
const MaxBlocks = event.MaxPiece / event.BlockSize

// Bounds of single messages.
const (
	MaxFrame    = 65_000 // bytes of one encoded message; extension messages end at 65,534
	MaxHints    = 32     // of one Peers
	MaxHeads    = 64     // that one GetHeads may ask for
	MaxRun      = 1024   // pieces of one Have
	MaxSignal   = 8 << 10
	MaxInit     = 1 << 20 // bytes of an init segment
	InitChunk   = 32 << 10
	MaxEnvelope = 32 << 10 // bytes of one record
)

// Key names a piece within a stream.
type Key struct {
	R event.Rendition
	event.Position
}

func (k Key) String() string { return string(k.R) + "/" + k.Position.String() }

// PeerID names a peer for as long as it runs: 16 random bytes. It proves nothing.
type PeerID [16]byte

func (p PeerID) String() string { return hex.EncodeToString(p[:4]) }

// Role is what a peer says it is.
type Role uint8

// The roles.
const (
	Viewer Role = iota
	Seed
	Edge
)

func (r Role) String() string {
	switch r {
	case Seed:
		return "seed"
	case Edge:
		return "edge"
	}
	return "viewer"
}

// Mask is a set of blocks of one piece.
type Mask [MaxBlocks / 64]uint64

// Has reports whether block i is in the set.
func (m *Mask) Has(i int) bool { return m[i/64]>>(i%64)&1 == 1 }

// Set puts block i into the set.
func (m *Mask) Set(i int) { m[i/64] |= 1 << (i % 64) }

// Clear takes block i out of the set.
func (m *Mask) Clear(i int) { m[i/64] &^= 1 << (i % 64) }

// Len returns how many blocks are in the set.
func (m *Mask) Len() int {
	n := 0
	for _, w := range m {
		n += bits.OnesCount64(w)
	}
	return n
}

// LaneMask is a set of lanes, HeadLane among them.
type LaneMask uint32

// AllLanes is the set of every lane.
const AllLanes LaneMask = 1<<allLanes - 1

// Has reports whether lane l is in the set.
func (m LaneMask) Has(l int) bool { return m>>l&1 == 1 }

// Len returns how many lanes are in the set.
func (m LaneMask) Len() int { return bits.OnesCount32(uint32(m)) }

// Message is one message of the protocol. What a message holds is shared between
// connections and must not be changed after it was sent or received.
type Message interface{ isMessage() }

// Hello is each side's first message.
type Hello struct {
	Version uint8
	Stream  event.StreamID
	ID      PeerID
	Role    Role
	Leaf    bool   // takes no children
	Up      uint32 // kbit/s that it is willing to give in all; 0: nothing
}

// Head is an entry as it travels: the signed payload and the hashes of the piece's
// blocks. A gap has no leaves.
type Head struct {
	Payload []byte
	Sig     [64]byte
	KeyID   [8]byte
	Leaves  [][32]byte

	// Entry is the payload, opened by a Verifier; it does not travel.
	Entry manifest.Entry

	members []byte // see shorten
}

// Key names the head's piece.
func (h *Head) Key() Key { return Key{h.Entry.R, h.Entry.Position()} }

// Blocks returns how many blocks the piece has.
func (h *Head) Blocks() int { return blocksOf(h.Entry.Size) }

func blocksOf(size int64) int { return int((size + event.BlockSize - 1) / event.BlockSize) }

// BlockLen returns the length of block i.
func (h *Head) BlockLen(i int) int {
	return int(min(event.BlockSize, h.Entry.Size-int64(i)*event.BlockSize))
}

// Envelope returns the head's entry as it stands on the bus and in HTTP.
func (h *Head) Envelope() manifest.Envelope {
	return manifest.Envelope{
		PayloadType: manifest.TypeEntry, Payload: h.Payload,
		KeyID: hex.EncodeToString(h.KeyID[:]), Sig: h.Sig[:],
	}
}

// HeadOf makes the head of a verified entry and its piece's block hashes.
func HeadOf(s manifest.Signed, leaves [][32]byte) (*Head, error) {
	h := &Head{Payload: s.Envelope.Payload, Leaves: leaves, Entry: s.Entry}
	if len(s.Envelope.Sig) != len(h.Sig) || len(s.Envelope.KeyID) != 2*len(h.KeyID) {
		return nil, fmt.Errorf("make head of %s: signature or key id of a wrong length", s.Entry.Position())
	}
	copy(h.Sig[:], s.Envelope.Sig)
	if _, err := hex.Decode(h.KeyID[:], []byte(s.Envelope.KeyID)); err != nil {
		return nil, fmt.Errorf("make head of %s: %w", s.Entry.Position(), err)
	}
	h.shorten()
	return h, nil
}

// Block is one block of a piece.
type Block struct {
	Key
	Index int
	Data  []byte
}

// Have says that the sender holds Count pieces from N on, whole.
type Have struct {
	Key
	Count int
}

// Want asks for blocks of a piece that the receiver said it has, or should have soon.
type Want struct {
	Key
	Blocks Mask
}

// Cancel takes back what was wanted.
type Cancel struct {
	Key
	Blocks Mask
}

// Deny says that wanted blocks will not come from here.
type Deny struct {
	Key
	Blocks Mask
}

// GetHeads asks for the heads of Count pieces from N on, as far as they are known.
type GetHeads struct {
	Key
	Count int
}

// Subscribe says which lanes of a rendition the sender wants pushed to it from now on.
// It replaces what it asked for before.
type Subscribe struct {
	R      event.Rendition
	Lanes  LaneMask
	Urgent bool // nobody else would have it
}

// Grant says what of a Subscribe is served from now on. It also takes back what was
// granted before.
type Grant struct {
	R     event.Rendition
	Lanes LaneMask
}

// Peers names others to ask instead of the sender, or besides.
type Peers struct{ Hints []Hint }

// Hint is where a peer may be found.
type Hint struct {
	ID   PeerID
	Addr netip.AddrPort // invalid: only reachable by signals through who gave the hint
	Role Role
}

// NoDepth is the depth of a lane that does not arrive.
const NoDepth = 255

// State says how many hops each lane of a rendition takes to reach the sender (the
// seed's own are 0), how many more lane subscriptions it would take on, and of which
// lanes.
type State struct {
	R     event.Rendition
	Depth [allLanes]uint8
	// Branch tags the part of each lane's tree that hangs on one child of a seed: what has
	// another tag is not below the sender. 0: none.
	Branch [allLanes]uint8
	Spare  uint16
	// Least is the uplink, in kbit/s, of the child that has lanes and is worth least: who
	// has clearly more may get them. 0: none is to be had so.
	Least uint32
	Open  LaneMask
}

// Credit grants the receiver to send blocks up to Limit bytes, counted over the
// connection's life by their data.
type Credit struct{ Limit uint64 }

// Ping asks for a Pong with the same token.
type Ping struct{ Token uint32 }

// Pong answers a Ping.
type Pong struct{ Token uint32 }

// Drain says that the sender leaves soon and takes no more subscriptions.
type Drain struct{}

// GetRecords asks for session and rotation records.
type GetRecords struct{}

// Records carries signed records as DSSE JSON: rotations first, then sessions by serial.
type Records struct{ Envelopes [][]byte }

// GetInit asks for an init segment.
type GetInit struct{ Root event.Root }

// Init carries a part of an init segment of Total bytes. With Total 0 the sender has none.
type Init struct {
	Root   event.Root
	Total  int
	Offset int
	Data   []byte
}

// Signal carries a session description or candidate between two peers that have no
// connection yet, through one that both are connected to.
type Signal struct {
	From, To PeerID
	Body     []byte
}

// Bye is the last message, and says why.
type Bye struct{ Reason Reason }

// Reason is why a connection ends.
type Reason uint8

// The reasons. Those from LiedBlock on are for the liar, who is banned.
const (
	Leaving     Reason = iota
	Useless            // neither side has use for the other, and places are scarce
	Silent             // it did not keep its promises in time
	Flooding           // more than the protocol allows
	WrongStream        // it is in another stream's swarm
	BadMessage         // bytes that are no message, or a message that cannot be
	LiedBlock          // a block that does not hash to its leaf
	LiedHead           // a head that does not verify
)

// Bans reports whether whoever caused the reason is not to be talked to again.
func (r Reason) Bans() bool { return r >= LiedBlock }

func (r Reason) String() string {
	switch r {
	case Leaving:
		return "leaving"
	case Useless:
		return "of no use"
	case Silent:
		return "silent"
	case Flooding:
		return "flooding"
	case WrongStream:
		return "in another stream"
	case BadMessage:
		return "a malformed message"
	case LiedBlock:
		return "a false block"
	case LiedHead:
		return "a false head"
	}
	return fmt.Sprintf("reason %d", uint8(r))
}

func (*Hello) isMessage()      {}
func (*Head) isMessage()       {}
func (*Block) isMessage()      {}
func (*Have) isMessage()       {}
func (*Want) isMessage()       {}
func (*Cancel) isMessage()     {}
func (*Deny) isMessage()       {}
func (*GetHeads) isMessage()   {}
func (*Subscribe) isMessage()  {}
func (*Grant) isMessage()      {}
func (*Peers) isMessage()      {}
func (*State) isMessage()      {}
func (*Credit) isMessage()     {}
func (*Ping) isMessage()       {}
func (*Pong) isMessage()       {}
func (*Drain) isMessage()      {}
func (*GetRecords) isMessage() {}
func (*Records) isMessage()    {}
func (*GetInit) isMessage()    {}
func (*Init) isMessage()       {}
func (*Signal) isMessage()     {}
func (*Bye) isMessage()        {}
