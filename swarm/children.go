package swarm

import (
	"math"
	"math/bits"
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
	n.give(nb, t, nt.gives&m.Lanes)
	var losers []*neighbour
	for l := range allLanes {
		if !m.Lanes.Has(l) || nt.gives.Has(l) {
			continue
		}
		admitted, loser := n.admit(now, t, nb, l, m.Urgent)
		if admitted {
			n.give(nb, t, nt.gives|1<<l)
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
		n.send(nb, t.state()) // it judges by that whether the lanes come from above it
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
	if !t.source && (t.depth[l] == NoDepth || t.lanes[l].parent == nil || t.lanes[l].parent == nb || t.sinking(l)) {
		return false, nil
	}
	if n.bears(t, l, urgent) {
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

// kids counts the children of each lane. Those that are leaving are not among them: they
// have their places only until somebody wants them.
type kids [allLanes]int

func (k *kids) add(lanes LaneMask, by int) {
	for ; lanes != 0; lanes &= lanes - 1 {
		k[bits.TrailingZeros32(uint32(lanes))] += by
	}
}

// give changes which lanes a neighbour is pushed.
func (n *Node) give(nb *neighbour, t *track, lanes LaneMask) {
	nt := nb.track(t)
	if !nb.draining {
		t.kids.add(nt.gives, -1)
		t.kids.add(lanes, 1)
	}
	switch {
	case nt.gives == 0 && lanes != 0:
		t.children = append(t.children, nb)
	case nt.gives != 0 && lanes == 0:
		i := slices.Index(t.children, nb)
		t.children = slices.Delete(t.children, i, i+1)
	}
	nt.gives = lanes
}

// used is what the lanes that were granted cost, in bit/s.
func (n *Node) used() float64 {
	sum := 0.0
	for _, t := range n.tracks {
		block, head := t.laneRate(0), t.laneRate(HeadLane)
		for l, count := range t.kids {
			if l == HeadLane {
				block = head
			}
			sum += float64(count) * block
		}
	}
	return sum
}

// bears reports whether a lane may have one more child. A seed's first copies are few, so
// that the swarm feeds itself. A viewer stays within its capacity, and spreads what it
// gives over lanes: the blocks of a usual piece must be on their way before the next
// piece's come, or one of them waits behind the others' copies.
func (n *Node) bears(t *track, l int, urgent bool) bool {
	switch {
	case n.used()+t.laneRate(l)/2 > n.capacity(): // to the nearest lane
		return false
	case t.source && l == HeadLane:
		return true
	case t.source:
		return urgent || t.kids[l] < n.copies()
	case n.cfg.Up == Unlimited || l == HeadLane:
		return t.kids[l] < n.t.MaxConns
	}
	return n.rush(t, l) <= n.t.Spread*t.dur
}

// rush is how long this node would take, in seconds, to send the copies of one usual piece
// if lane l had one more child, where the blocks fall on its lanes worst. A single
// block may take longer than that in all.
func (n *Node) rush(t *track, l int) float64 {
	size := t.rate * t.dur
	if t.rate == 0 {
		size = guessedRate / 8 * t.dur
	}
	blocks := max(math.Ceil(size/event.BlockSize), 1)
	count := int(min(blocks, Lanes))
	full, last := float64(event.BlockSize), size-(blocks-1)*event.BlockSize
	if blocks > Lanes { // some lanes carry more than one
		full = size / Lanes
		last = full
	}
	worst := 0.0
	for first := l - count + 1; first <= l; first++ {
		load, copies := 0.0, 0
		for i := range count {
			at := (first + i + Lanes) % Lanes
			k := t.kids[at]
			if at == l {
				k++
			}
			copies += k
			if i == count-1 {
				load += float64(k) * last
			} else {
				load += float64(k) * full
			}
		}
		took := load * 8 / float64(n.cfg.Up)
		if copies == 1 && took <= n.t.SlowBlock.Seconds() {
			continue
		}
		worst = max(worst, took)
	}
	return worst
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
	linger = 500 * time.Millisecond
	// clearly is how many times as much another must be worth, and farMore for whom no
	// child is settled. Who has this many times as much, or less, is worth about as much.
	clearly = 1.5
	farMore = 3
	alike   = 1.1
)

// replace makes room for a child of lane l at the cost of one that has clearly less to give
// on: of that lane's, or of any other where that helps.
func (n *Node) replace(now Time, t *track, nb *neighbour, l int) *neighbour {
	var same, other *neighbour
	for _, o := range t.children {
		if o == nb || o.draining {
			continue
		}
		nt := o.tracks[t.index]
		equal := t.source && alike*float64(nb.up) > float64(o.up) && o.lanesGiven() > nb.lanesGiven()+1
		switch more := float64(nb.up) / float64(max(o.up, 1)); {
		case more > farMore:
		case now-nt.changed < settled, more <= clearly && !equal:
			continue
		}
		if nt.gives.Has(l) && (same == nil || o.up < same.up) {
			same = o
		}
		if nt.gives&^(1<<HeadLane) != 0 && (other == nil || o.up < other.up) {
			other = o
		}
	}
	if same != nil {
		n.handOver(now, t, same, l)
		return same
	}
	if other == nil || l == HeadLane || t.source {
		return nil
	}
	gives := other.track(t).gives
	for m := range Lanes {
		if !gives.Has(m) {
			continue
		}
		n.give(other, t, gives&^(1<<m))
		fits := n.bears(t, l, false)
		n.give(other, t, gives)
		if fits {
			n.handOver(now, t, other, m)
			return other
		}
	}
	return nil
}

// lift tells children who could give on clearly more than this node who its own parents
// are: their place is there.
func (n *Node) lift(t *track) {
	if n.cfg.Role != Viewer {
		return
	}
	told := 0
	for _, nb := range t.children {
		if nb.tracks[t.index].gives&^(1<<HeadLane) == 0 || float64(nb.up) <= clearly*float64(n.cfg.Up) {
			continue
		}
		var hints []Hint
		for l := range Lanes {
			parent := t.lanes[l].parent
			if parent == nil || !nb.tracks[t.index].gives.Has(l) || parent == nb || slices.ContainsFunc(hints, func(h Hint) bool { return h.ID == parent.id }) {
				continue
			}
			hints = append(hints, Hint{ID: parent.id, Addr: parent.info.Addr, Role: parent.role})
		}
		if len(hints) > 0 {
			n.send(nb, &Peers{Hints: hints[:min(len(hints), 4)]})
			if told++; told == 2 {
				return
			}
		}
	}
}

// least is the uplink of the child that would lose a lane to another, in kbit/s.
func (n *Node) least(t *track) uint32 {
	least := int64(math.MaxInt64)
	for _, nb := range t.children {
		if !nb.draining && nb.tracks[t.index].gives&^(1<<HeadLane) != 0 {
			least = min(least, nb.up)
		}
	}
	if least == math.MaxInt64 {
		return 0
	}
	return uint32(min(least/1000+1, math.MaxUint32))
}

// thin hands over what a seed pushes in more copies than it should: of each lane the
// child that is worth least, if it had time to settle. It is pushed to for a moment more.
func (n *Node) thin(now Time, t *track) {
	var losers []*neighbour
	for l := range Lanes {
		if t.kids[l] <= n.copies() {
			continue
		}
		for range 1 + (t.kids[l]-n.copies())/8 {
			var least *neighbour
			for _, o := range t.children {
				if o.draining || !o.tracks[t.index].gives.Has(l) || now-o.tracks[t.index].changed < 2*settled {
					continue
				}
				if least == nil || o.up < least.up {
					least = o
				}
			}
			if least == nil {
				break
			}
			n.handOver(now, t, least, l)
			if !slices.Contains(losers, least) {
				losers = append(losers, least)
			}
		}
	}
	for _, o := range losers {
		n.send(o, &Grant{R: t.r, Lanes: o.track(t).gives})
		if hints := n.hints(o, 8); len(hints) > 0 {
			n.send(o, &Peers{Hints: hints})
		}
	}
}

// handOver takes a lane from a child, which is still pushed to for a moment.
func (n *Node) handOver(now Time, t *track, nb *neighbour, l int) {
	nt := nb.track(t)
	if now >= nt.lingerTo {
		nt.lingers = 0
	}
	n.give(nb, t, nt.gives&^(1<<l))
	nt.lingers |= 1 << l
	nt.lingerTo = now + linger
}

// shed hands children over until what is granted fits the budget.
func (n *Node) shed() {
	for n.used() > n.capacity() {
		var least *neighbour
		for _, nb := range n.conns {
			if !nb.draining && nb.lanesGiven() > 0 && (least == nil || nb.up < least.up) {
				least = nb
			}
		}
		if least == nil {
			return
		}
		for _, t := range n.tracks {
			if len(least.tracks) > t.index && least.tracks[t.index].gives != 0 {
				n.give(least, t, 0)
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
	for l := range allLanes {
		if !t.source && (t.lanes[l].parent == nil || t.depth[l] == NoDepth || t.sinking(l)) {
			continue
		}
		if n.bears(t, l, false) {
			open |= 1 << l
		}
	}
	if open == 0 {
		return 0, 0
	}
	return uint16(min(max(free/t.laneRate(0), 1), math.MaxUint16)), open
}
