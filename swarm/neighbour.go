package swarm

import (
	"slices"
	"time"

	"github.com/shoalcast/shoal/event"
)

// neighbour is the other end of one connection.
type neighbour struct {
	conn     Conn
	info     Info
	id       PeerID
	role     Role
	leaf     bool
	up       int64 // bit/s it states to give
	hello    bool  // it introduced itself
	gone     bool
	draining bool
	since    Time
	heardAt  Time
	pingedAt Time
	token    uint32
	rtt      Time // shortest recent round trip; 0: unknown
	tracks   []*neighbourTrack
	guard    guard

	received uint64 // bytes of blocks so far
	allowed  uint64 // bytes of blocks it was granted
	held     []*Block
	heldSize int
	waiting  []*Head // that need records first
	waste    int     // bytes of blocks beyond those that were of use
	headless int     // runs of heads that it announced and did not give, in a row
	mute     Time    // its announcements count for nothing until then
	late     int     // times that blocks it was asked for did not come in time, in a row
	lateAt   Time    // the newest of them
	missed   int     // blocks that it pushes or was asked for, and that did not come when they were due
	blockAt  Time    // when its newest good block came
	rest     Time    // it is asked for nothing until then
	wants    int     // blocks it is asked for

	sent  uint64 // bytes of blocks so far
	limit uint64 // bytes of blocks it granted
	queue []queued
	busy  bool // it is on the node's list of those with a queue
}

// neighbourTrack is what a neighbour and this node do for each other in one rendition.
type neighbourTrack struct {
	haves    haves
	depth    [allLanes]uint8
	branch   [allLanes]uint8
	spare    uint16
	least    uint32
	open     LaneMask // lanes of which it takes more children
	stated   bool
	granted  LaneMask // it pushes these to this node
	gives    LaneMask // this node pushes these to it
	changed  Time     // when gives did
	lingers  LaneMask // lanes that another got, pushed until lingerTo all the same
	lingerTo Time
	refused  [allLanes]Time
	strikes  uint8 // refusals in a row
	failures uint8 // times that it lost lanes by not pushing them
	failedAt Time  // the newest of them
}

const (
	creditStart = 64 << 10
	silence     = 30 * time.Second
	longestTrip = 3 * time.Second        // that anything waits for
	usualTrip   = 100 * time.Millisecond // where no round trip was measured yet
)

// track returns what is between this node and a neighbour in a rendition.
func (nb *neighbour) track(t *track) *neighbourTrack {
	for len(nb.tracks) <= t.index {
		nt := &neighbourTrack{}
		for l := range nt.depth {
			nt.depth[l] = NoDepth
		}
		nb.tracks = append(nb.tracks, nt)
	}
	return nb.tracks[t.index]
}

func (nb *neighbour) trip() Time {
	if nb.rtt == 0 {
		return usualTrip
	}
	return min(nb.rtt, longestTrip)
}

func (nb *neighbour) source() Source {
	switch nb.role {
	case Seed:
		return FromSeed
	case Edge:
		return FromEdge
	}
	return FromPeer
}

// inUse reports whether blocks flow by subscription, either way.
func (nb *neighbour) inUse() bool {
	for _, nt := range nb.tracks {
		if nt.gives != 0 || nt.granted != 0 {
			return true
		}
	}
	return false
}

// parent reports whether the neighbour pushes lanes of blocks.
func (nb *neighbour) parent() bool {
	for _, nt := range nb.tracks {
		if nt.granted&^(1<<HeadLane) != 0 {
			return true
		}
	}
	return false
}

// spare returns how many more lanes the neighbour says it would push.
func (nb *neighbour) spare() int {
	most := 0
	for _, nt := range nb.tracks {
		most = max(most, int(nt.spare))
	}
	return most
}

// lanesGiven counts the lanes that this node pushes to the neighbour.
func (nb *neighbour) lanesGiven() int {
	sum := 0
	for _, nt := range nb.tracks {
		sum += nt.gives.Len()
	}
	return sum
}

func (nb *neighbour) ping(n *Node, now Time) {
	nb.pingedAt = now
	nb.token = n.random.next()
	n.send(nb, &Ping{Token: nb.token})
}

func (nb *neighbour) pong(now Time, p *Pong) {
	if p.Token != nb.token || nb.token == 0 {
		return
	}
	nb.token = 0
	trip := max(now-nb.pingedAt, time.Microsecond)
	if nb.rtt == 0 || trip < nb.rtt {
		nb.rtt = trip
	} else {
		nb.rtt += (trip - nb.rtt) / 8
	}
}

// hold keeps a block whose head is not here yet, within what credit allows anyway.
func (nb *neighbour) hold(b *Block) {
	nb.held = append(nb.held, b)
	nb.heldSize += len(b.Data)
	for nb.heldSize > maxHeld || len(nb.held) > maxHeldBlocks {
		nb.heldSize -= len(nb.held[0].Data)
		nb.held = slices.Delete(nb.held, 0, 1)
	}
}

// What one neighbour may send ahead of the heads, and beyond what is of use.
const (
	maxHeld       = 1 << 20 // bytes of blocks
	maxHeldBlocks = 256
	maxWaste      = 4 << 20
)

// release returns the held blocks of a piece, and drops those before it.
func (nb *neighbour) release(r event.Rendition, pos event.Position) []*Block {
	if len(nb.held) == 0 {
		return nil
	}
	var out []*Block
	nb.held = slices.DeleteFunc(nb.held, func(b *Block) bool {
		same := b.R == r && b.Position == pos
		if same {
			out = append(out, b)
		}
		return same || b.R == r && b.Position.Before(pos) && pos.N-b.N > 64
	})
	nb.heldSize = 0
	for _, b := range nb.held {
		nb.heldSize += len(b.Data)
	}
	return out
}
