package swarm

import (
	"math"
	"time"
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
	for l := range allLanes {
		if m.Lanes.Has(l) && !nt.gives.Has(l) && n.admit(now, t, nb, l, m.Urgent) {
			nt.gives |= 1 << l
		}
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
// another.
func (n *Node) admit(now Time, t *track, nb *neighbour, l int, urgent bool) bool {
	if n.draining || n.cfg.Up <= 0 {
		return false
	}
	if !t.source && (t.depth[l] == NoDepth || t.lanes[l].parent == nb || t.lanes[l].next == nb) {
		return false
	}
	if n.laneChildren(t, l) < n.fanOut(t, l, urgent) && n.used()+t.laneRate(l) <= n.capacity() {
		return true
	}
	return n.replace(now, t, nb, l)
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

func (n *Node) laneChildren(t *track, l int) int {
	count := 0
	for _, nb := range n.conns {
		if len(nb.tracks) > t.index && nb.tracks[t.index].gives.Has(l) {
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
	}
	return 1 + int(n.capacity()/(t.laneRate(0)*Lanes))
}

// copies is how many first copies of each lane a seed feeds.
func (n *Node) copies() int {
	peers := max(n.swarm, len(n.conns))
	return 1 + peers/max(n.t.CopiesPer, 1)
}

const (
	// settled is how long a child keeps its lanes before one worth a little more gets them.
	settled = time.Second
	// clearly is how many times as much another must be worth, and farMore for whom no
	// child is settled.
	clearly = 1.5
	farMore = 3
)

// replace hands the lane's least valuable child over to others if nb is worth clearly
// more.
func (n *Node) replace(now Time, t *track, nb *neighbour, l int) bool {
	var least *neighbour
	for _, o := range n.conns {
		if o == nb || len(o.tracks) <= t.index || !o.tracks[t.index].gives.Has(l) {
			continue
		}
		if least == nil || o.value() < least.value() {
			least = o
		}
	}
	if least == nil || nb.value() <= clearly*least.value() ||
		now-least.track(t).changed < settled && nb.value() <= farMore*least.value() {
		return false
	}
	n.revoke(t, least, l, nb)
	return true
}

// revoke takes a lane from a child, and names it another who has it.
func (n *Node) revoke(t *track, child *neighbour, l int, instead *neighbour) {
	nt := child.track(t)
	nt.gives &^= 1 << l
	n.send(child, &Grant{R: t.r, Lanes: nt.gives})
	if instead != nil {
		n.send(child, &Peers{Hints: []Hint{{ID: instead.id, Addr: instead.info.Addr, Role: instead.role}}})
	}
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

// spareLanes is how many more lanes of a rendition this node would push.
func (n *Node) spareLanes(t *track) uint16 {
	if n.draining || n.cfg.Up <= 0 {
		return 0
	}
	room := 0
	for l := range Lanes {
		if t.source || t.depth[l] != NoDepth {
			room += max(0, n.fanOut(t, l, false)-n.laneChildren(t, l))
		}
	}
	if free := (n.capacity() - n.used()) / t.laneRate(0); free < float64(room) {
		room = int(max(free, 0))
	}
	return uint16(min(room, math.MaxUint16))
}
