package swarm

import (
	"cmp"
	"slices"
	"time"

	"github.com/shoalcast/shoal/event"
)

// ask is one block's being asked for.
type ask struct {
	by     *neighbour
	at     Time // when
	until  Time
	last   *neighbour // who was asked before
	denied Time       // when last said no
	missed bool       // counted against the lane's parent
}

const (
	maxWants      = 32                     // blocks that one neighbour is asked for at once
	farAhead      = 5 * time.Second        // slack beyond which the rarest piece comes first
	noHolder      = 50 * time.Millisecond  // before a block that nobody has is looked for again
	denyTime      = time.Second            // before who denied a block is asked for it again
	busy          = 100 * time.Millisecond // and a round trip after a block, another is on its way
	mostBusy      = 3 * time.Second        // in which who sends others must come to a block
	lateMost      = 16                     // wants that a neighbour may let pass in a row
	leastPatience = 130 * time.Millisecond // with a lane
	mostPatience  = time.Second            // with one that has been late before
	justMoved     = 40 * time.Millisecond  // after a new parent's round trip, in which a lane may still miss a block
)

func (n *Node) onHave(now Time, nb *neighbour, m *Have) {
	t := n.known(m.R)
	if t == nil {
		return
	}
	nt := nb.track(t)
	nt.haves.add(m.Position, m.Count)
	if t.source || !t.wanted {
		return
	}
	last := event.Position{Epoch: m.Epoch, N: m.N + uint64(m.Count) - 1}
	p := t.find(last)
	switch {
	case p == nil:
		if !last.Before(t.floor) && (!t.follows || !last.Before(t.from)) {
			grace := Time(0)
			if t.lanes[HeadLane].parent != nil {
				grace = headGrace
			}
			t.headsAt = min(t.headsAt, now+grace)
		}
	case p.lacking && !p.whole():
		t.look(p, now+time.Millisecond)
	}
}

// look sees to it that a piece is looked at by the given time.
func (t *track) look(p *piece, at Time) {
	p.due = min(p.due, at)
	t.due = min(t.due, at)
}

// repair asks for blocks that are due and did not come.
func (n *Node) repair(now Time, t *track) {
	if t.due > now {
		return
	}
	var due []*piece
	for _, p := range t.open {
		if p.due <= now {
			due = append(due, p)
		}
	}
	if len(due) > 1 {
		n.order(now, t, due)
	}
	for _, p := range due {
		n.repairPiece(now, t, p)
	}
	t.due = never
	for _, p := range t.open {
		t.due = min(t.due, p.due)
	}
}

// order sorts pieces by when they are played; of those with much time the rarest first.
func (n *Node) order(now Time, t *track, due []*piece) {
	slices.SortStableFunc(due, func(a, b *piece) int {
		as, _ := t.slack(now, &a.head.Entry)
		bs, _ := t.slack(now, &b.head.Entry)
		if as > farAhead && bs > farAhead {
			if c := cmp.Compare(n.holders(t, a.pos()), n.holders(t, b.pos())); c != 0 {
				return c
			}
		}
		if a.pos().Before(b.pos()) {
			return -1
		}
		return 1
	})
}

func (n *Node) holders(t *track, pos event.Position) int {
	count := 0
	for _, nb := range n.conns {
		if len(nb.tracks) > t.index && nb.tracks[t.index].haves.has(pos) {
			count++
		}
	}
	return count
}

// repairPiece decides on every missing block of a piece: to wait on, to ask somebody, or
// to ask the origin.
func (n *Node) repairPiece(now Time, t *track, p *piece) {
	slack, timed := t.slack(now, &p.head.Entry)
	next := now + time.Second
	fetch, originAt := n.originDue(now, t, p, slack, timed)
	if !fetch {
		next = min(next, originAt)
	} else if !p.failed {
		p.peersAt = now + 2*n.t.WantAgain // they are asked, too, if it takes its time
	}
	if timed && slack > n.t.ToSeeds {
		next = min(next, now+slack-n.t.ToSeeds)
	}
	if timed && slack > n.t.ToPeers {
		next = min(next, now+slack-n.t.ToPeers)
	}
	if p.asks == nil {
		p.asks = make([]ask, len(p.blocks))
	}
	p.lacking = false
	var wants []wish
	for i, b := range p.blocks {
		if b != nil {
			continue
		}
		a := &p.asks[i]
		if a.by != nil && now >= a.until && a.patient(now) && (!timed || slack > n.t.ToSeeds) {
			a.until = now + n.t.WantAgain
		}
		if a.by != nil && now < a.until {
			next = min(next, a.until)
			continue
		}
		if a.by != nil && n.broke(now, a, false) {
			next = now + time.Millisecond // others may have had to do with it
		}
		l := n.t.lane(p.head.Entry.N, i)
		if ready, wait := n.overdue(now, t, p, l, a, slack, timed); !ready {
			next = min(next, wait)
			continue
		}
		if now < p.peersAt {
			next = min(next, p.peersAt)
			continue // the origin answers sooner
		}
		nb := n.holder(now, t, p, a, slack, timed)
		if nb == nil {
			p.lacking = true
			next = min(next, now+noHolder)
			continue
		}
		if originAt > now && originAt < now+nb.trip() && !p.failed {
			continue // it cannot answer before the origin is asked
		}
		a.by, a.at, a.until = nb, now, now+max(n.t.WantAgain, 2*nb.trip()+time.Duration(nb.wants)*10*time.Millisecond)
		nb.wants++
		next = min(next, a.until)
		wants = add(wants, nb, p.head.Key(), i)
	}
	for i := range wants {
		if !wants[i].nb.gone {
			n.send(wants[i].nb, wants[i].want)
		}
	}
	p.due = next
	if fetch {
		n.fetch(p)
	}
}

type wish struct {
	nb   *neighbour
	want *Want
}

func add(wants []wish, nb *neighbour, k Key, i int) []wish {
	for _, w := range wants {
		if w.nb == nb {
			w.want.Blocks.Set(i)
			return wants
		}
	}
	w := wish{nb, &Want{Key: k}}
	w.want.Blocks.Set(i)
	return append(wants, w)
}

// overdue reports whether a block of lane l is to be asked for, or when to look again.
func (n *Node) overdue(now Time, t *track, p *piece, l int, a *ask, slack time.Duration, timed bool) (bool, Time) {
	ln := &t.lanes[l]
	pushed := ln.parent != nil && t.depth[l] != NoDepth
	moved := ln.since
	var expected Time
	switch {
	case pushed:
		if moved += ln.parent.trip() + justMoved; p.headAt >= moved {
			expected = p.headAt + max(n.patience(now, p, slack, timed), min(ln.late+4*ln.dev, mostPatience))
		} else if ln.soft {
			expected = p.headAt + min(n.t.Moved, n.patience(now, p, slack, timed))
		} else {
			expected = p.headAt + justMoved
		}
	case ln.lingers && now-ln.since < linger:
		expected = p.headAt + min(n.t.Moved, n.patience(now, p, slack, timed))
	default:
		return true, now
	}
	if now < expected && (!timed || slack > n.t.ToPeers) {
		return false, expected
	}
	if pushed && !a.missed && now >= expected && p.headAt >= moved {
		a.missed = true
		ln.parent.missed++
		if ln.missed++; ln.missed >= n.t.Missed {
			n.fail(now, t, l)
		}
	}
	return true, now
}

// patience is how long after a head a lane may deliver: three fifths of the time that there
// was until the piece is played, and little where nothing is known of that.
func (n *Node) patience(now Time, p *piece, slack time.Duration, timed bool) Time {
	if !timed {
		return leastPatience
	}
	return min(max((slack+now-p.headAt)*3/5, leastPatience), n.t.Patience)
}

// holder returns who is to be asked for a block: a peer, or, when time is short or
// nobody else has it, a seed.
func (n *Node) holder(now Time, t *track, p *piece, a *ask, slack time.Duration, timed bool) *neighbour {
	var best, seed *neighbour
	var least, seedLeast Time
	for _, nb := range n.conns {
		if !nb.hello || nb.leaf || nb.rest > now || nb.wants >= maxWants || len(nb.tracks) <= t.index {
			continue
		}
		nt := nb.tracks[t.index]
		if !nt.haves.has(p.pos()) || nb == a.last && a.denied > 0 && now < a.denied+denyTime {
			continue
		}
		cost := nb.trip() + time.Duration(nb.wants)*20*time.Millisecond + time.Duration(nb.late)*100*time.Millisecond
		if nt.spare == 0 {
			cost += 50 * time.Millisecond
		}
		if nb == a.last {
			cost += time.Second
		}
		switch {
		case nb.role == Viewer && (best == nil || cost < least):
			best, least = nb, cost
		case nb.role != Viewer && (seed == nil || cost < seedLeast):
			seed, seedLeast = nb, cost
		}
	}
	hurry := timed && slack < n.t.ToSeeds
	switch {
	case seed == nil:
		return best
	case (best == nil || best == a.last) && (hurry || now-p.headAt > 2*leastPatience):
		return seed
	case best != nil && hurry && seedLeast < least:
		return seed
	}
	return best
}

// patient reports whether who was asked for a block is busy sending others, as after
// many wants at once.
func (a *ask) patient(now Time) bool {
	return now-a.by.blockAt < a.by.trip()+busy && now-a.at < mostBusy
}

// broke takes note of a block that was asked for and did not come, and reports whether
// that was once too often. Who says so does not lose its place for it, and many
// blocks at about the same time count as one.
func (n *Node) broke(now Time, a *ask, denied bool) (dropped bool) {
	nb := a.by
	a.last, a.by, a.denied = nb, nil, 0
	if denied {
		a.denied = now
	} else {
		nb.missed++
	}
	nb.wants--
	if now-nb.lateAt < n.t.WantAgain {
		return false
	}
	nb.lateAt = now
	if nb.late = min(nb.late+1, lateMost); nb.late == lateMost && !denied {
		n.drop(now, nb, Silent)
		return true
	}
	if nb.late >= 4 {
		nb.rest = now + time.Duration(nb.late)*250*time.Millisecond
	}
	return false
}

// answered takes note that block i came from somebody. It returns who else was asked.
func (p *piece) answered(from *neighbour, i int) *neighbour {
	if p.asks == nil || p.asks[i].by == nil {
		return nil
	}
	by := p.asks[i].by
	p.asks[i].by = nil
	by.wants--
	if by == from {
		return nil
	}
	return by
}

// abandon forgets who was asked for what, where none of it is wanted any more.
func (p *piece) abandon() {
	for i := range p.asks {
		if a := &p.asks[i]; a.by != nil {
			a.by.wants--
			a.by = nil
		}
	}
}

// release forgets what a neighbour was asked for.
func (t *track) release(p *piece, nb *neighbour, now Time) {
	for i := range p.asks {
		a := &p.asks[i]
		if a.last == nb {
			a.last = nil
		}
		if a.by == nb {
			a.by = nil
			t.look(p, now)
		}
	}
}

func (n *Node) onDeny(now Time, nb *neighbour, m *Deny) {
	t := n.known(m.R)
	if t == nil {
		return
	}
	p := t.find(m.Position)
	if p == nil || p.asks == nil {
		return
	}
	for i := range p.asks {
		if a := &p.asks[i]; m.Blocks.Has(i) && a.by == nb {
			n.broke(now, a, true)
			t.look(p, now)
		}
	}
}
