package swarm

import (
	"time"
)

// lane is how the blocks of one lane arrive.
type lane struct {
	parent   *neighbour // pushes it
	next     *neighbour // was asked to
	asked    Time       // when next was
	since    Time       // when parent began, or the lane was lost
	last     uint8      // depth before it was lost, or became greater
	raised   Time       // when that was
	late     Time       // between a head's arrival and the block's, smoothed
	missed   int        // blocks in a row that the parent did not send in time
	received int        // blocks that parent delivered
}

const (
	maxDepth   = 32
	askTimeout = time.Second
	refusal    = time.Second            // before the same is asked again; doubles
	orphanTime = 500 * time.Millisecond // in which a lane that was lost or became longer looks only nearer to the source than it was
	resortTime = 2 * time.Second        // after which a lane that nobody else pushes is asked of a seed
	lostTime   = time.Second            // after which those below are told that a lane is lost
)

// forgiven is how many blocks of a lane make up for one failure.
const forgiven = 32

// delivered takes note of a block from the lane's parent.
func (t *track) delivered(now Time, l int, p *piece) {
	ln := &t.lanes[l]
	ln.missed = 0
	if ln.received++; ln.received%forgiven == 0 {
		nt := ln.parent.track(t)
		nt.failures = max(nt.failures, 1) - 1
	}
	sample := now - p.headAt
	if ln.received == 1 {
		ln.late = sample
	} else {
		ln.late += (sample - ln.late) / 8
	}
}

// orphan takes note that a lane has lost its parent. It keeps its depth while another is
// looked for, so that those below keep theirs.
func (t *track) orphan(now Time, l int) {
	ln := &t.lanes[l]
	if ln.parent != nil {
		ln.parent.track(t).granted &^= 1 << l
	}
	*ln = lane{next: ln.next, asked: ln.asked, since: now, last: ln.last, raised: ln.raised, late: ln.late}
}

// deepen takes note of a lane's depth. Where it became greater, those below may not know
// yet: for a while only somebody nearer to the source than it was before becomes its
// parent, so that no lane runs in a circle.
func (t *track) deepen(now Time, l int, depth uint8) {
	ln, old := &t.lanes[l], t.depth[l]
	if old != NoDepth && depth > old && (now >= ln.raised+orphanTime || old < ln.last) {
		ln.last, ln.raised = old, now
	}
	t.depth[l] = depth
}

// limit is what a parent's depth must be below.
func (t *track) limit(now Time, l int) uint8 {
	ln := &t.lanes[l]
	limit := t.depth[l]
	if (ln.parent == nil || ln.parent.draining) && limit != NoDepth {
		limit++ // those below are deeper still
	}
	limit = min(limit, maxDepth)
	if ln.last != 0 && now < ln.raised+orphanTime {
		limit = min(limit, ln.last)
	}
	return limit
}

// adopt finds parents for the lanes that have none, and, to improve, better ones.
func (n *Node) adopt(now Time, t *track, improve bool) {
	moves := 2
	var asks []*neighbour
	urgent := false
	for l := range t.lanes {
		ln := &t.lanes[l]
		if ln.next != nil {
			if now-ln.asked < askTimeout+ln.next.trip() {
				continue
			}
			ln.next.track(t).refuse(now, l)
			ln.next = nil
		}
		if ln.parent == nil && t.depth[l] != NoDepth && now-ln.since > lostTime {
			t.deepen(now, l, NoDepth)
		}
		lost := ln.parent == nil || ln.parent.draining || t.depth[l] == NoDepth
		if !lost && (!improve || moves == 0) {
			continue
		}
		best, cost := n.candidate(now, t, l)
		switch {
		case best == nil && lost && now-ln.since > resortTime:
			if best = n.lastResort(now, t, l); best == nil {
				continue
			}
			urgent = true
		case best == nil:
			continue
		case !lost && float64(cost) > n.t.Better*float64(ln.late+ln.parent.trip()/2+Time(t.depth[l]-1)*deepCost)-float64(10*time.Millisecond):
			continue
		case !lost:
			moves--
		}
		ln.next, ln.asked = best, now
		if len(asks) == 0 || asks[len(asks)-1] != best {
			asks = append(asks, best)
		}
	}
	done := map[*neighbour]bool{}
	for _, nb := range asks {
		if !done[nb] {
			done[nb] = true
			n.subscribe(nb, t, urgent && nb.role == Seed)
		}
	}
}

// candidate returns who would deliver a lane soonest, and how late that would be.
func (n *Node) candidate(now Time, t *track, l int) (*neighbour, Time) {
	ln := &t.lanes[l]
	limit := t.limit(now, l)
	var best *neighbour
	var least Time
	for _, nb := range n.conns {
		if !nb.hello || nb.leaf || nb.draining || nb == ln.parent {
			continue
		}
		nt := nb.track(t)
		if !nt.stated || nt.depth[l] >= limit || nt.gives.Has(l) || nt.refused[l] > now {
			continue
		}
		cost := nt.lag + Time(nt.depth[l])*deepCost
		if nt.announce < 4 {
			cost = Time(nt.depth[l]) * usualHop
		}
		if nb.up > 0 && nb.role == Viewer {
			cost += sendTime(nb.up)
		}
		cost += nb.trip()/2 + Time(nt.granted.Len())*2*time.Millisecond + Time(n.random.below(8))*time.Millisecond
		if !nt.open.Has(l) && (nb.role != Seed || nt.strikes > 0) && n.random.below(8) > 0 {
			cost += crowded
		}
		if best == nil || cost < least {
			best, least = nb, cost
		}
	}
	return best, least
}

// deepCost is what each hop between a parent and the source counts besides its lateness:
// what is deep is lost with any of those above.
const deepCost = 20 * time.Millisecond

// crowded is what is added to the lateness of a parent that says it is full: it takes
// one child more only by handing over another. A seed is asked once all the same, and
// now and then anybody is: it decides who is worth its first copies.
const crowded = 600 * time.Millisecond

// lastResort returns a seed or edge for a lane that nobody else would push.
func (n *Node) lastResort(now Time, t *track, l int) *neighbour {
	for _, nb := range n.conns {
		nt := nb.track(t)
		if nb.hello && nb.role != Viewer && !nb.draining && nt.stated && nt.depth[l] < maxDepth && nt.refused[l] < now+refusal {
			return nb
		}
	}
	return nil
}

// subscribe tells a neighbour which lanes are wanted of it.
func (n *Node) subscribe(nb *neighbour, t *track, urgent bool) {
	var lanes LaneMask
	for l := range t.lanes {
		if t.lanes[l].parent == nb || t.lanes[l].next == nb {
			lanes |= 1 << l
		}
	}
	n.send(nb, &Subscribe{R: t.r, Lanes: lanes, Urgent: urgent})
}

// refuse takes note that a neighbour will not push a lane, for a while.
func (nt *neighbourTrack) refuse(now Time, l int) {
	nt.refused[l] = now + refusal<<min(nt.strikes, 3)
}

// fail takes the lane from a parent that did not push it. Each time it is longer before
// that one is asked again, so that who promises and withholds is soon asked for nothing;
// lanes that fail together are one time.
func (n *Node) fail(now Time, t *track, l int) {
	old := t.lanes[l].parent
	nt := old.track(t)
	if nt.failures == 0 || now-nt.failedAt > refusal {
		nt.failures, nt.failedAt = min(nt.failures+1, 6), now
	}
	most := uint8(5)
	if old.role != Viewer {
		most = 3 // there may be nobody else
	}
	until := now + refusal<<min(nt.failures-1, most)
	nt.refused[l] = until
	for o := range nt.refused {
		if nt.failures > 1 { // it is not about one lane
			nt.refused[o] = max(nt.refused[o], until)
		}
	}
	t.orphan(now, l)
	n.subscribe(old, t, false)
	n.maintainAt = now
}

func (n *Node) onGrant(now Time, nb *neighbour, g *Grant) {
	t := n.known(g.R)
	if t == nil || !t.wanted || t.source {
		return
	}
	nt := nb.track(t)
	refused, surplus, taken := false, false, false
	var left []*neighbour
	for l := range t.lanes {
		ln := &t.lanes[l]
		switch has := g.Lanes.Has(l); {
		case has && ln.next == nb && nt.depth[l] >= t.limit(now, l):
			ln.next = nil // it is further from the source than it was when it was asked
			surplus = true
		case has && ln.next == nb:
			taken = true
			if old := ln.parent; old != nil && old != nb {
				old.track(t).granted &^= 1 << l
				left = append(left, old)
			}
			*ln = lane{parent: nb, since: now, last: ln.last, raised: ln.raised}
			nt.granted |= 1 << l
			t.deepen(now, l, deeper(nt.depth[l]))
		case has && ln.parent != nb:
			surplus = true
		case !has && ln.next == nb:
			ln.next = nil
			nt.refuse(now, l)
			refused = true
		case !has && ln.parent == nb:
			t.orphan(now, l)
			nt.refuse(now, l)
		}
	}
	if taken {
		// What came to the new parent before it granted is lost between the two.
		for _, p := range t.open {
			p.due = min(p.due, now+nb.trip()+justMoved)
		}
	}
	if refused {
		nt.strikes++
	} else {
		nt.strikes = 0
	}
	for i, old := range left {
		if i == 0 || left[i-1] != old {
			n.subscribe(old, t, false)
		}
	}
	if surplus {
		n.subscribe(nb, t, false)
	}
	n.tellStates(now, false)
	n.maintainAt = min(n.maintainAt, now+10*time.Millisecond)
}

func deeper(d uint8) uint8 {
	if d >= maxDepth {
		return NoDepth
	}
	return d + 1
}

func (n *Node) onState(now Time, nb *neighbour, m *State) {
	t := n.known(m.R)
	if t == nil {
		return
	}
	nt := nb.track(t)
	first := !nt.stated
	nb.leaf = nb.leaf && m.Spare == 0 // its uplink may have changed
	nt.depth, nt.spare, nt.open, nt.stated = m.Depth, m.Spare, m.Open, true
	if !t.wanted || t.source {
		return
	}
	lost := false
	for l := range t.lanes {
		if t.lanes[l].parent != nb {
			continue
		}
		if deeper(m.Depth[l]) == NoDepth {
			lost = true
			t.orphan(now, l)
			continue
		}
		t.deepen(now, l, deeper(m.Depth[l]))
	}
	if lost {
		n.subscribe(nb, t, false)
	}
	if first || lost {
		n.maintainAt = min(n.maintainAt, now+10*time.Millisecond)
	}
	n.tellStates(now, false)
}

// state describes a rendition to others.
func (t *track) state() *State { return &State{R: t.r, Depth: t.depth, Spare: t.spare, Open: t.opens} }

// tellStates tells neighbours of depths and spare places that have changed: of a lane that
// was lost at once, of a longer way soon, of all else now and then.
func (n *Node) tellStates(now Time, force bool) {
	for _, t := range n.tracks {
		spare, open := n.spareLanes(t)
		due := force || now-t.tell >= n.t.State && (t.depth != t.told || open != t.opens || now-t.tell >= 4*n.t.State && spare != t.spare)
		for l := range t.depth {
			due = due || t.depth[l] == NoDepth && t.told[l] != NoDepth ||
				(t.depth[l] > t.told[l] || t.depth[l] != NoDepth && t.told[l] == NoDepth) && now-t.tell >= n.t.State/8
		}
		if !due {
			continue
		}
		t.told, t.spare, t.opens, t.tell = t.depth, spare, open, now
		m := t.state()
		for _, nb := range n.conns {
			if nb.hello && nb.role != Seed {
				n.send(nb, m)
			}
		}
	}
}
