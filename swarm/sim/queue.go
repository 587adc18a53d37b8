package sim

import (
	"time"

	"github.com/shoalcast/shoal/swarm"
)

// tick is the grain of time: events are due at its multiples.
const tick = 100 * time.Microsecond

// kind says what an event is.
type kind uint8

const (
	arrive    kind = iota // a message reached its receiver's downlink
	deliver               // it has come through
	dialled               // somebody wants to connect: peer a, its connection b
	accepted              // the dialled peer a took us, as its connection b
	refused               // or not
	finished              // the other side closed
	wake                  // an agent's timer
	play                  // a player's timer; a: which of its timers
	issue                 // a seed has another piece
	joined                // the peer begins
	informed              // it has read the manifest
	upkeep                // once a second
	candidate             // the tracker answered
	origin                // the origin's answer reached the downlink; a: number of the fetch
	fetched               // and came through
	dying                 // the peer leaves; a: 1 without a word
)

// item is one event, at one peer. It is plain, so that queues hold millions of them.
type item struct {
	msg  swarm.Message
	peer int32
	conn uint32
	a, b uint32
	kind kind
}

const (
	slotBits  = 14
	slots     = 1 << slotBits // of one turn of the wheel
	chunkSize = 24
)

type chunk struct {
	items [chunkSize]item
	n     int32
	next  int32
}

type slot struct{ first, last int32 } // numbers of chunks, -1: none

type timed struct {
	at int64 // in ticks
	item
}

// queue holds events by time. Those due in one tick come out in the order in which they
// were put in. It is a timing wheel: a list of chunks for each tick of this turn, and
// one list for each later turn.
type queue struct {
	turn   int64
	wheel  [slots]slot
	chunks []chunk
	free   []int32
	later  [][]timed // by turn
}

func newQueue(end time.Duration) *queue {
	q := &queue{later: make([][]timed, int64(end/tick)>>slotBits+2)}
	for i := range q.wheel {
		q.wheel[i] = slot{-1, -1}
	}
	return q
}

// put adds an event that is due in the given tick, not before the present one. What is
// due after the end is forgotten.
func (q *queue) put(at int64, it item) {
	if turn := at >> slotBits; turn != q.turn {
		if turn < int64(len(q.later)) {
			q.later[turn] = append(q.later[turn], timed{at, it})
		}
		return
	}
	s := &q.wheel[at&(slots-1)]
	if s.last < 0 || q.chunks[s.last].n == chunkSize {
		c := q.chunk()
		if s.last < 0 {
			s.first = c
		} else {
			q.chunks[s.last].next = c
		}
		s.last = c
	}
	c := &q.chunks[s.last]
	c.items[c.n] = it
	c.n++
}

func (q *queue) chunk() int32 {
	if n := len(q.free); n > 0 {
		c := q.free[n-1]
		q.free = q.free[:n-1]
		q.chunks[c].n, q.chunks[c].next = 0, -1
		return c
	}
	q.chunks = append(q.chunks, chunk{next: -1})
	return int32(len(q.chunks) - 1)
}

// begin moves on to tick at; ticks are begun one after the other.
func (q *queue) begin(at int64) {
	if turn := at >> slotBits; turn != q.turn {
		q.turn = turn
		events := q.later[turn]
		q.later[turn] = nil
		for _, e := range events {
			q.put(e.at, e.item)
		}
	}
}

// drain hands every event of the tick to do, also those that do adds to it.
func (q *queue) drain(at int64, do func(*item)) {
	s := &q.wheel[at&(slots-1)]
	for i := s.first; i >= 0; {
		for k := int32(0); k < q.chunks[i].n; k++ {
			it := q.chunks[i].items[k] // q.chunks may move while it is done
			do(&it)
		}
		c := &q.chunks[i]
		clear(c.items[:])
		next := c.next
		q.free = append(q.free, i)
		i = next
	}
	*s = slot{-1, -1}
}

// ticks rounds up.
func ticks(d time.Duration) int64 { return int64((d + tick - 1) / tick) }
