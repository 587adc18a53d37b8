package swarm

import (
	"time"

	"github.com/shoalcast/shoal/event"
)

// guard is the allowance of messages that one neighbour has. Blocks have credit instead.
type guard struct {
	left float64
	at   Time
}

const (
	guardBurst = 800.0 // cost at once
	guardRate  = 250.0 // and a second
	staleCost  = 8     // of a genuine head that is too old to be of use
	lieCost    = 100   // of a record that cannot be judged
	dialCost   = 25    // of a peer to dial, of an allowance that all neighbours share
	answerSize = 4096  // bytes that answers may have for a cost of 1
)

func newGuard(now Time) guard { return guard{left: guardBurst, at: now} }

func (g *guard) take(now Time, cost float64) bool {
	g.left = min(guardBurst, g.left+guardRate*(now-g.at).Seconds())
	g.at = now
	if g.left < cost {
		return false
	}
	g.left -= cost
	return true
}

// maxNumber is the largest number of a piece or an epoch that an entry can have.
const maxNumber = 1<<53 - 1

// possible reports whether a message keeps the bounds that its sender must keep. A codec
// that decodes it has looked at most of them; a node does not depend on that.
func possible(m Message) bool {
	switch m := m.(type) {
	case *Block:
		return m.Key.possible() && m.Index >= 0 && m.Index < MaxBlocks && len(m.Data) > 0 && len(m.Data) <= event.BlockSize
	case *Have:
		return m.Key.possible() && m.Count > 0 && m.Count <= MaxRun && m.N <= maxNumber-uint64(m.Count-1)
	case *Want:
		return m.Key.possible()
	case *Cancel:
		return m.Key.possible()
	case *Deny:
		return m.Key.possible()
	case *GetHeads:
		return m.Key.possible() && m.Count > 0 && m.Count <= MaxHeads
	case *Subscribe:
		return m.Lanes&^AllLanes == 0
	case *Grant:
		return m.Lanes&^AllLanes == 0
	case *Peers:
		return len(m.Hints) <= MaxHints
	case *Init:
		return m.Total >= 0 && m.Total <= MaxInit && m.Offset >= 0 && len(m.Data) <= MaxFrame
	case *Signal:
		return len(m.Body) <= MaxSignal
	}
	return true
}

func (k Key) possible() bool { return k.Epoch > 0 && k.Epoch <= maxNumber && k.N <= maxNumber }

// cost says what handling a message costs, in units of a small one.
func cost(m Message) float64 {
	switch m := m.(type) {
	case *Block, *Credit:
		return 0.1
	case *Have, *Pong:
		return 0.5
	case *Head:
		return 2
	case *GetHeads:
		return 1 + float64(m.Count)/4
	case *Want:
		return 1 + float64(m.Blocks.Len())/16
	case *GetRecords, *GetInit:
		return 4
	case *Records:
		return 2 * float64(len(m.Envelopes))
	case *Peers, *Signal:
		return 8
	case *Subscribe:
		return 4
	}
	return 1
}

// pacer holds the blocks that go out to the uplink budget.
type pacer struct {
	rate    float64 // bytes a second
	burst   float64
	tokens  float64
	at      Time
	readyAt Time // when a refused block may be tried again
	free    bool // no bound
}

func (p *pacer) set(bitsPerSecond int64) {
	p.free = bitsPerSecond == Unlimited
	p.rate = float64(bitsPerSecond) / 8
	p.readyAt = never
}

// take reports whether size bytes may go now. A block may overdraw, so that a budget
// smaller than a block still gives.
func (p *pacer) take(now Time, size int, burst time.Duration) bool {
	p.readyAt = never
	if p.free {
		return true
	}
	if p.rate <= 0 {
		return false
	}
	p.burst = p.rate * burst.Seconds()
	p.tokens = min(p.burst, p.tokens+p.rate*(now-p.at).Seconds())
	p.at = now
	if p.tokens < 0 {
		p.readyAt = now + time.Duration(-p.tokens/p.rate*float64(time.Second)) + time.Millisecond
		return false
	}
	p.tokens -= float64(size)
	return true
}

// spend counts what went out without being asked for.
func (p *pacer) spend(size int) { p.tokens -= float64(size) }
