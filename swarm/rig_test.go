package swarm

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

// rig is a few nodes on links with a fixed delay, in virtual time. Blocks are real, but
// genuine is what the rig made: no signatures.
type rig struct {
	t     *testing.T
	now   Time
	nodes []*rigNode
	queue []delivery
	seq   int
	delay Time
	drops int
	// spoil, when set, may change or (by nil) swallow what goes from one node to another.
	spoil func(from, to int, m Message) Message
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
	closed bool
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
	return len(data) == h.BlockLen(i) && bytes.Equal(data, rigData(h)[i*event.BlockSize:][:len(data)])
}

func (rigVerifier) Init(event.Root, []byte) bool { return true }

func (rigVerifier) AddRecord([]byte) (bool, error) { return false, nil }

func (rigVerifier) Records() [][]byte { return nil }

const rigStream event.StreamID = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

func newRig(t *testing.T, delay Time) *rig { return &rig{t: t, delay: delay} }

func (r *rig) add(cfg Config) *rigNode {
	cfg.Stream, cfg.Verifier = rigStream, rigVerifier{}
	cfg.ID[0], cfg.ID[1] = byte(len(r.nodes)>>8), byte(len(r.nodes)+1)
	cfg.Random = uint32(len(r.nodes) + 1)
	rn := &rigNode{
		Node: New(cfg), i: len(r.nodes), peers: map[Conn]rigEnd{}, pieces: map[Key]*Piece{}, whole: map[Key]Time{}, banned: map[int]Reason{},
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
			r.push(delivery{at: r.now + r.delay, to: end.node, conn: end.conn, msg: m})
		}
	}
	for _, d := range e.Drop {
		if end, ok := n.peers[d.Conn]; ok {
			delete(n.peers, d.Conn)
			n.drops = append(n.drops, d)
			if d.Reason.Bans() {
				n.banned[end.node] = d.Reason
			}
			r.push(delivery{at: r.now + r.delay, to: end.node, conn: end.conn})
		}
	}
	for _, p := range e.Pieces {
		n.pieces[p.Head.Key()] = p
		n.whole[p.Head.Key()] = r.now
	}
	n.fetch = append(n.fetch, e.Fetch...)
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
		before := r.nodes[tick].Wake()
		r.nodes[tick].Tick(r.now)
		r.take(r.nodes[tick])
		if after := r.nodes[tick].Wake(); after <= r.now && after == before {
			r.t.Fatalf("node %d wants to be woken at %s for ever", tick, after)
		}
	}
}

// kill ends a node without a word.
func (r *rig) kill(n *rigNode) {
	n.closed = true
	for c, end := range n.peers {
		r.push(delivery{at: r.now + r.delay, to: end.node, conn: end.conn})
		delete(n.peers, c)
	}
}

// rigPiece is piece number i of a stream of 200 ms pieces with a keyframe every second.
func rigPiece(i, size int) *Head {
	h := &Head{Entry: manifest.Entry{
		V: 1, Stream: rigStream, R: "v0", Epoch: 1, N: uint64(i), Issued: 1, MSN: uint64(i / 5), Part: uint64(i % 5),
		Key: i%5 == 0, PTS: event.Ticks(i) * 18000, Dur: 18000, Size: int64(size),
	}}
	h.Leaves = make([][32]byte, h.Blocks())
	return h
}

func rigData(h *Head) []byte {
	b := make([]byte, h.Entry.Size)
	for i := range b {
		b[i] = byte(uint64(i)*7 + h.Entry.N + uint64(i>>14)*13)
	}
	return b
}

func key(i int) Key { return Key{"v0", event.Position{Epoch: 1, N: uint64(i)}} }

// play has the seeds publish pieces from to to-1, one each 200 ms.
func (r *rig) play(from, to, size int, seeds ...*rigNode) {
	for i := from; i < to; i++ {
		for _, s := range seeds {
			if !s.closed {
				h := rigPiece(i, size)
				s.Add(r.now, h, rigData(h), FromOrigin)
				s.whole[h.Key()] = r.now
				r.take(s)
			}
		}
		r.run(r.now + 200*time.Millisecond)
	}
}

// lateness returns how long after the first seed a viewer had the pieces, sorted, and
// how many it lacks.
func (r *rig) lateness(n, seed *rigNode, from, to int) (late []Time, missing int) {
	for i := from; i < to; i++ {
		at, ok := n.whole[key(i)]
		if !ok {
			missing++
			continue
		}
		late = append(late, at-seed.whole[key(i)])
	}
	slices.Sort(late)
	return late, missing
}

func (r *rig) mesh(nodes ...*rigNode) {
	for i, a := range nodes {
		for _, b := range nodes[i+1:] {
			r.connect(a, b)
		}
	}
}

func TestViewersFeedEachOther(t *testing.T) {
	r := newRig(t, 5*time.Millisecond)
	seed := r.seed(Unlimited)
	nodes := []*rigNode{seed}
	for range 10 {
		nodes = append(nodes, r.viewer(10e6))
	}
	r.mesh(nodes...)
	r.run(2 * time.Second)
	r.play(0, 60, 50_000, seed)
	r.run(r.now + 2*time.Second)
	var sum [sources]int64
	for _, n := range nodes[1:] {
		late, missing := r.lateness(n, seed, 20, 60)
		if missing > 0 || late[len(late)*95/100] > 100*time.Millisecond {
			t.Errorf("node %d: %d pieces missing; lateness %v", n.i, missing, late)
		}
		for i, b := range n.stats.Received {
			sum[i] += b
		}
		if n.stats.Rejected > 0 {
			t.Errorf("node %d: %d rejected", n.i, n.stats.Rejected)
		}
		t.Log(fmt.Sprintf("node %d: median %v worst %v dup %d unasked %d drops %v depth %v", n.i, late[len(late)/2], late[len(late)-1], n.stats.Duplicate, n.stats.Unasked, n.drops, n.tracks[0].depth))
	}
	t.Logf("bytes by source %v; seed sent %d", sum, seed.stats.Sent)
	if share := float64(sum[FromPeer]) / float64(sum[FromPeer]+sum[FromSeed]); share < 0.8 {
		t.Errorf("only %.0f %% of bytes came from peers", share*100)
	}
}
