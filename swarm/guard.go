package swarm

import "time"

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
	case *GetRecords, *GetInit:
		return 20
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
