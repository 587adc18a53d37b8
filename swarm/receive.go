package swarm

import (
	"bytes"
	"errors"
	"slices"
	"time"

	"github.com/shoalcast/shoal/event"
)

// Receive takes in one message.
func (n *Node) Receive(now Time, c Conn, m Message) {
	n.begin()
	nb := n.at(c)
	if nb == nil {
		return
	}
	nb.heardAt = now
	if !possible(m) {
		n.drop(now, nb, BadMessage)
		return
	}
	if hello, ok := m.(*Hello); ok != !nb.hello {
		if _, bye := m.(*Bye); !bye {
			n.drop(now, nb, BadMessage)
		}
		return
	} else if ok {
		n.greet(now, nb, hello)
		n.pump(now)
		return
	}
	if !nb.guard.take(now, cost(m)) {
		n.drop(now, nb, Flooding)
		return
	}
	n.handle(now, nb, m)
	n.pump(now)
}

// Ignored takes note of a frame that is no message to this version: it counts against the
// neighbour's allowance like one.
func (n *Node) Ignored(now Time, c Conn) {
	n.begin()
	if nb := n.at(c); nb != nil && !nb.guard.take(now, 1) {
		n.drop(now, nb, Flooding)
	}
}

func (n *Node) handle(now Time, nb *neighbour, m Message) {
	switch m := m.(type) {
	case *Block:
		n.onBlock(now, nb, m)
	case *Head:
		n.onHead(now, nb, m)
	case *Have:
		n.onHave(now, nb, m)
	case *Want:
		n.onWant(now, nb, m)
	case *Cancel:
		n.onCancel(nb, m)
	case *Deny:
		n.onDeny(now, nb, m)
	case *GetHeads:
		n.onGetHeads(now, nb, m)
	case *Subscribe:
		n.onSubscribe(now, nb, m)
	case *Grant:
		n.onGrant(now, nb, m)
	case *State:
		n.onState(now, nb, m)
	case *Credit:
		nb.credit(now, m.Limit)
	case *Ping:
		n.send(nb, &Pong{Token: m.Token})
	case *Pong:
		nb.pong(now, m)
	case *Peers:
		n.onPeers(now, nb, m)
	case *Drain:
		n.onDrain(nb)
		n.maintainAt = now
	case *GetRecords:
		n.onGetRecords(now, nb)
	case *Records:
		n.onRecords(now, nb, m)
	case *GetInit:
		n.onGetInit(now, nb, m)
	case *Init:
		n.onInit(now, nb, m)
	case *Signal:
		n.onSignal(nb, m)
	case *Bye:
		// The transport tells when it is closed.
	}
}

// onDrain takes note that a neighbour leaves: its places are free.
func (n *Node) onDrain(nb *neighbour) {
	if nb.draining {
		return
	}
	for i, nt := range nb.tracks {
		n.tracks[i].kids.add(nt.gives, -1)
	}
	nb.draining = true
}

// greet takes in a neighbour's Hello and tells it what there is.
func (n *Node) greet(now Time, nb *neighbour, h *Hello) {
	switch {
	case h.Stream != n.cfg.Stream:
		n.drop(now, nb, WrongStream)
		return
	case h.Version == 0:
		n.drop(now, nb, BadMessage)
		return
	case h.ID == n.cfg.ID:
		n.drop(now, nb, Useless)
		return
	}
	nb.hello, nb.id, nb.role, nb.leaf, nb.up = true, h.ID, h.Role, h.Leaf || h.Up == 0, int64(h.Up)*1000
	if twin := n.twin(nb); twin != nil {
		n.drop(now, twin, Useless)
		if twin == nb {
			return
		}
	}
	if len(n.conns) > n.t.MaxConns && !n.makeRoom(now, nb) {
		return
	}
	for _, t := range n.tracks {
		n.send(nb, t.state())
		for _, have := range t.runs() {
			n.send(nb, have)
		}
	}
	n.maintainAt = now
}

// twin returns which of two connections to the same peer is one too many. Of two that
// were dialled from either side at about the same time, both sides keep the one that the
// smaller id dialled. Otherwise the one that stood first stays, so that nobody pushes
// another out by calling itself by its id; where that may look different from the other
// side, the greater id decides alone.
func (n *Node) twin(nb *neighbour) *neighbour {
	for _, o := range n.conns {
		if o == nb || !o.hello || o.id != nb.id {
			continue
		}
		mine := bytes.Compare(n.cfg.ID[:], nb.id[:]) < 0 // the one this side dialled stays
		apart := max(nb.since-o.since, o.since-nb.since)
		switch {
		case o.info.Outbound == nb.info.Outbound && mine:
			return nil
		case o.info.Outbound == nb.info.Outbound:
			return nb
		case apart > twins && mine:
			continue
		case apart > twins && o.since < nb.since:
			return nb
		case apart > twins:
			return o
		}
		if nb.info.Outbound == mine {
			return o
		}
		return nb
	}
	return nil
}

// twins is how far apart two peers may dial each other without seeing it.
const twins = 5 * time.Second

// makeRoom hands over a neighbour too many to others: the newcomer, or one that gives less.
func (n *Node) makeRoom(now Time, nb *neighbour) bool {
	least := nb
	for _, o := range n.conns {
		if !o.hello || o.role != Viewer || n.cfg.Role == Viewer && o.inUse() {
			continue
		}
		if o.up < least.up {
			least = o
		}
	}
	if hints := n.hints(least, 8); len(hints) > 0 {
		n.send(least, &Peers{Hints: hints})
	}
	n.drop(now, least, Useless)
	return least != nb
}

// runs returns announcements of all that is here, whole.
func (t *track) runs() []*Have {
	var out []*Have
	for _, p := range t.pieces {
		if !p.whole() {
			continue
		}
		if len(out) > 0 {
			last := out[len(out)-1]
			if last.Epoch == p.pos().Epoch && last.N+uint64(last.Count) == p.pos().N && last.Count < MaxRun {
				last.Count++
				continue
			}
		}
		out = append(out, &Have{Key: p.head.Key(), Count: 1})
	}
	return out
}

// onPeers passes on whom to connect to.
func (n *Node) onPeers(now Time, nb *neighbour, m *Peers) {
	if n.cfg.Role == Seed {
		return
	}
	room := n.t.Neighbours - len(n.conns)
	if nb.parent() {
		room += n.t.Neighbours
	}
	if n.looking() {
		room = 2*n.t.Neighbours - len(n.conns)
	}
	for _, h := range m.Hints {
		if room <= 0 || !n.dials.take(now, dialCost) {
			return
		}
		if h.ID == n.cfg.ID || slices.ContainsFunc(n.conns, func(o *neighbour) bool { return o.hello && o.id == h.ID }) {
			continue
		}
		n.learnWay(h.ID, nb.conn)
		n.out.Dial = append(n.out.Dial, Dial{Hint: h})
		room--
	}
}

// looking reports whether lanes have nobody who pushes them.
func (n *Node) looking() bool {
	for _, t := range n.tracks {
		if !t.wanted || t.source {
			continue
		}
		for l := range t.lanes {
			if t.lanes[l].parent == nil || t.depth[l] == NoDepth {
				return true
			}
		}
	}
	return false
}

// onSignal hands a signal on by one hop, or to this node's transport.
func (n *Node) onSignal(nb *neighbour, m *Signal) {
	if m.To == n.cfg.ID {
		n.learnWay(m.From, nb.conn)
		n.out.Signals = append(n.out.Signals, m)
		return
	}
	if m.From != nb.id {
		return
	}
	for _, o := range n.conns {
		if o.hello && o.id == m.To && o != nb {
			n.send(o, m)
			return
		}
	}
}

// way is how a peer that is not connected can be signalled.
type way struct {
	to  PeerID
	via Conn
}

// maxWays bounds how many are remembered.
const maxWays = 128

// learnWay remembers through whom a peer was heard of last.
func (n *Node) learnWay(to PeerID, via Conn) {
	n.ways = slices.DeleteFunc(n.ways, func(w way) bool { return w.to == to })
	if n.ways = append(n.ways, way{to, via}); len(n.ways) > maxWays {
		n.ways = slices.Delete(n.ways, 0, 1)
	}
}

// Relay sends a signal to a peer that is not connected, through whom it was heard of.
func (n *Node) Relay(now Time, to PeerID, body []byte) {
	n.begin()
	if len(body) > MaxSignal {
		return
	}
	for _, w := range n.ways {
		if nb := n.at(w.via); w.to == to && nb != nil && nb.hello {
			n.send(nb, &Signal{From: n.cfg.ID, To: to, Body: body})
		}
	}
	n.pump(now)
}

// AddRecord takes in a rotation or session record from the caller and passes it on.
func (n *Node) AddRecord(now Time, envelope []byte) error {
	n.begin()
	fresh, err := n.cfg.Verifier.AddRecord(envelope)
	if err != nil || !fresh {
		return err
	}
	n.spread(nil, [][]byte{envelope})
	n.retryHeads(now)
	return nil
}

func (n *Node) spread(from *neighbour, envelopes [][]byte) {
	for _, nb := range n.conns {
		if nb != from && nb.hello {
			n.sendRecords(nb, envelopes)
		}
	}
}

func (n *Node) onGetRecords(now Time, nb *neighbour) {
	records := n.cfg.Verifier.Records()
	size := 0
	for _, env := range records {
		size += len(env)
	}
	if n.afford(now, nb, size) {
		n.sendRecords(nb, records)
	}
}

// afford charges a neighbour for a long answer to a short question.
func (n *Node) afford(now Time, nb *neighbour, size int) bool {
	if !nb.guard.take(now, float64(size)/answerSize) {
		n.drop(now, nb, Flooding)
		return false
	}
	n.uplink.spend(size)
	return true
}

// sendRecords sends envelopes in as few messages as they fit in.
func (n *Node) sendRecords(nb *neighbour, envelopes [][]byte) {
	for len(envelopes) > 0 {
		size, k := 0, 0
		for k < len(envelopes) && (k == 0 || size+len(envelopes[k])+4 < MaxFrame-64) {
			size += len(envelopes[k]) + 4
			k++
		}
		n.send(nb, &Records{Envelopes: envelopes[:k:k]})
		envelopes = envelopes[k:]
	}
}

func (n *Node) onRecords(now Time, nb *neighbour, m *Records) {
	var news [][]byte
	for _, env := range m.Envelopes {
		fresh, err := n.cfg.Verifier.AddRecord(env)
		if err != nil {
			if nb.guard.take(now, lieCost) {
				continue // it may be older or newer than what this node can judge
			}
			n.drop(now, nb, BadMessage)
			return
		}
		if fresh {
			news = append(news, env)
		}
	}
	if len(news) == 0 {
		return
	}
	n.out.Records = append(n.out.Records, news...)
	n.spread(nb, news)
	n.retryHeads(now)
}

// retryHeads judges the heads again that waited for records.
func (n *Node) retryHeads(now Time) {
	for _, nb := range slices.Clone(n.conns) {
		waiting := nb.waiting
		nb.waiting = nil
		for _, h := range waiting {
			if nb.gone {
				break
			}
			n.onHead(now, nb, h)
		}
	}
}

const maxWaiting = 64 // heads of one neighbour that wait for records

func (n *Node) onHead(now Time, nb *neighbour, h *Head) {
	switch err := n.cfg.Verifier.OpenHead(h); {
	case errors.Is(err, ErrNeedRecords):
		if len(nb.waiting) == 0 {
			n.send(nb, &GetRecords{})
		}
		if len(nb.waiting) < maxWaiting {
			nb.waiting = append(nb.waiting, h)
		}
		return
	case errors.Is(err, ErrStale):
		if !nb.guard.take(now, staleCost) {
			n.drop(now, nb, Flooding)
		}
		return
	case err != nil:
		n.stats.Rejected++
		n.drop(now, nb, LiedHead)
		return
	}
	if h.Entry.Stream != n.cfg.Stream {
		n.drop(now, nb, LiedHead)
		return
	}
	t := n.known(h.Entry.R)
	if t == nil || !t.wanted {
		return
	}
	nb.headless = 0
	switch ln := &t.lanes[HeadLane]; {
	case ln.parent == nb:
		ln.missed = 0
	case ln.parent != nil && now-ln.since > time.Second && t.newest.Before(h.Entry.Position()) && t.isAsked(h.Key()) != nil:
		n.missedHead(now, t)
	}
	n.addHead(now, t, h, nb)
}

// AddHead takes in a verified head of the caller's, whose piece may come from anywhere.
func (n *Node) AddHead(now Time, h *Head) {
	n.begin()
	if t := n.room(h); t != nil {
		n.addHead(now, t, h, nil)
		n.pump(now)
	}
}

// Add takes in a verified piece of the caller's, whose data it keeps. Blocks that
// were missing are counted to by.
func (n *Node) Add(now Time, h *Head, data []byte, by Source) {
	n.begin()
	t := n.room(h)
	if t == nil || int64(len(data)) != h.Entry.Size {
		return
	}
	n.addHead(now, t, h, nil)
	p := t.find(h.Entry.Position())
	for i := 0; p != nil && i < len(p.blocks); i++ {
		n.place(now, t, p, i, data[i*event.BlockSize:][:h.BlockLen(i)], nil, by, true)
	}
	n.pump(now)
}

func (n *Node) room(h *Head) *track {
	if n.known(h.Entry.R) == nil && len(n.tracks) >= maxTracks {
		return nil
	}
	return n.track(h.Entry.R)
}

// addHead takes in a verified head and passes it on.
func (n *Node) addHead(now Time, t *track, h *Head, from *neighbour) {
	p := t.insert(now, h)
	if p == nil {
		return
	}
	n.out.Heads = append(n.out.Heads, h)
	for _, nb := range n.conns {
		if nb != from && nb.hello && nb.track(t).gives.Has(HeadLane) && !nb.track(t).haves.has(p.pos()) {
			n.uplink.spend(h.size())
			n.send(nb, h)
		}
	}
	if t.wanted && !h.Entry.Init.IsZero() {
		n.needInit(now, h.Entry.Init, from)
	}
	if !t.source && t.wanted {
		n.begun(now, t)
		if t.follows && !p.pos().Before(t.from) {
			t.openUp(p)
		}
	}
	if p.whole() {
		n.finished(now, t, p)
		return
	}
	for _, nb := range slices.Clone(n.conns) {
		for _, b := range nb.release(t.r, p.pos()) {
			if nb.gone {
				break
			}
			n.place(now, t, p, b.Index, b.Data, nb, nb.source(), false)
		}
	}
}

// openUp puts p on the list of pieces to get.
func (t *track) openUp(p *piece) {
	if !p.whole() && !slices.Contains(t.open, p) {
		t.open = append(t.open, p)
		t.due = min(t.due, p.due)
	}
}

// begun decides where a viewer that was not told begins: at the newest keyframe that
// starts a segment.
func (n *Node) begun(now Time, t *track) {
	if t.follows {
		return
	}
	if t.began == 0 {
		t.began = now + 1
	}
	for _, c := range n.claims(t, now) {
		if now < t.began+time.Second && (c.epoch > t.newest.Epoch || c.epoch == t.newest.Epoch && c.next > t.newest.N+1) {
			return // newer ones are announced
		}
	}
	for i, p := range slices.Backward(t.pieces) {
		if e := &p.head.Entry; e.Key && e.StartsSegment() {
			t.follow(now, p.pos())
			return
		} else if i > 0 && (t.pieces[i-1].pos().Epoch != e.Epoch || t.pieces[i-1].pos().N+1 != e.N) {
			return // what lies between may have it
		}
	}
}

// Follow says from where on a rendition is wanted; nothing before is asked for.
func (n *Node) Follow(now Time, r event.Rendition, from event.Position) {
	n.begin()
	if t := n.known(r); t != nil {
		t.follow(now, from)
		n.maintainAt = now
	}
}

func (t *track) follow(now Time, from event.Position) {
	t.from, t.follows = from, true
	t.headsAt = now
	for _, p := range t.open {
		if p.pos().Before(from) {
			p.abandon()
		}
	}
	t.open = slices.DeleteFunc(t.open, func(p *piece) bool { return p.pos().Before(from) })
	i, _ := t.search(from)
	for _, p := range t.pieces[i:] {
		t.openUp(p)
	}
}

// Play tells when the media at pts is played, so that it is known how much time there
// is for the rest.
func (n *Node) Play(now Time, r event.Rendition, epoch event.Epoch, pts event.Ticks, at Time) {
	n.begin()
	t := n.known(r)
	if t == nil {
		return
	}
	t.playing = true
	t.play.epoch, t.play.pts, t.play.at = epoch, pts, at
	for _, p := range t.open {
		t.look(p, now+10*time.Millisecond)
	}
}
