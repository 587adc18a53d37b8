package sim

import (
	"math"
	"time"

	"github.com/shoalcast/shoal/swarm"
)

const (
	dialTimeout = 3 * time.Second
	packet      = 1460
	headers     = 60  // of TCP, IP and link, each packet
	httpHeaders = 300 // of each answer
	rto         = 200 * time.Millisecond
	mss         = packet
)

// shard is a part of the world with its own events.
type shard struct {
	w      *world
	id     int
	queue  *queue
	from   time.Duration // of the window that is run
	parity int
	outbox [2][shardCount][]timed // by parity, then by receiver
	asking []int32                // who asks the tracker
	tally  tally
}

func newShard(w *world, id int) *shard {
	return &shard{w: w, id: id, queue: newQueue(w.end), tally: newTally(&w.o)}
}

// run does all that happens in one window.
func (s *shard) run() {
	t0 := int64(s.from / tick)
	s.queue.begin(t0)
	for i := range s.w.shards {
		box := &s.w.shards[i].outbox[s.parity^1][s.id]
		for k := range *box {
			s.queue.put((*box)[k].at, (*box)[k].item)
		}
		clear(*box)
		*box = (*box)[:0]
	}
	for t := t0; t < t0+int64(window/tick); t++ {
		s.queue.begin(t)
		now := time.Duration(t) * tick
		s.queue.drain(t, func(it *item) { s.do(now, it) })
	}
}

// post puts an event that happens at another peer.
func (s *shard) post(at time.Duration, to int32, it item) {
	it.peer = to
	shard := int(to % shardCount)
	if shard == s.id {
		s.queue.put(ticks(at), it)
		return
	}
	box := &s.outbox[s.parity][shard]
	*box = append(*box, timed{ticks(at), it})
}

// own puts an event that happens at a peer of this shard.
func (s *shard) own(at time.Duration, p *peer, it item) {
	it.peer = p.id
	s.queue.put(ticks(at), it)
}

// do lets one event happen.
func (s *shard) do(now time.Duration, it *item) {
	p := s.w.peers[it.peer]
	s.tally.events++
	if p.dead {
		s.atGrave(now, p, it)
		return
	}
	switch it.kind {
	case arrive:
		s.arrived(now, p, it)
	case deliver:
		p.coming--
		s.received(now, p, it)
	case origin:
		f := &p.fetches[it.a]
		if s.through(now, p, f.size+httpHeaders, 0, item{kind: fetched, a: it.a}) {
			s.answered(now, p, it.a)
		}
	case fetched:
		p.coming--
		s.answered(now, p, it.a)
	case dialled:
		s.dialled(now, p, it)
	case accepted:
		if c := &p.conns[it.conn]; c.state == connDialling {
			c.state, c.there = connOpen, it.b
			p.agent.connected(now, it.conn, true)
		}
	case refused:
		if p.conns[it.conn].state == connDialling {
			p.dropConn(it.conn)
		}
	case finished:
		if p.conns[it.conn].state == connOpen {
			p.shun(now, p.conns[it.conn].remote)
			p.dropConn(it.conn)
			p.agent.closed(now, it.conn)
		}
	case wake:
		if p.wakeAt == int64(now/tick) {
			p.wakeAt = -1
			p.agent.wake(now)
		}
	case play:
		p.player.timer(now, it.a)
	case issue:
		p.agent.publish(now)
	case joined:
		s.join(now, p)
	case informed:
		p.agent.informed(now)
	case upkeep:
		s.own(now+time.Second, p, item{kind: upkeep})
		p.agent.upkeep(now)
	case candidate:
		p.asking = false
		p.agent.candidates(now)
	case dying: // happens to the dead only
	}
}

// atGrave is what happens where a peer was.
func (s *shard) atGrave(now time.Duration, p *peer, it *item) {
	switch it.kind {
	case dying:
		if it.a == 0 {
			for _, c := range p.live {
				s.finish1(now, p, c)
			}
		}
		if p.player != nil {
			p.player.end(now)
		}
		if p.agent != nil {
			p.agent.end()
		}
		p.agent, p.conns, p.live, p.fetches = nil, nil, nil, nil
	case dialled:
		from := s.w.peers[it.a]
		s.post(now+s.w.oneWay(p, from), from.id, item{kind: refused, conn: it.b})
	}
}

// finish1 tells the other side that the connection is closed, after all that was sent.
func (s *shard) finish1(now time.Duration, p *peer, c uint32) {
	cn := &p.conns[c]
	if cn.state != connOpen {
		return
	}
	s.post(max(cn.arrives, max(now, p.upFree)+cn.oneWay), cn.remote, item{kind: finished, conn: cn.there})
}

// hangUp closes a connection from this side.
func (s *shard) hangUp(now time.Duration, p *peer, c uint32) {
	s.finish1(now, p, c)
	p.dropConn(c)
}

// dial begins to connect. It takes three ways until the other side has our handshake.
func (s *shard) dial(now time.Duration, p *peer, id int32) {
	q := s.w.peers[id]
	way := s.w.oneWay(p, q)
	c := p.addConn(conn{remote: id, out: true, oneWay: way})
	if !s.w.reachable(p, q) || p.down(now) || q.down(now) {
		s.own(now+dialTimeout, p, item{kind: refused, conn: c})
		return
	}
	s.post(now+3*way, q.id, item{kind: dialled, a: uint32(p.id), b: c})
}

func (s *shard) dialled(now time.Duration, p *peer, it *item) {
	from := s.w.peers[it.a]
	way := s.w.oneWay(p, from)
	old, there := p.connTo(from.id)
	ok := !there || p.conns[old].state == connDialling && p.id > from.id // of two that cross, the lower's counts
	for _, b := range p.banned {
		ok = ok && b != from.id
	}
	if !ok || !p.agent.accepts() {
		s.post(now+way, from.id, item{kind: refused, conn: it.b})
		return
	}
	c := p.addConn(conn{remote: from.id, there: it.b, state: connOpen, oneWay: way, arrives: now + way})
	s.post(now+way, from.id, item{kind: accepted, conn: it.b, b: c})
	p.agent.connected(now, c, false)
}

// send queues a message at the uplink. It arrives after what was sent before it on the
// same connection.
func (s *shard) send(now time.Duration, p *peer, c uint32, m swarm.Message) {
	cn := &p.conns[c]
	if cn.state != connOpen {
		return
	}
	size, data := sizeOf(m)
	packets := (size + mss - 1) / mss
	wire := size + packets*headers
	tx := time.Duration(float64(wire) * p.up)
	p.upFree = max(now, p.upFree) + tx
	at := p.upFree + cn.oneWay
	if j := s.w.o.Jitter; j > 0 {
		at += time.Duration(p.random.ExpFloat64() * float64(j))
	}
	if s.w.o.faulty() { // else the receiver need not be looked at, which costs more than all else here
		at = s.delayed(now, at, p, s.w.peers[cn.remote], cn, packets)
	}
	at = max(at, cn.arrives)
	cn.arrives = at
	s.tally.sent(now, p, m, size, data, wire)
	s.post(at, cn.remote, item{kind: arrive, conn: cn.there, msg: m, a: uint32(wire), b: uint32(min(tx, math.MaxUint32))})
}

// delayed returns when a message arrives that would at the given time, where packets are
// lost and networks fail.
func (s *shard) delayed(now, at time.Duration, p, to *peer, cn *conn, packets int) time.Duration {
	if loss := s.lossOf(p, to); loss > 0 && p.random.Float64() < 1-math.Pow(1-loss, float64(packets)) {
		at += 2*cn.oneWay + rto/4 // repeated after duplicate acknowledgements
	}
	at = max(at, cn.arrives)
	if heal := max(p.healed(now, at), to.healed(now, at)); heal > 0 {
		at = heal + time.Duration(p.random.Float64()*float64(rto))
	}
	return at
}

func (s *shard) lossOf(p, q *peer) float64 {
	loss := s.w.o.Loss
	if p.lossy || q.lossy {
		loss += lossyLoss
	}
	return loss
}

// healed returns when a peer's network is back, if it is away at some time from a to b.
func (p *peer) healed(a, b time.Duration) time.Duration {
	if p.cutTo > a && p.cutFrom <= b {
		return p.cutTo
	}
	return 0
}

// arrived lets a message through the downlink, whose last byte is here.
func (s *shard) arrived(now time.Duration, p *peer, it *item) {
	then := *it
	then.kind = deliver
	if s.through(now, p, int64(it.a), time.Duration(it.b), then) {
		s.received(now, p, it)
	}
}

// through takes bytes that took tx to come through the downlink, and reports whether
// they are through at once; if not, then comes when they are.
func (s *shard) through(now time.Duration, p *peer, wire int64, tx time.Duration, then item) bool {
	p.downFree = max(p.downFree, now-tx) + time.Duration(float64(wire)*p.downlink)
	if p.coming == 0 && p.downFree <= now+window {
		return true
	}
	p.coming++
	s.own(max(now, p.downFree), p, then)
	return false
}

func (s *shard) received(now time.Duration, p *peer, it *item) {
	if p.conns[it.conn].state != connOpen {
		return
	}
	p.agent.receive(now, it.conn, it.msg)
}

// ask asks the origin.
func (s *shard) ask(now time.Duration, p *peer, f fetch) {
	f.busy = true
	i := -1
	for k := range p.fetches {
		if !p.fetches[k].busy {
			i = k
			break
		}
	}
	if i < 0 {
		i = len(p.fetches)
		p.fetches = append(p.fetches, fetch{})
	}
	p.fetches[i] = f
	at := max(now+originRTT, s.w.stream.ready[f.n]+originRTT/2)
	if heal := p.healed(now, at); heal > 0 {
		at = heal + originRTT + time.Duration(p.random.Float64()*float64(rto))
	}
	s.own(at, p, item{kind: origin, a: uint32(i)})
}

func (s *shard) answered(now time.Duration, p *peer, i uint32) {
	f := p.fetches[i]
	p.fetches[i].busy = false
	p.agent.fetched(now, f)
}

// finish closes the books.
func (s *shard) finish() {
	for i := s.id; i < len(s.w.peers); i += shardCount {
		p := s.w.peers[i]
		s.tally.peer(p, s.w.end)
		if p.dead || p.player == nil {
			continue
		}
		p.player.end(s.w.end)
		p.agent.end()
	}
}
