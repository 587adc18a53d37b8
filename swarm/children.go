package swarm

import (
	"math"
	"slices"
	"time"

	"github.com/shoalcast/shoal/event"
)

// onSubscribe decides which lanes a neighbour is pushed from now on. Whoever gets less
// than it asked for is told who else might have it.
func (n *Node) onSubscribe(now Time, nb *neighbour, m *Subscribe) {
	t := n.known(m.R)
	if t == nil {
		n.send(nb, &Grant{R: m.R})
		return
	}
	nt := nb.track(t)
	had := nt.gives
	nt.gives &= m.Lanes
	var losers []*neighbour
	for l := range allLanes {
		if !m.Lanes.Has(l) || nt.gives.Has(l) {
			continue
		}
		admitted, loser := n.admit(now, t, nb, l, m.Urgent)
		if admitted {
			nt.gives |= 1 << l
		}
		if loser != nil && !slices.Contains(losers, loser) {
			losers = append(losers, loser)
		}
	}
	for _, loser := range losers {
		n.send(loser, &Grant{R: t.r, Lanes: loser.track(t).gives})
		n.send(loser, &Peers{Hints: []Hint{{ID: nb.id, Addr: nb.info.Addr, Role: nb.role}}})
	}
	if nt.gives&^had != 0 {
		nt.changed = now
	}
	n.send(nb, &Grant{R: t.r, Lanes: nt.gives})
	if nt.gives != m.Lanes {
		if hints := n.hints(nb, 8); len(hints) > 0 {
			n.send(nb, &Peers{Hints: hints})
		}
	}
}

// admit decides on one lane for one child, and makes room for it if it is worth more than
// another, the loser.
func (n *Node) admit(now Time, t *track, nb *neighbour, l int, urgent bool) (admitted bool, loser *neighbour) {
	if n.draining || n.cfg.Up <= 0 {
		return false, nil
	}
	if !t.source && (t.depth[l] == NoDepth || t.lanes[l].parent == nil || t.lanes[l].parent == nb || t.lanes[l].next == nb) {
		return false, nil
	}
	if n.laneChildren(t, l) < n.fanOut(t, l, urgent) && n.used()+t.laneRate(l) <= n.capacity() {
		return true, nil
	}
	loser = n.replace(now, t, nb, l)
	return loser != nil, loser
}

// capacity is the part of the uplink budget that lanes may take, in bit/s.
func (n *Node) capacity() float64 {
	if n.cfg.Up == Unlimited {
		return math.Inf(1)
	}
	return float64(n.cfg.Up) * (1 - n.t.Reserve)
}

// used is what the lanes that were granted cost, in bit/s.
func (n *Node) used() float64 {
	sum := 0.0
	for _, t := range n.tracks {
		block, head := t.laneRate(0), t.laneRate(HeadLane)
		for _, nb := range n.conns {
			if len(nb.tracks) <= t.index {
				continue
			}
			gives := nb.tracks[t.index].gives
			sum += float64((gives &^ (1 << HeadLane)).Len()) * block
			if gives.Has(HeadLane) {
				sum += head
			}
		}
	}
	return sum
}

// laneChildren counts the children of a lane. Those that are leaving have their places
// only until somebody wants them.
func (n *Node) laneChildren(t *track, l int) int {
	count := 0
	for _, nb := range n.conns {
		if !nb.draining && len(nb.tracks) > t.index && nb.tracks[t.index].gives.Has(l) {
			count++
		}
	}
	return count
}

// fanOut is how many children one lane may have. A seed's first copies are few, so that
// the swarm feeds itself; a viewer spreads what it gives over lanes, so that no block
// waits behind its own copies.
func (n *Node) fanOut(t *track, l int, urgent bool) int {
	switch {
	case t.source && urgent:
		return math.MaxInt
	case t.source:
		return n.copies()
	case n.cfg.Up == Unlimited || l == HeadLane:
		return n.t.MaxConns
	case sendTime(n.cfg.Up) > n.t.SlowBlock:
		return 0
	}
	return 1 + int(n.capacity()/(t.laneRate(0)*Lanes))
}

// sendTime is how long a block takes on an uplink of so many bit/s.
func sendTime(up int64) time.Duration {
	return time.Duration(float64(event.BlockSize*8) / float64(max(up, 1)) * float64(time.Second))
}

// copies is how many first copies of each lane a seed feeds.
func (n *Node) copies() int {
	peers := max(n.swarm, len(n.conns))
	return 1 + peers/max(n.t.CopiesPer, 1)
}

const (
	// settled is how long a child keeps its lanes before one worth a little more gets them.
	settled = time.Second
	// linger is how long a lane that another got is still pushed to the child that had it:
	// it finds another parent meanwhile, for itself and those below it.
	linger = time.Second
	// clearly is how many times as much another must be worth, and farMore for whom no
	// child is settled.
	clearly = 1.5
	farMore = 3
)

// replace takes a lane from its least valuable child if nb is worth clearly more: to a
// seed, what it can give on for each lane it has; to a viewer, what it can give at all,
// so that one who loses a lane takes it from nobody like it.
func (n *Node) replace(now Time, t *track, nb *neighbour, l int) *neighbour {
	worth := func(o *neighbour) float64 { return float64(o.up) }
	if t.source {
		worth = (*neighbour).value
	}
	var least *neighbour
	for _, o := range n.conns {
		if o == nb || len(o.tracks) <= t.index || !o.tracks[t.index].gives.Has(l) {
			continue
		}
		if least == nil || worth(o) < worth(least) {
			least = o
		}
	}
	if least == nil || worth(nb) <= clearly*worth(least) ||
		now-least.track(t).changed < settled && worth(nb) <= farMore*worth(least) {
		return nil
	}
	nt := least.track(t)
	if now >= nt.lingerTo {
		nt.lingers = 0
	}
	nt.gives &^= 1 << l
	nt.lingers |= 1 << l
	nt.lingerTo = now + linger
	return least
}

// shed hands children over until what is granted fits the budget.
func (n *Node) shed() {
	for n.used() > n.capacity() {
		var least *neighbour
		for _, nb := range n.conns {
			if nb.lanesGiven() > 0 && (least == nil || nb.up < least.up) {
				least = nb
			}
		}
		if least == nil {
			return
		}
		for _, t := range n.tracks {
			if len(least.tracks) > t.index && least.tracks[t.index].gives != 0 {
				least.tracks[t.index].gives = 0
				n.send(least, &Grant{R: t.r})
			}
		}
		if hints := n.hints(least, 8); len(hints) > 0 {
			n.send(least, &Peers{Hints: hints})
		}
	}
}

// spareLanes is how many more lanes of a rendition this node would push, and which.
func (n *Node) spareLanes(t *track) (spare uint16, open LaneMask) {
	if n.draining || n.cfg.Up <= 0 {
		return 0, 0
	}
	free := n.capacity() - n.used()
	room := 0
	for l := range allLanes {
		if !t.source && (t.lanes[l].parent == nil || t.depth[l] == NoDepth) || t.laneRate(l) > free {
			continue
		}
		if left := n.fanOut(t, l, false) - n.laneChildren(t, l); left > 0 {
			room += left
			open |= 1 << l
		}
	}
	if most := free / t.laneRate(0); most < float64(room) {
		room = int(max(most, 0))
	}
	return uint16(min(room, math.MaxUint16)), open
}
