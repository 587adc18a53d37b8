package sim

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/swarm"
)

const (
	initSize  = 800 // bytes of the stream's init segment
	seedConns = 512 // connections that a seed takes, as seeder.Options has it
	// firstLook is how long after joining a viewer without heads looks for them at the origin.
	firstLook = 400 * time.Millisecond
	// rejoin is how long a viewer waits for a picture, beyond the time between keyframes,
	// before it begins at a newer one.
	rejoin = 5 * time.Second
)

// nodeAgent runs a swarm.Node as package live does, with made-up surroundings.
type nodeAgent struct {
	quietAgent
	node   *swarm.Node
	wakeAt swarm.Time
	next   int      // a seed's next piece
	heads  []uint64 // pieces whose heads are known
	asked  []uint64 // pieces that were asked of the origin without a head
	lies   *liar
	plan   bool // the player's plan has changed
	busy   bool
	pieces []*swarm.Piece
	wasted int64 // when measuring began; -1: it has not
}

// waste is the bytes of blocks that came for nothing.
func (a *nodeAgent) waste() int64 {
	s := a.node.Stats()
	return s.Duplicate + s.Unasked
}

func (a *nodeAgent) end() {
	if a.wasted >= 0 && a.p.lie == honest && a.p.role == viewerRole {
		a.s.tally.duplicate += a.waste() - a.wasted
	}
}

func newNodeAgent(q quietAgent, now time.Duration) agent {
	p, o := q.p, &q.s.w.o
	cfg := swarm.Config{
		Stream: streamID, ID: idOf(p.id), Verifier: verifier{q.s.w.stream}, Wants: []event.Rendition{event.Source},
		Up: int64(p.gives()), NoOrigin: o.NoOrigin, Random: uint32(mix(uint64(p.id)+o.Random<<32)) | 1, Tuning: o.Tuning,
	}
	if p.role == seedRole {
		cfg.Role, cfg.Wants, cfg.Up = swarm.Seed, nil, o.SeedUp
		cfg.Tuning.MaxConns = seedConns
	}
	words := len(q.s.w.stream.heads)/64 + 1
	a := &nodeAgent{quietAgent: q, node: swarm.New(cfg), wakeAt: -1, wasted: -1, heads: make([]uint64, words), asked: make([]uint64, words)}
	if p.lie != honest {
		a.lies = &liar{agent: a, how: p.lie}
	}
	return a
}

func idOf(id int32) swarm.PeerID {
	var out swarm.PeerID
	binary.BigEndian.PutUint64(out[:], mix(uint64(id)+1)) // in no order
	binary.BigEndian.PutUint32(out[12:], uint32(id))
	return out
}

func peerOf(id swarm.PeerID) int32 { return int32(binary.BigEndian.Uint32(id[12:])) }

func addrOf(id int32) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(id >> 16), byte(id >> 8), byte(id)}), 6881)
}

func (a *nodeAgent) join(now time.Duration) {
	if a.p.role == seedRole {
		a.node.AddInit(now, event.Root{2}, make([]byte, initSize))
		a.do(now)
		a.publish(now)
		return
	}
	a.p.announce(now)
}

// publish hands a seed the pieces that are ready by now, and waits for the next.
func (a *nodeAgent) publish(now time.Duration) {
	st := a.s.w.stream
	for ; a.next < len(st.heads) && st.ready[a.next] <= now; a.next++ {
		h := st.heads[a.next]
		a.node.Add(now, h, st.zero[:h.Entry.Size], swarm.FromOrigin)
		a.do(now)
	}
	if a.next < len(st.heads) {
		a.s.own(st.ready[a.next], a.p, item{kind: issue})
	}
}

func (a *nodeAgent) informed(now time.Duration) {
	st := a.s.w.stream
	first := st.newestKey(now)
	a.node.Follow(now, event.Source, st.heads[first].Entry.Position())
	a.do(now)
	a.p.player.begin(now, first)
	a.replan(now)
}

func (a *nodeAgent) candidates(now time.Duration) { a.fill(now) }

// fill dials until there are as many neighbours as are wanted.
func (a *nodeAgent) fill(now time.Duration) {
	if a.p.role == seedRole {
		return
	}
	for len(a.p.live) < a.s.w.o.Tuning.Neighbours {
		id, ok := a.p.next(now)
		if !ok {
			a.p.announce(now)
			return
		}
		a.s.dial(now, a.p, id)
	}
}

func (a *nodeAgent) connected(now time.Duration, c uint32, outbound bool) {
	if a.p.lie == honest && a.s.w.peers[a.p.conns[c].remote].lie == honest {
		a.s.tally.honestConns++
	}
	a.node.Connected(now, swarm.Conn(c), swarm.Info{Addr: addrOf(a.p.conns[c].remote), Outbound: outbound})
	a.do(now)
}

func (a *nodeAgent) receive(now time.Duration, c uint32, m swarm.Message) {
	if a.lies != nil && !a.lies.hears(now, c, m) {
		return
	}
	if b, ok := m.(*swarm.Block); ok && a.p.lie == honest && len(b.Data) > 0 && &b.Data[0] == &a.s.w.stream.lie[0] {
		a.s.tally.falseBlocks++
	}
	a.node.Receive(now, swarm.Conn(c), m)
	a.do(now)
}

func (a *nodeAgent) closed(now time.Duration, c uint32) {
	a.node.Closed(now, swarm.Conn(c))
	a.do(now)
}

func (a *nodeAgent) wake(now time.Duration) {
	if a.wakeAt = -1; a.node.Wake() > now {
		a.settle(now)
		return
	}
	a.node.Tick(now)
	a.do(now)
}

func (a *nodeAgent) upkeep(now time.Duration) {
	if a.wasted < 0 && a.s.tally.measures(now) {
		a.wasted = a.waste()
	}
	if a.p.role == seedRole {
		a.node.SetSwarm(len(a.s.w.alive))
		return
	}
	a.fill(now)
	y := a.p.player
	if y.known && !y.started && now-y.begun >= rejoin+a.s.w.o.GOP {
		a.informed(now)
	}
	if y.known && !y.started && now-y.begun >= firstLook {
		for n := y.first; n < len(a.s.w.stream.heads) && a.s.w.stream.ready[n] <= now; n++ {
			a.due(now, n)
		}
	}
}

func (a *nodeAgent) replan(now time.Duration) {
	if a.plan = true; !a.busy {
		a.settle(now)
	}
}

// due looks for what the node knows nothing of at the origin.
func (a *nodeAgent) due(now time.Duration, n int) {
	st := a.s.w.stream
	if a.s.w.o.NoOrigin || a.heads[n/64]>>(n%64)&1 == 1 || a.asked[n/64]>>(n%64)&1 == 1 || st.ready[n] > now {
		return
	}
	a.asked[n/64] |= 1 << (n % 64)
	h := st.heads[n]
	a.s.ask(now, a.p, fetch{n: n, last: h.Blocks() - 1, size: h.Entry.Size + int64(len(h.Payload)), whole: true})
}

func (a *nodeAgent) fetched(now time.Duration, f fetch) {
	st := a.s.w.stream
	h := st.heads[f.n]
	if f.whole {
		a.node.Add(now, h, st.zero[:h.Entry.Size], swarm.FromOrigin)
	} else {
		a.node.Fetched(now, h.Key(), f.first, st.zero[:f.size])
	}
	a.do(now)
	if f.whole && !a.p.player.has(f.n) { // the node has no use for it: the player has
		if a.p.lie == honest {
			a.s.tally.got(now, swarm.FromOrigin, f.size)
		}
		a.p.player.arrived(now, f.n)
	}
}

// do does what the node wants done after a call.
func (a *nodeAgent) do(now time.Duration) {
	a.busy = true
	a.carry(now)
	a.settle(now)
}

// settle tells the node of a new plan, and sets its timer.
func (a *nodeAgent) settle(now time.Duration) {
	a.busy = true
	for a.plan {
		a.plan = false
		y := a.p.player
		n := y.next
		a.node.Play(now, event.Source, epoch, a.s.w.stream.heads[n].Entry.PTS, y.plays(n))
		a.carry(now)
	}
	a.busy = false
	if at := max(a.node.Wake(), now); at != a.wakeAt {
		// A wake that comes later than the one that is set costs less than another event.
		if a.wakeAt < 0 || at < a.wakeAt || a.wakeAt <= now {
			a.wakeAt = at
			a.wakeIn(max(at, now+tick))
		}
	}
}

// carry carries out the effects of one call.
func (a *nodeAgent) carry(now time.Duration) {
	p, e := a.p, a.node.Effects()
	for i := range e.Send {
		a.send(now, uint32(e.Send[i].To), e.Send[i].Msg)
	}
	for _, d := range e.Drop {
		a.drop(now, d)
	}
	for _, h := range e.Heads {
		n := number(h.Key())
		a.heads[n/64] |= 1 << (n % 64)
	}
	for _, f := range e.Fetch {
		size := int64(0)
		for i := f.First; i <= f.Last; i++ {
			size += int64(f.Head.BlockLen(i))
		}
		a.s.ask(now, p, fetch{n: number(f.Head.Key()), first: f.First, last: f.Last, size: size})
	}
	for _, d := range e.Dial {
		if id := peerOf(d.ID); len(p.live) < a.s.w.o.Tuning.MaxConns*3/4 && p.mayDial(now, id) {
			a.s.dial(now, p, id)
		}
	}
	if p.player == nil {
		return
	}
	a.pieces = append(a.pieces[:0], e.Pieces...)
	for _, piece := range a.pieces {
		a.got(now, piece)
	}
}

func (a *nodeAgent) got(now time.Duration, piece *swarm.Piece) {
	st := a.s.w.stream
	for from, bytes := range piece.Bytes {
		if bytes > 0 && a.p.lie == honest {
			a.s.tally.got(now, swarm.Source(from), bytes)
		}
	}
	for _, b := range piece.Blocks {
		if len(b) > 0 && &b[0] == &st.lie[0] {
			a.s.tally.falsePlayed++
		}
	}
	a.p.player.arrived(now, number(piece.Head.Key()))
}

func (a *nodeAgent) send(now time.Duration, c uint32, m swarm.Message) {
	if a.lies != nil {
		if m = a.lies.says(m); m == nil {
			return
		}
	} else if b, ok := m.(*swarm.Block); ok && len(b.Data) > 0 && &b.Data[0] == &a.s.w.stream.lie[0] {
		a.s.tally.falseSent++
	}
	a.s.send(now, a.p, c, m)
}

// drop closes a connection from this side, and remembers whom never to talk to again.
func (a *nodeAgent) drop(now time.Duration, d swarm.Drop) {
	c := uint32(d.Conn)
	if int(c) >= len(a.p.conns) || a.p.conns[c].state != connOpen {
		return
	}
	if a.p.lie == honest {
		a.s.tally.dropped[d.Reason]++
	}
	if d.Reason.Bans() {
		id := a.p.conns[c].remote
		a.p.banned = append(a.p.banned, id)
		switch {
		case a.p.lie != honest:
		case a.s.w.peers[id].lie == honest:
			a.s.tally.honestBans++
		default:
			a.s.tally.liarBans++
			times := 0
			for _, b := range a.p.banned {
				if b == id {
					times++
				}
			}
			a.s.tally.worst = max(a.s.tally.worst, times)
		}
	}
	a.s.hangUp(now, a.p, c)
}
