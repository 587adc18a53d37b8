package swarm

import (
	"slices"
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
	branched Time       // when the lane came into another branch
	late     Time       // between a head's arrival and the block's, smoothed
	dev      Time       // how much that differs, smoothed
	urgent   bool       // parent is a seed that pushes it for want of others
	resort   bool       // next was asked as such
	soft     bool       // parent took over from another that was there
	lingers  bool       // who was parent pushes it for a moment more
	missed   int        // blocks in a row that the parent did not send in time
	received int        // blocks that parent delivered
}

const (
	maxDepth    = 16
	askTimeout  = time.Second
	mostStrikes = 3                       // refusals in a row that count
	refusal     = time.Second             // before the same is asked again; doubles
	orphanTime  = 500 * time.Millisecond  // in which a lane that was lost or became longer looks only nearer to the source than it was
	resortTime  = 1500 * time.Millisecond // after which a lane that nobody else pushes is asked of a seed
	lostTime    = time.Second             // after which those below are told that a lane is lost
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
		ln.late, ln.dev = sample, sample/2
	} else {
		ln.dev += (max(sample-ln.late, ln.late-sample) - ln.dev) / 4
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
	*ln = lane{next: ln.next, asked: ln.asked, resort: ln.resort, since: now, last: ln.last, raised: ln.raised, branched: ln.branched, late: ln.late, dev: ln.dev}
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

// above reports whether a neighbour can be a lane's parent because it is not below this
// node: where nobody is, where it is nearer to the source, or in another branch.
func (t *track) above(now Time, l int, nt *neighbourTrack) bool {
	switch {
	case nt.depth[l] >= maxDepth:
		return false
	case t.kids[l] == 0:
		return true
	case nt.depth[l] < t.limit(now, l):
		return true
	}
	mine, other := t.branch[l], nt.branch[l]
	return mine != 0 && other != 0 && mine != other && now-t.lanes[l].branched > branchTime
}

// branchTime is how long those below take to hear of another branch.
const branchTime = 1500 * time.Millisecond

// branchOff takes note of the branch that a lane is in by its parent.
func (t *track) branchOff(now Time, l int, parent *neighbour) {
	branch := t.tag
	if parent.role == Viewer {
		branch = parent.track(t).branch[l]
	}
	if t.branch[l] != branch {
		t.branch[l], t.lanes[l].branched = branch, now
	}
}

// limit is what the depth of a parent must be below that may be in the same branch.
func (t *track) limit(now Time, l int) uint8 {
	ln := &t.lanes[l]
	limit := t.depth[l]
	if (ln.parent == nil || ln.parent.draining || ln.urgent) && limit != NoDepth {
		limit++ // those below are deeper still
	}
	limit = min(limit, maxDepth)
	if ln.last != 0 && now < ln.raised+orphanTime {
		limit = min(limit, ln.last)
	}
	return limit
}

// sinking reports whether a lane is about to move to a parent that may be below itself if
// it takes on a child now.
func (t *track) sinking(l int) bool {
	next := t.lanes[l].next
	return next != nil && next.track(t).depth[l] >= t.depth[l]
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
		if ln.since == 0 {
			ln.since = now
		}
		if ln.parent == nil && t.depth[l] != NoDepth && now-ln.since > lostTime {
			t.deepen(now, l, NoDepth)
		}
		lost := ln.parent == nil || ln.parent.draining || t.depth[l] == NoDepth
		if !lost && !ln.urgent && (!improve || moves == 0) {
			continue
		}
		resort := false
		best, cost := n.candidate(now, t, l)
		switch {
		case best == nil && lost && now-ln.since > resortTime:
			if best = n.lastResort(now, t, l); best == nil {
				continue
			}
			resort, urgent = true, true
		case best == nil:
			continue
		case ln.urgent && !lost: // a seed did it for want of others, and here is one
		case !lost && cost > n.cost(ln.parent, ln.parent.track(t), l)-n.t.Gain:
			continue
		case !lost:
			moves--
		}
		ln.next, ln.asked, ln.resort = best, now, resort
		if len(asks) == 0 || asks[len(asks)-1] != best {
			asks = append(asks, best)
		}
	}
	if urgent {
		t.urgeAlone(asks)
	}
	done := map[*neighbour]bool{}
	for _, nb := range asks {
		if !done[nb] {
			done[nb] = true
			n.subscribe(nb, t, urgent && nb.role == Seed)
		}
	}
}

// urgeAlone takes back what else was to be asked of seeds that are asked for lanes that
// nobody else would push: they would give them all.
func (t *track) urgeAlone(asks []*neighbour) {
	for l := range t.lanes {
		if ln := &t.lanes[l]; ln.next != nil && ln.next.role != Viewer && !ln.resort && slices.Contains(asks, ln.next) {
			ln.next = nil
		}
	}
}

// candidate returns who would deliver a lane soonest, and how late that would be.
func (n *Node) candidate(now Time, t *track, l int) (*neighbour, Time) {
	ln := &t.lanes[l]
	var best *neighbour
	var least Time
	for _, nb := range n.conns {
		if !nb.hello || nb.leaf || nb.draining || nb == ln.parent {
			continue
		}
		nt := nb.track(t)
		if !nt.stated || !t.above(now, l, nt) || nt.gives.Has(l) || nt.refused[l] > now {
			continue
		}
		if ln.urgent && !ln.parent.draining && (nb.role != Viewer || !nt.open.Has(l)) {
			continue
		}
		cost := n.cost(nb, nt, l) + Time(n.random.below(8))*time.Millisecond
		if !nt.open.Has(l) {
			if !n.mayTake(nb, nt) {
				continue
			}
			cost += crowded
		}
		if best == nil || cost < least {
			best, least = nb, cost
		}
	}
	return best, least
}

// mayTake reports whether a neighbour that is full would hand over a lane to this node all
// the same: for clearly more uplink; a seed also to share among equals.
func (n *Node) mayTake(nb *neighbour, nt *neighbourTrack) bool {
	mine, least := float64(n.cfg.Up), 1000*float64(nt.least)
	return least > 0 && (mine > clearly*least || nb.role == Seed && alike*mine > least && (nt.granted&^(1<<HeadLane)).Len() == 0)
}

// cost is how late a neighbour would deliver a lane, by what is known of it.
func (n *Node) cost(nb *neighbour, nt *neighbourTrack, l int) Time {
	cost := Time(nt.depth[l])*n.t.Hop + nb.trip()/2
	if nb.up > 0 && nb.role == Viewer {
		cost += 2 * sendTime(nb.up)
	}
	return cost
}

// crowded is what is added to the lateness of a parent that says it is full: it takes one
// child more only by handing over another.
const crowded = 20 * time.Millisecond

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
	nt.refused[l] = now + refusal<<nt.strikes
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
		case has && ln.next == nb && (!t.above(now, l, nt) || nt.gives.Has(l)):
			ln.next = nil // it is further from the source than it was when it was asked
			surplus = true
		case has && ln.next == nb:
			taken = true
			if old := ln.parent; old != nil && old != nb {
				old.track(t).granted &^= 1 << l
				left = append(left, old)
			}
			*ln = lane{parent: nb, since: now, soft: ln.parent != nil || ln.lingers && now-ln.since < linger, last: ln.last, raised: ln.raised, branched: ln.branched, urgent: ln.resort && nb.role != Viewer}
			nt.granted |= 1 << l
			t.deepen(now, l, deeper(nt.depth[l]))
			t.branchOff(now, l, nb)
		case has && ln.parent != nb:
			surplus = true
		case !has && ln.next == nb:
			ln.next = nil
			nt.refuse(now, l)
			refused = true
		case !has && ln.parent == nb:
			t.orphan(now, l)
			ln.lingers = true
			nt.refuse(now, l)
		}
	}
	if taken {
		// What came to the new parent before it granted is lost between the two.
		for _, p := range t.open {
			t.look(p, now+nb.trip()+justMoved)
		}
	}
	if refused {
		nt.strikes = min(nt.strikes+1, mostStrikes)
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
	n.tellStates(now)
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
	nt.depth, nt.branch, nt.spare, nt.least, nt.open, nt.stated = m.Depth, m.Branch, m.Spare, m.Least, m.Open, true
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
		t.branchOff(now, l, nb)
	}
	if lost {
		n.subscribe(nb, t, false)
	}
	if first || lost {
		n.maintainAt = min(n.maintainAt, now+10*time.Millisecond)
	}
	n.tellStates(now)
}

// state describes a rendition to others.
func (t *track) state() *State {
	return &State{R: t.r, Depth: t.depth, Branch: t.branch, Spare: t.spare, Least: t.least, Open: t.opens}
}

// manyChildren is how many children make it dear to look at all of them at each event.
const manyChildren = 64

// told is what some neighbours were told of a rendition last.
type told struct {
	depth  [allLanes]uint8
	branch [allLanes]uint8
	open   LaneMask
	at     Time
}

// tellStates tells neighbours of depths and free places that have changed. Children hear
// of a lane that was lost at once, and of a longer way soon; of all else, and for all
// others, now and then suffices.
func (n *Node) tellStates(now Time) {
	for _, t := range n.tracks {
		if len(t.children) <= manyChildren || now-t.reckoned >= n.t.State/8 {
			t.reckoned = now
			t.spare, t.opens = n.spareLanes(t)
			t.least = n.least(t)
		}
		kids := t.differs(now, &t.toldKids, n.t.State)
		others := t.differs(now, &t.toldOthers, 3*n.t.State)
		for l := range t.depth {
			kids = kids || t.depth[l] == NoDepth && t.toldKids.depth[l] != NoDepth ||
				(t.depth[l] > t.toldKids.depth[l] || t.branch[l] != t.toldKids.branch[l]) && now-t.toldKids.at >= n.t.State/8
			others = others || t.depth[l] != NoDepth && t.toldOthers.depth[l] == NoDepth && now-t.toldOthers.at >= n.t.State/2
		}
		if !kids && !others {
			continue
		}
		m := t.state()
		for _, nb := range n.conns {
			child := len(nb.tracks) > t.index && nb.tracks[t.index].gives != 0
			if nb.hello && nb.role != Seed && (child && kids || !child && others) {
				n.send(nb, m)
			}
		}
		if kids {
			t.toldKids = told{t.depth, t.branch, t.opens, now}
		}
		if others {
			t.toldOthers = told{t.depth, t.branch, t.opens, now}
		}
	}
}

func (t *track) differs(now Time, old *told, every Time) bool {
	return now-old.at >= every && (t.depth != old.depth || t.branch != old.branch || t.opens != old.open)
}
