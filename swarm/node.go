package swarm

import (
	"cmp"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/shoalcast/shoal/event"
)

// Unlimited is an uplink budget without a bound of its own.
const Unlimited = math.MaxInt64

// Config says who a node is. Stream, ID and Verifier must be set.
type Config struct {
	Stream   event.StreamID
	ID       PeerID
	Role     Role
	Verifier Verifier
	// Wants names the renditions to receive; none for a seed that is fed by its caller.
	Wants []event.Rendition
	// Others names further renditions that may be wanted later (see Node.Want): what
	// neighbours say of them is remembered.
	Others []event.Rendition
	// Up is the uplink budget in bit/s, all connections together: 0 gives nothing,
	// Unlimited knows no bound but credit.
	Up int64
	// NoOrigin is set where there is nobody to Fetch from.
	NoOrigin bool
	// Random seeds the node's choices, so that the same inputs give the same outputs.
	Random uint32
	Tuning Tuning // zero: DefaultTuning
}

// Info is what the transport knows of a connection.
type Info struct {
	Addr     netip.AddrPort // where others could reach this peer; invalid: nowhere
	Outbound bool           // this side dialled
}

// Node is one peer's part in one stream's swarm. Whoever runs it tells it what happens
// and when, and does what Effects says; none of its methods blocks. It is
// not safe for concurrent use.
type Node struct {
	cfg    Config
	t      Tuning
	random random
	conns  []*neighbour // by age
	ids    []Conn       // of conns
	busy   []*neighbour // those with blocks waiting for them
	tracks []*track
	inits  inits
	ways   []way // how peers that are not connected are signalled
	uplink pacer
	dials  guard // of peers that others name
	swarm  int   // peers in it, as far as told

	draining   bool
	maintainAt Time // lanes, neighbours and states are looked at by then
	improveAt  Time
	out        Effects
	taken      bool // out was handed over
	stats      Stats
}

// Stats is what a node has done so far.
type Stats struct {
	Conns     int
	Children  int               // lanes that are pushed to others, all renditions together
	Parents   int               // lanes that are received
	Sent      int64             // bytes of blocks
	Received  [sources]int64    // bytes of good blocks, each once
	Duplicate int64             // bytes of blocks that were here already
	Unasked   int64             // bytes of blocks that nobody can use any more
	Rejected  int64             // false blocks
	Dropped   [LiedHead + 1]int // connections ended from this side, by reason
}

// New returns a node that has no connections and knows of nothing.
func New(cfg Config) *Node {
	if cfg.Tuning == (Tuning{}) {
		cfg.Tuning = DefaultTuning()
	}
	n := &Node{cfg: cfg, t: cfg.Tuning, random: newRandom(cfg.Random)}
	for _, r := range cfg.Wants {
		n.track(r).wanted = true
	}
	for _, r := range cfg.Others[:min(len(cfg.Others), max(maxTracks-len(n.tracks), 0))] {
		n.track(r)
	}
	n.dials = newGuard(0)
	n.uplink.set(cfg.Up)
	return n
}

// Effects hands over what is to be done since it was asked last.
func (n *Node) Effects() *Effects {
	n.begin()
	n.taken = true
	return &n.out
}

// Stats returns the node's figures.
func (n *Node) Stats() Stats {
	s := n.stats
	s.Conns = len(n.conns)
	for _, nb := range n.conns {
		for _, nt := range nb.tracks {
			s.Children += nt.gives.Len()
			s.Parents += nt.granted.Len()
		}
	}
	return s
}

// SetUp changes the uplink budget, in bit/s. Children that it no longer bears go first
// to others.
func (n *Node) SetUp(now Time, bitsPerSecond int64) {
	n.begin()
	if n.cfg.Up <= 0 && bitsPerSecond > 0 {
		n.announce()
	}
	n.cfg.Up = bitsPerSecond
	n.uplink.set(bitsPerSecond)
	n.shed()
	n.pump(now)
}

// announce tells all that is here to those who were not told, while nothing was given.
func (n *Node) announce() {
	for _, nb := range n.conns {
		if !nb.hello || nb.role == Seed {
			continue
		}
		for _, t := range n.tracks {
			for _, have := range t.runs() {
				n.send(nb, have)
			}
		}
	}
}

// SetSwarm tells how many peers there are in all, as a tracker knows: a seed
// feeds more first copies to a larger swarm.
func (n *Node) SetSwarm(size int) { n.swarm = size }

// Connected takes in a new connection.
func (n *Node) Connected(now Time, c Conn, info Info) {
	n.begin()
	if len(n.conns) >= 2*n.t.MaxConns {
		n.out.Drop = append(n.out.Drop, Drop{c, Useless})
		return
	}
	nb := &neighbour{conn: c, info: info, since: now, heardAt: now, allowed: creditStart, limit: creditStart, guard: newGuard(now)}
	n.conns = append(n.conns, nb)
	n.ids = append(n.ids, c)
	n.send(nb, &Hello{
		Version: Version, Stream: n.cfg.Stream, ID: n.cfg.ID, Role: n.cfg.Role,
		Leaf: n.cfg.Up <= 0 || n.draining, Up: n.upKbit(),
	})
	nb.ping(n, now)
}

// at returns who is at the other end of a connection, or nil. To look through a list of
// them takes less than a map of scattered entries would.
func (n *Node) at(c Conn) *neighbour {
	if i := slices.Index(n.ids, c); i >= 0 {
		return n.conns[i]
	}
	return nil
}

func (n *Node) upKbit() uint32 { return uint32(min(max(n.cfg.Up, 0)/1000, math.MaxUint32)) }

// Closed takes note that a connection is gone.
func (n *Node) Closed(now Time, c Conn) {
	n.begin()
	if nb := n.at(c); nb != nil {
		n.forget(now, nb)
		n.maintain(now)
	}
}

// forget lets go of a neighbour and of what it was to do.
func (n *Node) forget(now Time, nb *neighbour) {
	if i := slices.Index(n.conns, nb); i >= 0 {
		n.conns, n.ids = slices.Delete(n.conns, i, i+1), slices.Delete(n.ids, i, i+1)
	}
	nb.gone = true
	for i := range nb.tracks {
		n.give(nb, n.tracks[i], 0)
	}
	for _, t := range n.tracks {
		for l := range t.lanes {
			if t.lanes[l].parent == nb {
				t.orphan(now, l)
			}
			if t.lanes[l].next == nb {
				t.lanes[l].next = nil
			}
		}
		for _, p := range t.open {
			t.release(p, nb, now)
		}
	}
	n.maintainAt = now
}

// drop ends a connection from this side.
func (n *Node) drop(now Time, nb *neighbour, why Reason) {
	if nb.gone {
		return
	}
	n.send(nb, &Bye{Reason: why})
	n.out.Drop = append(n.out.Drop, Drop{nb.conn, why})
	n.stats.Dropped[why]++
	n.forget(now, nb)
}

// controlCost is what a small message takes of the uplink, packets' headers included.
const controlCost = 90

func (n *Node) send(nb *neighbour, m Message) {
	if _, block := m.(*Block); !block {
		n.uplink.spend(controlCost)
	}
	n.out.Send = append(n.out.Send, Send{nb.conn, m})
}

// begin makes room for new effects once the old ones were handed over.
func (n *Node) begin() {
	if !n.taken {
		return
	}
	n.taken = false
	o := &n.out
	clear(o.Send)
	o.Send, o.Drop, o.Heads, o.Pieces, o.Fetch = o.Send[:0], o.Drop[:0], o.Heads[:0], o.Pieces[:0], o.Fetch[:0]
	o.Dial, o.Signals, o.Records, o.Inits = o.Dial[:0], o.Signals[:0], o.Records[:0], o.Inits[:0]
}

// Wake returns when Tick is due.
func (n *Node) Wake() Time {
	at := n.maintainAt
	for _, t := range n.tracks {
		at = min(at, t.headsAt, t.due)
	}
	return min(at, n.uplink.readyAt, n.inits.at())
}

// Tick does what is due by time alone.
func (n *Node) Tick(now Time) {
	n.begin()
	for _, t := range n.tracks {
		if t.headsAt <= now {
			n.askHeads(now, t)
		}
		n.repair(now, t)
	}
	n.retryInits(now)
	if n.maintainAt <= now {
		n.maintain(now)
	}
	n.pump(now)
}

// maintain keeps lanes with parents, connections alive and others informed.
func (n *Node) maintain(now Time) {
	for _, nb := range slices.Clone(n.conns) {
		switch {
		case now-nb.heardAt > silence || !nb.hello && now-nb.since > silence/3:
			n.drop(now, nb, Silent)
		case now-nb.pingedAt > n.t.PingEvery:
			nb.ping(n, now)
		}
	}
	n.maintainAt = now + n.t.State/2 + n.random.spread(n.t.State)
	improve := n.improveAt <= now
	if improve {
		n.improveAt = now + n.t.Improve/2 + n.random.spread(n.t.Improve)
	}
	for _, t := range n.tracks {
		if t.wanted {
			n.adopt(now, t, improve)
		}
		if t.wanted && improve {
			n.lift(t)
		}
		if t.source && improve {
			n.thin(now, t)
		}
	}
	if improve {
		n.prune(now)
		n.forgetLeft(now)
	}
	n.tellStates(now)
	n.pump(now)
}

// track returns what is known of a rendition, begun when it is new.
func (n *Node) track(r event.Rendition) *track {
	if t := n.known(r); t != nil {
		return t
	}
	t := newTrack(r, len(n.tracks), n.cfg.Role != Viewer && len(n.cfg.Wants) == 0)
	t.tag = uint8(1 + n.random.below(255))
	n.tracks = append(n.tracks, t)
	return t
}

func (n *Node) known(r event.Rendition) *track {
	for _, t := range n.tracks {
		if t.r == r {
			return t
		}
	}
	return nil
}

// maxTracks bounds the renditions that a node keeps state of.
const maxTracks = 16

// Drain says goodbye to children, with others to go to, and takes none from now on.
// The caller closes the connections a little later.
func (n *Node) Drain(now Time) {
	n.begin()
	n.draining = true
	for _, nb := range n.conns {
		if hints := n.hints(nb, 8); len(hints) > 0 {
			n.send(nb, &Peers{Hints: hints})
		}
		n.send(nb, &Drain{})
	}
}

// prune makes room among the neighbours: when there are many more than are wanted,
// the least useful one goes.
func (n *Node) prune(now Time) {
	if n.cfg.Role != Viewer || len(n.conns) < n.t.Neighbours {
		return
	}
	var worst *neighbour
	nearer := 0 // than the one that is farthest
	for _, nb := range n.conns {
		if nb.inUse() || now-nb.since < 5*time.Second || nb.role == Seed || nb.rtt == 0 {
			continue
		}
		if worst == nil || nb.rtt > worst.rtt {
			worst = nb
		}
	}
	if worst == nil {
		return
	}
	for _, nb := range n.conns {
		if nb.rtt > 0 && 2*nb.rtt < worst.rtt {
			nearer++
		}
	}
	if len(n.conns) <= 2*n.t.Neighbours && nearer < n.t.Neighbours/2 {
		return
	}
	n.drop(now, worst, Useless)
}

// hintSample is how many neighbours, drawn by chance where there are more, hints are the
// best of: so that none of them is overrun.
const hintSample = 64

// hints returns peers that somebody else might go to: those with the most to give.
func (n *Node) hints(to *neighbour, most int) []Hint {
	from := n.conns
	if len(from) > hintSample {
		from = make([]*neighbour, hintSample)
		for i := range from {
			from[i] = n.conns[n.random.below(len(n.conns))]
		}
	}
	able := make([]*neighbour, 0, len(from))
	for _, nb := range from {
		if nb != to && nb.hello && !nb.leaf && !nb.draining && nb.role != Seed && !slices.Contains(able, nb) {
			able = append(able, nb)
		}
	}
	slices.SortStableFunc(able, func(a, b *neighbour) int { return cmp.Compare(b.spare(), a.spare()) })
	// Half the best, half anybody, so that the best are not overrun.
	if len(able) > most {
		rest := able[most/2:]
		for i := range most - most/2 {
			j := i + n.random.below(len(rest)-i)
			rest[i], rest[j] = rest[j], rest[i]
		}
		able = able[:most]
	}
	hints := make([]Hint, 0, len(able))
	for _, nb := range able {
		hints = append(hints, Hint{ID: nb.id, Addr: nb.info.Addr, Role: nb.role})
	}
	return hints
}
