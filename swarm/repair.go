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
	until  Time
	last   *neighbour // who was asked before
	missed bool       // counted against the lane's parent
}

// headAsk is a run of heads that was asked for.
type headAsk struct {
	key   Key
	count int
	until Time
	by    *neighbour
	new   bool // it has the newest head that by announced
}

const (
	headGrace  = 60 * time.Millisecond  // in which a head may still come by itself
	headAgain  = 300 * time.Millisecond // before heads are asked of another; doubles
	headAsks   = 4                      // runs of heads that are asked for at once
	headLies   = 3                      // runs that a neighbour may announce and not give, in a row
	firstHeads = 64                     // newest pieces in which a newcomer looks for its beginning
	maxWants   = 32                     // blocks that one neighbour is asked for at once
	farAhead   = 5 * time.Second        // slack beyond which the rarest piece comes first
	noHolder   = 50 * time.Millisecond  // before a block that nobody has is looked for again
	noClock    = time.Second            // before the origin is asked where no time of playing is known
	fetchAgain = 500 * time.Millisecond // after the origin failed
	lateMost   = 16                     // wants that a neighbour may let pass in a row
	justMoved  = 40 * time.Millisecond  // after a new parent's round trip, in which a lane may still miss a block
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
		nt.announced(0)
	case m.Count == 1:
		nt.announced(now - p.headAt)
		if !p.whole() {
			p.due = min(p.due, now+time.Millisecond)
		}
	}
}

func (nt *neighbourTrack) announced(lag Time) {
	if nt.announce++; nt.announce == 1 {
		nt.lag = lag
	} else {
		nt.lag += (lag - nt.lag) / 8
	}
}

// askHeads asks for the heads of pieces that others announced, the newest first.
func (n *Node) askHeads(now Time, t *track) {
	t.headsAt = never
	n.headless(now, t)
	missing := false
	for _, epoch := range n.epochs(t, now) {
		next := n.next(t, epoch, now)
		for at, first := next, t.firstHead(epoch, next); at > first && len(t.asked) < headAsks; {
			key := Key{t.r, event.Position{Epoch: epoch, N: at - 1}}
			if t.find(key.Position) != nil {
				at--
				continue
			}
			missing = true
			if t.isAsked(key) {
				at--
				continue
			}
			count := 1
			for ; count < MaxHeads && at-uint64(count) > first; count++ {
				k := Key{t.r, event.Position{Epoch: epoch, N: at - uint64(count) - 1}}
				if t.find(k.Position) != nil || t.isAsked(k) {
					break
				}
			}
			if nb := n.headHolder(now, t, key.Position); nb != nil {
				key.N = at - uint64(count)
				n.send(nb, &GetHeads{Key: key, Count: count})
				wait := max(headAgain<<min(t.headMisses, 4), 2*nb.trip())
				t.asked = append(t.asked, headAsk{key, count, now + wait, nb, nb.track(t).haves.last() == event.Position{Epoch: epoch, N: at - 1}})
			}
			at -= uint64(count)
		}
	}
	if missing {
		t.headsAt = now + headAgain
	}
}

// headless takes note of who announced pieces and did not give their heads. What such a
// neighbour announces counts for nothing for a while, so that it cannot make others look
// for pieces that do not exist.
func (n *Node) headless(now Time, t *track) {
	var silent []*neighbour
	t.asked = slices.DeleteFunc(t.asked, func(a headAsk) bool {
		if a.until > now {
			return false
		}
		for i := range a.count {
			if pos := (event.Position{Epoch: a.key.Epoch, N: a.key.N + uint64(i)}); t.find(pos) != nil || pos.Before(t.floor) {
				t.headMisses = 0
				return true
			}
		}
		t.headMisses++
		if a.new && !a.by.gone {
			if a.by.headless++; a.by.headless >= headLies {
				a.by.mute = now + time.Second<<min(a.by.headless-headLies, 5)
			}
			if a.by.headless > 3*headLies {
				silent = append(silent, a.by)
			}
		}
		return true
	})
	for _, nb := range silent {
		n.drop(now, nb, Silent)
	}
}

// epochs returns the newest epochs that others announce and this node wants, newest first.
func (n *Node) epochs(t *track, now Time) []event.Epoch {
	var out []event.Epoch
	for _, nb := range n.conns {
		if nb.mute > now || len(nb.tracks) <= t.index {
			continue
		}
		h := &nb.tracks[t.index].haves
		for _, e := range [2]*epochHaves{&h.newer, &h.older} {
			if e.next > 0 && e.epoch >= t.floor.Epoch && (!t.follows || e.epoch >= t.from.Epoch) && !slices.Contains(out, e.epoch) {
				out = append(out, e.epoch)
			}
		}
	}
	slices.SortFunc(out, func(a, b event.Epoch) int { return cmp.Compare(b, a) })
	if !t.follows {
		return out[:min(len(out), 1)] // a newcomer begins in the newest
	}
	return out[:min(len(out), 4)]
}

// next returns the number after the highest that is announced in an epoch.
func (n *Node) next(t *track, epoch event.Epoch, now Time) uint64 {
	next := uint64(0)
	for _, nb := range n.conns {
		if nb.mute > now || len(nb.tracks) <= t.index {
			continue
		}
		for h, i := &nb.tracks[t.index].haves, 0; i < 2; i++ {
			if e := [2]*epochHaves{&h.newer, &h.older}[i]; e.epoch == epoch {
				next = max(next, e.next)
			}
		}
	}
	return next
}

// firstHead returns the lowest number of an epoch whose head is wanted.
func (t *track) firstHead(epoch event.Epoch, next uint64) uint64 {
	first := next - min(next, haveSpan)
	if !t.follows {
		newest := next - min(next, firstHeads)
		i, ok := t.search(event.Position{Epoch: epoch, N: newest})
		if !ok && (i == len(t.pieces) || len(t.pieces)-i < firstHeads) {
			first = newest // else there is no beginning among the newest: look at all
		}
	} else if t.from.Epoch == epoch {
		first = max(first, t.from.N)
	}
	if t.floor.Epoch == epoch {
		first = max(first, t.floor.N)
	}
	return first
}

// missedHead takes note of a head that another had to be asked for.
func (n *Node) missedHead(now Time, t *track) {
	ln := &t.lanes[HeadLane]
	if ln.missed++; ln.missed >= 2*n.t.Missed {
		old := ln.parent
		old.track(t).refuse(now, HeadLane)
		t.orphan(now, HeadLane)
		n.subscribe(old, t, false)
		n.maintainAt = now
	}
}

func (t *track) isAsked(k Key) bool {
	return slices.ContainsFunc(t.asked, func(a headAsk) bool {
		return a.key.Epoch == k.Epoch && k.N >= a.key.N && k.N < a.key.N+uint64(a.count)
	})
}

// headHolder picks one that announced a piece, by chance.
func (n *Node) headHolder(now Time, t *track, pos event.Position) *neighbour {
	var pick *neighbour
	seen := 0
	for _, nb := range n.conns {
		if !nb.hello || nb.mute > now || len(nb.tracks) <= t.index || !nb.tracks[t.index].haves.has(pos) {
			continue
		}
		if seen++; n.random.below(seen) == 0 {
			pick = nb
		}
	}
	return pick
}

// repair asks for blocks that are due and did not come.
func (n *Node) repair(now Time, t *track) {
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
	if timed && slack > n.t.ToOrigin {
		next = min(next, now+slack-n.t.ToOrigin)
	}
	if timed && slack > n.t.ToSeeds {
		next = min(next, now+slack-n.t.ToSeeds)
	}
	if p.asks == nil {
		p.asks = make([]ask, len(p.blocks))
	}
	var wants []wish
	for i, b := range p.blocks {
		if b != nil {
			continue
		}
		a := &p.asks[i]
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
		nb := n.holder(now, t, p, a, slack, timed)
		if nb == nil {
			next = min(next, now+noHolder)
			continue
		}
		a.by, a.until = nb, now+max(n.t.WantAgain, 2*nb.trip()+time.Duration(nb.wants)*10*time.Millisecond)
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
	if !n.cfg.NoOrigin && !p.fetching && (timed && slack <= n.t.ToOrigin || !timed && t.follows && now-p.headAt > noClock) {
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
	pushed := ln.parent != nil && t.depth[l] != NoDepth && p.headAt >= ln.since
	if !pushed {
		return true, now
	}
	expected := p.headAt + max(n.t.Patience, ln.late*3/2+50*time.Millisecond)
	moved := ln.since + ln.parent.trip() + justMoved
	if p.headAt < moved {
		expected = min(expected, max(moved, p.headAt+justMoved))
	}
	if now < expected && (!timed || slack > n.t.ToSeeds) {
		return false, expected
	}
	if !a.missed && now >= expected && p.headAt >= moved {
		a.missed = true
		if ln.missed++; ln.missed >= n.t.Missed {
			old := ln.parent
			old.track(t).refuse(now, l)
			t.orphan(now, l)
			n.subscribe(old, t, false)
			n.maintainAt = now
		}
	}
	return true, now
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
		if !nt.haves.has(p.pos()) {
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
	case best == nil && (hurry || now-p.headAt > 2*n.t.Patience):
		return seed
	case best != nil && hurry && seedLeast < least:
		return seed
	}
	return best
}

// broke takes note of a block that was asked for and did not come, and reports whether
// that was once too often. Who says so does not lose its place for it, and many
// blocks at one moment count as one.
func (n *Node) broke(now Time, a *ask, denied bool) (dropped bool) {
	nb := a.by
	a.last, a.by = nb, nil
	nb.wants--
	if nb.lateAt == now {
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
		by.late = 0
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
func (p *piece) release(nb *neighbour, now Time) {
	for i := range p.asks {
		a := &p.asks[i]
		if a.last == nb {
			a.last = nil
		}
		if a.by == nb {
			a.by = nil
			p.due = now
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
	nb.track(t).haves.remove(m.Position) // not whole, or not any more
	for i := range p.asks {
		if a := &p.asks[i]; m.Blocks.Has(i) && a.by == nb {
			n.broke(now, a, true)
			p.due = now
		}
	}
}

// fetch asks the origin for what is missing of a piece.
func (n *Node) fetch(p *piece) {
	f := Fetch{Head: p.head, First: -1}
	for i, b := range p.blocks {
		if b != nil {
			continue
		}
		if f.First < 0 {
			f.First = i
		}
		f.Last = i
		if a := &p.asks[i]; a.by != nil {
			cancel := Cancel{Key: p.head.Key()}
			cancel.Blocks.Set(i)
			n.send(a.by, &cancel)
			a.by.wants--
			a.by = nil
		}
	}
	p.fetching = true
	n.out.Fetch = append(n.out.Fetch, f)
}

// Fetched takes in what the origin answered to a Fetch: whole blocks from the first
// that was asked for on, not verified.
func (n *Node) Fetched(now Time, k Key, first int, data []byte) {
	n.begin()
	t := n.known(k.R)
	if t == nil {
		return
	}
	p := t.find(k.Position)
	if p == nil {
		return
	}
	for i := max(first, 0); i < len(p.blocks) && len(data) > 0; i++ {
		size := min(p.head.BlockLen(i), len(data))
		n.place(now, t, p, i, data[:size], nil, FromOrigin, false)
		data = data[size:]
	}
	p.fetching = false
	p.due = now + fetchAgain
	n.pump(now)
}

// FetchFailed takes in that the origin has no answer to a Fetch.
func (n *Node) FetchFailed(now Time, k Key) {
	n.begin()
	if t := n.known(k.R); t != nil {
		if p := t.find(k.Position); p != nil {
			p.fetching = false
			p.due = now + fetchAgain
		}
	}
}
