package sim

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/shoalcast/shoal/swarm"
)

type role uint8

const (
	viewerRole role = iota
	seedRole
)

// lie is how a liar lies.
type lie uint8

const (
	honest lie = iota
	falseBlocks
	falseHeads
	falseHaves
	lies
)

// agent is how one peer behaves in a scheme. Its methods are called in its shard.
type agent interface {
	join(now time.Duration)
	informed(now time.Duration)
	candidates(now time.Duration)
	accepts() bool // another connection
	connected(now time.Duration, c uint32, outbound bool)
	receive(now time.Duration, c uint32, m swarm.Message)
	closed(now time.Duration, c uint32)
	wake(now time.Duration)
	upkeep(now time.Duration)
	fetched(now time.Duration, f fetch)
	publish(now time.Duration) // what is ready, if it is a seed
	// replan says that the player plays at other times than it said.
	replan(now time.Duration)
	end() // it leaves, or all is over
	// due says that the player comes to piece n soon: a last moment to do something.
	due(now time.Duration, n int)
}

// peer is one peer, alive or not.
type peer struct {
	w      *world
	shard  *shard
	id     int32
	role   role
	lie    lie
	leaf   bool // gives nothing
	born   time.Duration
	place  int
	access time.Duration // one way
	lossy  bool

	upRate   float64 // bit/s that it gives
	up       float64 // ns a byte
	downlink float64
	upFree   time.Duration // when the uplink has sent all that it was given
	downFree time.Duration
	coming   int // messages in the downlink's queue

	cutFrom, cutTo time.Duration
	dead           bool
	died           time.Duration

	random  *rand.Rand
	conns   []conn   // by number
	live    []uint32 // those that are open or being opened
	banned  []int32
	shunned []shun
	named   []int32 // by the tracker, not yet tried
	asked   time.Duration
	asking  bool

	agent   agent
	player  *player
	fetches []fetch
	wakeAt  int64 // in ticks; the wake that counts
}

// shun is a peer that had no use for this one: it is not dialled for a while.
type shun struct {
	id    int32
	until time.Duration
}

const (
	shunFor  = 30 * time.Second
	shunMost = 32 // that are remembered
)

func (p *peer) shun(now time.Duration, id int32) {
	if len(p.shunned) == shunMost {
		p.shunned = slices.Delete(p.shunned, 0, 1)
	}
	p.shunned = append(p.shunned, shun{id, now + shunFor})
}

type connState uint8

const (
	connDialling connState = iota
	connOpen
	connClosed
)

// conn is one side of a connection.
type conn struct {
	remote  int32
	there   uint32 // its number at the other side
	state   connState
	out     bool
	oneWay  time.Duration // propagation
	arrives time.Duration // when the last message sent arrives
}

// fetch is one question to the origin.
type fetch struct {
	n           int
	first, last int
	whole       bool // asked for without a head
	size        int64
	busy        bool
}

const (
	lossyAccess = 60 * time.Millisecond
	lossyLoss   = 0.03
	leastUp     = 256_000 // bit/s that even free riders have for acknowledgements and control
	// A viewer says that it gives what remains of its uplink after control, less what
	// packets' headers take.
	forControl = 100_000 // bit/s
	forBlocks  = 0.93
)

// gives is the uplink budget that a viewer states, in bit/s.
func (p *peer) gives() float64 { return p.upRate * forBlocks }

func perByte(bits float64) float64 { return 8e9 / bits }

func newPeer(w *world, s *shard, id int32, now time.Duration) *peer {
	p := &peer{w: w, shard: s, id: id, born: now, random: rand.New(rand.NewPCG(w.o.Random, uint64(id)+1)), wakeAt: -1}
	r := p.random
	p.place = r.IntN(w.rtt.Places())
	p.access = 500*time.Microsecond + time.Duration(r.ExpFloat64()*float64(3*time.Millisecond))
	p.upRate = w.draw(int(id)) * w.scale
	p.leaf = p.upRate == 0
	p.up = perByte(max(p.upRate, leastUp))
	rate := float64(w.o.Bitrate)
	p.downlink = perByte(max(rate*w.o.Downlink*(1+r.ExpFloat64()), p.upRate))
	if r.Float64() < w.o.Liars {
		p.lie = 1 + lie(r.IntN(int(lies)-1))
	}
	if r.Float64() < w.o.Lossy {
		p.lossy = true
		p.access += lossyAccess
	}
	return p
}

// down reports whether the peer's network is cut.
func (p *peer) down(now time.Duration) bool { return p.cutFrom <= now && now < p.cutTo }

func (p *peer) connTo(id int32) (uint32, bool) {
	for _, c := range p.live {
		if p.conns[c].remote == id {
			return c, true
		}
	}
	return 0, false
}

func (p *peer) addConn(c conn) uint32 {
	i := uint32(len(p.conns))
	p.conns = append(p.conns, c)
	p.live = append(p.live, i)
	return i
}

func (p *peer) dropConn(c uint32) {
	p.conns[c].state = connClosed
	if i := slices.Index(p.live, c); i >= 0 {
		p.live = slices.Delete(p.live, i, i+1)
	}
}

// next takes the next peer to try off the tracker's list.
func (p *peer) next(now time.Duration) (int32, bool) {
	for len(p.named) > 0 {
		id := p.named[0]
		p.named = p.named[1:]
		if p.mayDial(now, id) {
			return id, true
		}
	}
	return 0, false
}

func (p *peer) mayDial(now time.Duration, id int32) bool {
	_, there := p.connTo(id)
	return id != p.id && !there && !slices.Contains(p.banned, id) &&
		!slices.ContainsFunc(p.shunned, func(s shun) bool { return s.id == id && s.until > now })
}

// announce asks the tracker for peers, at most every few seconds.
func (p *peer) announce(now time.Duration) {
	if p.asking && now-p.asked < 5*time.Second || p.down(now) {
		return
	}
	p.asking, p.asked = true, now
	p.shard.asking = append(p.shard.asking, p.id)
}
