package netlab

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Link says what a relay does to what passes. Each direction is treated alike and on its
// own, so that a round trip meets everything twice. The zero value passes all at once.
type Link struct {
	// Delay is how long everything takes one way. It does not limit throughput.
	Delay time.Duration
	// Jitter is the most that is added to Delay, evenly distributed. It keeps the order,
	// as a queue on the way does.
	Jitter time.Duration
	// Loss is the share of datagrams that vanish, 0 to 1. Streams (TCP) ignore it.
	Loss float64
	// Reorder is the share of datagrams that the next one overtakes, or that are late
	// by 20 ms where none follows, 0 to 1. Streams (TCP) ignore it.
	Reorder float64
	// Rate is what passes in a second, in bits; 0 sets no limit. Before the bottleneck
	// 100 ms of it may wait: datagrams beyond that are lost, streams are held up.
	Rate int64
	// Seed decides all that is random, for connections and flows that begin with it: the
	// nth of them meets the same fate in every run.
	Seed uint64
}

const (
	// maxWait is how much of Rate's time may wait for its turn.
	maxWait = 100 * time.Millisecond
	// overtaken is how late a datagram is that nothing follows, if it is to be overtaken.
	overtaken = 20 * time.Millisecond
)

func (l Link) validate() error {
	switch {
	case l.Delay < 0 || l.Jitter < 0 || l.Rate < 0:
		return fmt.Errorf("a link's delay, jitter and rate are not negative: %+v", l)
	case !(l.Loss >= 0 && l.Loss <= 1) || !(l.Reorder >= 0 && l.Reorder <= 1):
		return fmt.Errorf("a link's loss and reorder are shares between 0 and 1: %+v", l)
	}
	return nil
}

// fate is what a link decides about one datagram or one chunk of a stream.
type fate struct {
	due  time.Time // when it arrives
	turn time.Time // when its last bit left the bottleneck
	lost bool
	hold bool // the next one overtakes it
}

// shaper decides the fates of one direction of one connection or flow: a pure function
// of what it was asked before, the time and its seed.
type shaper struct {
	rng  *rand.Rand
	free time.Time // when the bottleneck has sent what it was given
	last time.Time // when the latest arrives: nothing arrives before what went before
}

// newShaper returns the shaper of the nth connection's direction.
func newShaper(seed, n, direction uint64) *shaper {
	return &shaper{rng: rand.New(rand.NewPCG(seed, n<<1|direction))}
}

// datagram decides about size bytes that came at now.
func (s *shaper) datagram(l Link, now time.Time, size int) fate {
	// All three are drawn every time, so that one setting does not change another's luck.
	lost, hold, jitter := s.rng.Float64() < l.Loss, s.rng.Float64() < l.Reorder, s.rng.Float64()
	if lost || l.Rate > 0 && s.free.Sub(now) > maxWait {
		return fate{lost: true}
	}
	f := s.pass(l, now, size, jitter)
	f.hold = hold
	return f
}

// chunk decides about size bytes of a stream that came at now.
func (s *shaper) chunk(l Link, now time.Time, size int) fate {
	return s.pass(l, now, size, s.rng.Float64())
}

func (s *shaper) pass(l Link, now time.Time, size int, jitter float64) fate {
	if s.free.Before(now) {
		s.free = now
	}
	if l.Rate > 0 {
		s.free = s.free.Add(time.Duration(float64(size) * 8 / float64(l.Rate) * float64(time.Second)))
	}
	due := s.free.Add(l.Delay + time.Duration(jitter*float64(l.Jitter)))
	if due.Before(s.last) {
		due = s.last
	}
	s.last = due
	return fate{due: due, turn: s.free}
}

// chunkSize is how much of a stream is read at once: a big chunk of a slow link would
// arrive all at its end.
func (l Link) chunkSize() int {
	if l.Rate == 0 {
		return maxChunk
	}
	return int(min(max(l.Rate/8/200, 1460), maxChunk))
}

const maxChunk = 32 << 10
