package swarm

import (
	"slices"
	"time"
)

// queued is a block that waits to be sent.
type queued struct {
	p     *piece
	i     int
	size  int  // bytes
	at    Time // since when it waits for the uplink
	since Time // since when it waits
	want  bool // asked for by name
}

const (
	maxQueue = 2 * MaxBlocks // blocks that wait for one neighbour
)

// enqueue lines up block i of p for a neighbour.
func (n *Node) enqueue(now Time, nb *neighbour, p *piece, i int, want bool) bool {
	for k := range nb.queue {
		if q := &nb.queue[k]; q.p == p && q.i == i {
			q.want = q.want || want
			return true
		}
	}
	if len(nb.queue) >= maxQueue {
		return false
	}
	if !nb.busy {
		nb.busy = true
		n.busy = append(n.busy, nb)
	}
	nb.queue = append(nb.queue, queued{p, i, len(p.blocks[i]), now, now, want})
	return true
}

// forward pushes a verified block to the children of its lane.
func (n *Node) forward(now Time, t *track, p *piece, i int, from *neighbour) {
	l := n.t.lane(p.head.Entry.N, i)
	for _, nb := range n.conns {
		if nb == from || len(nb.tracks) <= t.index {
			continue
		}
		nt := nb.tracks[t.index]
		if (nt.gives.Has(l) || nt.lingers.Has(l) && now < nt.lingerTo) && !nt.haves.has(p.pos()) {
			n.enqueue(now, nb, p, i, false)
		}
	}
}

// pump sends what is queued as far as budget and credit go: what waits longest first, and
// of what came together first to whom has most to give on.
func (n *Node) pump(now Time) {
	if len(n.busy) == 0 {
		n.uplink.readyAt = never
		return
	}
	if now < n.uplink.readyAt && n.uplink.readyAt != never {
		return
	}
	rate := n.rate()
	for {
		var next *neighbour
		var first Time
		busy := n.busy[:0]
		for _, nb := range n.busy {
			if nb.busy = len(nb.queue) > 0 && !nb.gone; !nb.busy {
				nb.queue = nil
				continue
			}
			busy = append(busy, nb)
			if nb.blocked() {
				n.freshen(now, nb)
				continue
			}
			if at := nb.queue[0].at - n.headStart(nb, rate); next == nil || at < first || at == first && nb.up > next.up {
				next, first = nb, at
			}
		}
		clear(n.busy[len(busy):])
		n.busy = busy
		if next == nil {
			n.uplink.readyAt = never
			return
		}
		if n.freshen(now, next) {
			continue
		}
		q := next.queue[0]
		if !n.uplink.take(now, q.size, n.t.Burst) {
			return
		}
		next.queue = next.queue[1:]
		next.sent += uint64(q.size)
		n.stats.Sent += int64(q.size)
		n.send(next, &Block{Key: q.p.head.Key(), Index: q.i, Data: q.p.blocks[q.i]})
	}
}

// rate is that of all renditions, in bit/s.
func (n *Node) rate() float64 {
	sum := 0.0
	for _, t := range n.tracks {
		sum += t.rate * 8
	}
	return sum
}

// headStart is how much earlier than they came blocks for a neighbour count as come: who has
// the uplink to pass on many times the rate goes first.
func (n *Node) headStart(nb *neighbour, rate float64) Time {
	return Time(min(float64(nb.up)/max(4*rate, 1), 1) * float64(n.t.HeadStart))
}

// blocked reports whether a neighbour's credit is short of what waits for it.
func (nb *neighbour) blocked() bool {
	return len(nb.queue) > 0 && nb.sent+uint64(nb.queue[0].size) > nb.limit
}

// credit takes in how much a neighbour lets this node send it. What it asked for waits for
// the uplink from now on only.
func (nb *neighbour) credit(now Time, limit uint64) {
	if nb.blocked() {
		for k := range nb.queue {
			if q := &nb.queue[k]; q.want {
				q.at = now
			}
		}
	}
	nb.limit = max(nb.limit, limit)
}

// freshen drops from the front of a queue what its receiver has no use for any more, and
// reports whether that was anything. Who asked for what waited too long is told.
func (n *Node) freshen(now Time, nb *neighbour) bool {
	i := 0
	for ; i < len(nb.queue); i++ {
		q := &nb.queue[i]
		old := now-q.at > n.t.QueueMax
		if q.want && nb.blocked() {
			old = now-q.since > mostBusy // it is the asker's own credit that is short
		}
		if !old && (q.want || !n.hasIt(nb, q.p)) {
			break
		}
		if q.want {
			deny := &Deny{Key: q.p.head.Key()}
			deny.Blocks.Set(q.i)
			n.send(nb, deny)
		}
	}
	nb.queue = nb.queue[i:]
	return i > 0
}

func (n *Node) hasIt(nb *neighbour, p *piece) bool {
	t := n.known(p.head.Entry.R)
	return t != nil && len(nb.tracks) > t.index && nb.tracks[t.index].haves.has(p.pos())
}

// busyQueue is how much may wait for the uplink before wants are denied: what was promised
// to children goes first.
const busyQueue = 150 * time.Millisecond

// backlog is how long what waits will take on the uplink. A seed's is as long as it gets.
func (n *Node) backlog() time.Duration {
	if n.cfg.Role == Seed || n.uplink.free || n.uplink.rate <= 0 {
		return 0
	}
	sum := -n.uplink.tokens
	for _, nb := range n.busy {
		if nb.gone || nb.blocked() {
			continue
		}
		for k := range nb.queue {
			sum += float64(nb.queue[k].size)
		}
	}
	return time.Duration(sum / n.uplink.rate * float64(time.Second))
}

func (n *Node) onWant(now Time, nb *neighbour, m *Want) {
	var denied Mask
	refused := false
	var p *piece
	if t := n.known(m.R); t != nil && n.cfg.Up > 0 {
		p = t.find(m.Position)
	}
	busy := n.backlog() > busyQueue
	for i := range MaxBlocks {
		if !m.Blocks.Has(i) {
			continue
		}
		if busy && len(nb.queue) > 0 || p == nil || i >= len(p.blocks) || p.blocks[i] == nil || !n.enqueue(now, nb, p, i, true) {
			denied.Set(i)
			refused = true
		}
	}
	if refused {
		n.send(nb, &Deny{Key: m.Key, Blocks: denied})
	}
}

func (n *Node) onCancel(nb *neighbour, m *Cancel) {
	nb.queue = slices.DeleteFunc(nb.queue, func(q queued) bool {
		return q.p.pos() == m.Position && q.p.head.Entry.R == m.R && m.Blocks.Has(q.i)
	})
}

func (n *Node) onGetHeads(now Time, nb *neighbour, m *GetHeads) {
	t := n.known(m.R)
	if t == nil {
		return
	}
	i, _ := t.search(m.Position)
	for _, p := range t.pieces[i:] {
		if p.pos().Epoch != m.Epoch || p.pos().N >= m.N+uint64(m.Count) {
			return
		}
		if !n.afford(now, nb, p.head.size()) {
			return
		}
		n.send(nb, p.head)
	}
}

// onBlock takes in a block, pushed or wanted.
func (n *Node) onBlock(now Time, nb *neighbour, b *Block) {
	nb.received += uint64(len(b.Data))
	if nb.received > nb.allowed {
		n.drop(now, nb, Flooding)
		return
	}
	n.topUp(nb)
	t := n.known(b.R)
	if t == nil || !t.wanted || t.source || b.Position.Before(t.floor) || t.follows && b.Position.Before(t.from) {
		n.stats.Unasked += int64(len(b.Data))
		n.wasted(now, nb, len(b.Data))
		return
	}
	p := t.find(b.Position)
	if p == nil {
		if nb.hold(b); n.wasted(now, nb, len(b.Data)) {
			return
		}
		t.headsAt = min(t.headsAt, now+headGrace)
		nb.track(t).haves.add(b.Position, 1) // who sends a block knows its head
		return
	}
	n.place(now, t, p, b.Index, b.Data, nb, nb.source(), false)
}

// topUp grants more credit when half of it is used.
func (n *Node) topUp(nb *neighbour) {
	var rate float64
	var largest int64
	for _, t := range n.tracks {
		if t.wanted && !t.source {
			rate += t.rate
			largest = max(largest, t.largest)
		}
	}
	window := int64(min(rate*(nb.trip()+n.t.CreditAhead).Seconds(), float64(n.t.CreditMax)))
	window = min(max(window, 2*largest, creditStart), n.t.CreditMax)
	if int64(nb.allowed-nb.received) < window/2 {
		nb.allowed = nb.received + uint64(window)
		n.send(nb, &Credit{Limit: nb.allowed})
	}
}

// wasted takes note of bytes that nobody asked for, or whose use is not known yet. A little
// of that comes with every change of lanes; who sends more is flooding.
func (n *Node) wasted(now Time, nb *neighbour, size int) bool {
	if nb.waste += size; nb.waste > maxWaste {
		n.drop(now, nb, Flooding)
		return true
	}
	return false
}

// place puts a block into its piece if it is genuine, or known to be, and passes it on.
// from is nil for blocks that did not come by a connection.
func (n *Node) place(now Time, t *track, p *piece, i int, data []byte, from *neighbour, by Source, trusted bool) {
	lane := n.t.lane(p.head.Entry.N, min(i, MaxBlocks))
	if i >= len(p.blocks) || len(data) != p.head.BlockLen(i) {
		n.falseBlock(now, p, from)
		return
	}
	if p.blocks[i] != nil {
		if from != nil || by == FromOrigin {
			p.dup += int64(len(data))
			n.stats.Duplicate += int64(len(data))
		}
		if from != nil && t.lanes[lane].parent == from {
			t.delivered(now, lane, p)
		}
		if p.answered(from, i); from != nil {
			n.wasted(now, from, len(data))
		}
		return
	}
	if !trusted && !n.cfg.Verifier.Block(p.head, i, data) {
		n.falseBlock(now, p, from)
		return
	}
	p.blocks[i] = data
	p.left--
	p.from[by] += int64(len(data))
	n.stats.Received[by] += int64(len(data))
	if from != nil {
		from.waste = max(0, from.waste-2*len(data))
		from.late, from.blockAt = 0, now
	}
	if from != nil && t.lanes[lane].parent == from {
		t.delivered(now, lane, p)
	}
	other := p.answered(from, i)
	if other != nil {
		n.cancel(other, p, i)
	}
	if parent := t.lanes[lane].parent; parent != nil && parent != from && parent != other && p.headAt >= t.lanes[lane].since {
		n.cancel(parent, p, i) // it may not have pushed it yet
	}
	n.forward(now, t, p, i, from)
	if p.whole() {
		n.finished(now, t, p)
	}
}

func (n *Node) cancel(nb *neighbour, p *piece, i int) {
	cancel := &Cancel{Key: p.head.Key()}
	cancel.Blocks.Set(i)
	n.send(nb, cancel)
}

func (n *Node) falseBlock(now Time, p *piece, from *neighbour) {
	p.rejected++
	n.stats.Rejected++
	if from != nil {
		n.drop(now, from, LiedBlock)
	}
}

// finished announces a piece that is whole, to whom it is news. Who gives nothing tells
// only those who push to it.
func (n *Node) finished(now Time, t *track, p *piece) {
	t.close(p)
	n.out.Pieces = append(n.out.Pieces, &Piece{
		Head: p.head, Blocks: p.blocks, Bytes: p.from, Duplicate: p.dup, Rejected: p.rejected,
	})
	have := &Have{Key: p.head.Key(), Count: 1}
	for _, nb := range n.conns {
		nt := nb.track(t)
		if nb.hello && nb.role != Seed && !nt.haves.has(p.pos()) && (n.cfg.Up > 0 || nt.granted != 0) {
			n.send(nb, have)
		}
	}
}
