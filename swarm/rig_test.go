package swarm

import (
	"bytes"
	"cmp"
	"errors"
	"maps"
	"slices"

	"github.com/shoalcast/shoal/event"
)

// rig is a few nodes on links with a fixed delay, in virtual time. Blocks are real, but
// genuine is what the rig made: no signatures.
type rig struct {
	t      failer
	now    Time
	nodes  []*rigNode
	queue  []delivery
	seq    int
	delay  Time
	ticked Time          // when nodes were woken last
	ticks  int           // how often at that moment
	last   map[link]Time // when the newest message of a link arrives: they keep their order
	// lag, when set, is the delay from one node to another instead of the usual.
	lag func(from, to int) Time
	// spoil, when set, may change or (by nil) swallow what goes from one node to another.
	spoil func(from, to int, m Message) Message
}

// failer is what the rig needs of a test.
type failer interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

type link struct {
	to   int
	conn Conn
}

type rigNode struct {
	*Node
	i      int
	peers  map[Conn]rigEnd
	next   Conn
	pieces map[Key]*Piece
	whole  map[Key]Time
	fetch  []Fetch
	drops  []Drop
	banned map[int]Reason
	heads  map[Key]Time
	dials  []Dial
	segs   []Segment
	sigs   []*Signal
	fakes  map[Conn]*fake
	closed bool
	most   int // effects of one call
}

type rigEnd struct {
	node int
	conn Conn
}

type delivery struct {
	at   Time
	seq  int
	to   int
	conn Conn
	msg  Message // nil: the connection is closed
}

// rigVerifier takes for genuine what was made by rigPiece.
type rigVerifier struct{}

var errFalse = errors.New("false")

func (rigVerifier) OpenHead(h *Head) error {
	switch {
	case len(h.Sig) > 0 && h.Sig[0] == 1:
		return errFalse
	case h.Sig[0] == 2:
		return ErrStale
	}
	return nil // the rig passes heads by pointer, opened
}

func (rigVerifier) Block(h *Head, i int, data []byte) bool {
	return len(data) == h.BlockLen(i) && bytes.Equal(data, rigBlock(h, i))
}

func (rigVerifier) Init(event.Root, []byte) bool { return true }

func (rigVerifier) AddRecord([]byte) (bool, error) { return false, nil }

func (rigVerifier) Records() [][]byte { return nil }

const rigStream event.StreamID = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

func newRig(t failer, delay Time) *rig { return &rig{t: t, delay: delay, last: map[link]Time{}} }

func (r *rig) add(cfg Config) *rigNode {
	cfg.Stream, cfg.Verifier = rigStream, rigVerifier{}
	cfg.ID[0], cfg.ID[1] = byte(len(r.nodes)>>8), byte(len(r.nodes)+1)
	cfg.Random = uint32(len(r.nodes) + 1)
	rn := &rigNode{
		Node: New(cfg), i: len(r.nodes), peers: map[Conn]rigEnd{}, pieces: map[Key]*Piece{}, whole: map[Key]Time{}, heads: map[Key]Time{},
		banned: map[int]Reason{}, fakes: map[Conn]*fake{},
	}
	r.nodes = append(r.nodes, rn)
	return rn
}

func (r *rig) seed(up int64) *rigNode {
	n := r.add(Config{Role: Seed, Up: up})
	n.track("v0").source = true
	for l := range n.track("v0").depth {
		n.track("v0").depth[l] = 0
	}
	return n
}

func (r *rig) viewer(up int64) *rigNode {
	return r.add(Config{Up: up, Wants: []event.Rendition{"v0"}})
}

func (r *rig) connect(a, b *rigNode) {
	a.next++
	b.next++
	ca, cb := a.next, b.next
	a.peers[ca], b.peers[cb] = rigEnd{b.i, cb}, rigEnd{a.i, ca}
	a.Connected(r.now, ca, Info{Outbound: true})
	r.take(a)
	b.Connected(r.now, cb, Info{})
	r.take(b)
}

func (r *rig) push(d delivery) {
	r.seq++
	d.seq = r.seq
	i, _ := slices.BinarySearchFunc(r.queue, d, func(a, b delivery) int {
		if c := cmp.Compare(a.at, b.at); c != 0 {
			return c
		}
		return cmp.Compare(a.seq, b.seq)
	})
	r.queue = slices.Insert(r.queue, i, d)
}

// take carries out a node's effects.
func (r *rig) take(n *rigNode) {
	e := n.Effects()
	for _, s := range e.Send {
		end, ok := n.peers[s.To]
		m := s.Msg
		if ok && r.spoil != nil {
			m = r.spoil(n.i, end.node, m)
		}
		if ok && m != nil {
			r.deliver(n.i, end, m)
		}
		if f := n.fakes[s.To]; f != nil {
			f.got = append(f.got, s.Msg)
		}
	}
	for _, d := range e.Drop {
		if end, ok := n.peers[d.Conn]; ok {
			delete(n.peers, d.Conn)
			n.drops = append(n.drops, d)
			if d.Reason.Bans() {
				n.banned[end.node] = d.Reason
			}
			r.deliver(n.i, end, nil)
		}
		if f := n.fakes[d.Conn]; f != nil {
			f.dropped, f.why = true, d.Reason
		}
	}
	n.most = max(n.most, len(e.Send)+len(e.Dial)+len(e.Heads)+len(e.Pieces))
	for _, h := range e.Heads {
		n.heads[h.Key()] = r.now
	}
	n.dials, n.segs, n.sigs = append(n.dials, e.Dial...), append(n.segs, e.Inits...), append(n.sigs, e.Signals...)
	for _, p := range e.Pieces {
		if !bytes.Equal(p.Data(), rigData(p.Head)) {
			r.t.Errorf("node %d shows false bytes as piece %s", n.i, p.Head.Key())
		}
		n.pieces[p.Head.Key()] = p
		n.whole[p.Head.Key()] = r.now
	}
	n.fetch = append(n.fetch, e.Fetch...)
}

func (r *rig) deliver(from int, end rigEnd, m Message) {
	lag := r.delay
	if r.lag != nil {
		lag = r.lag(from, end.node)
	}
	l := link{end.node, end.conn}
	r.last[l] = max(r.last[l], r.now+lag)
	r.push(delivery{at: r.last[l], to: end.node, conn: end.conn, msg: m})
}

// fake is a neighbour without a node behind it: a test speaks for it.
type fake struct {
	r       *rig
	n       *rigNode
	conn    Conn
	got     []Message
	dropped bool
	why     Reason
}

// fake connects somebody made up to a node.
func (r *rig) fake(n *rigNode, id byte, h Hello) *fake {
	n.next++
	f := &fake{r: r, n: n, conn: n.next}
	n.fakes[f.conn] = f
	n.Connected(r.now, f.conn, Info{})
	r.take(n)
	h.Version, h.ID[0], h.ID[1] = 1, 99, id
	if h.Stream == "" {
		h.Stream = rigStream
	}
	f.send(&h)
	return f
}

func (f *fake) send(ms ...Message) {
	for _, m := range ms {
		f.n.Receive(f.r.now, f.conn, m)
		f.r.take(f.n)
	}
}

// heard returns the messages of one kind that a fake was sent, and forgets all.
func heard[M Message](f *fake) []M {
	var out []M
	for _, m := range f.got {
		if m, ok := m.(M); ok {
			out = append(out, m)
		}
	}
	f.got = nil
	return out
}

// feeds makes a fake tell that it feeds every lane from depth on.
func (f *fake) feeds(depth uint8) {
	st := &State{R: "v0", Spare: 100, Open: AllLanes}
	for l := range st.Depth {
		st.Depth[l] = depth
	}
	f.send(st)
}

// block returns block i of a genuine piece.
func block(h *Head, i int) *Block { return &Block{Key: h.Key(), Index: i, Data: rigBlock(h, i)} }

func mask(blocks ...int) (m Mask) {
	for _, i := range blocks {
		m.Set(i)
	}
	return m
}

// honest makes the rig watch every link: nothing false may travel between its nodes, except
// from the liars.
func (r *rig) honest(size int, liars ...int) {
	before := r.spoil
	r.spoil = func(from, to int, m Message) Message {
		if before != nil {
			m = before(from, to, m)
		}
		if b, ok := m.(*Block); ok && !slices.Contains(liars, from) {
			h := rigPiece(int(b.N), size)
			h.Entry.Epoch = b.Epoch
			if !(rigVerifier{}).Block(h, b.Index, b.Data) {
				r.t.Errorf("node %d sent a false block of %s to node %d", from, b.Key, to)
			}
		}
		if h, ok := m.(*Head); ok && !slices.Contains(liars, from) && h.Sig[0] != 0 {
			r.t.Errorf("node %d sent a false head of %s to node %d", from, h.Key(), to)
		}
		return m
	}
}

// run lets virtual time pass.
func (r *rig) run(until Time) {
	for {
		at, tick := until, -1
		for i, n := range r.nodes {
			if w := n.Wake(); w < at && !n.closed {
				at, tick = max(w, r.now), i
			}
		}
		if len(r.queue) > 0 && r.queue[0].at <= at {
			d := r.queue[0]
			r.queue = r.queue[1:]
			r.now = max(r.now, d.at)
			n := r.nodes[d.to]
			if n.closed {
				continue
			}
			if _, ok := n.peers[d.conn]; !ok {
				continue
			}
			if d.msg == nil {
				delete(n.peers, d.conn)
				n.Closed(r.now, d.conn)
			} else {
				n.Receive(r.now, d.conn, d.msg)
			}
			r.take(n)
			continue
		}
		if tick < 0 {
			r.now = until
			return
		}
		r.now = max(at, r.now)
		r.nodes[tick].Tick(r.now)
		r.take(r.nodes[tick])
		if r.now > r.ticked {
			r.ticked, r.ticks = r.now, 0
		}
		if r.ticks++; r.ticks > 20*len(r.nodes) {
			r.t.Fatalf("node %d wants to be woken at %s for ever", tick, r.now)
		}
	}
}

// kill ends a node without a word.
func (r *rig) kill(n *rigNode) {
	n.closed = true
	for _, c := range slices.Sorted(maps.Keys(n.peers)) {
		end := n.peers[c]
		r.deliver(n.i, end, nil)
		delete(n.peers, c)
	}
}
