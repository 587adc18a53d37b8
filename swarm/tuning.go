package swarm

import "time"

// Tuning holds what the protocol leaves to each peer's judgement. The simulator tries
// alternatives; docs/adr says what was found.
type Tuning struct {
	ByPiece bool // stripe lanes by piece instead of by block

	Neighbours int // connections that a viewer keeps up by itself
	MaxConns   int // and takes at most

	CreditAhead time.Duration // credit covers the rate for the round trip and this long
	CreditMax   int64         // bytes

	Reserve   float64       // share of the uplink budget that lanes leave to repairs
	HeadStart time.Duration // by which blocks for those with the best uplinks go before others'
	Burst     time.Duration // of the uplink budget that may go out at once
	QueueMax  time.Duration // pushes that waited longer are dropped

	Spread    float64       // share of a piece's time in which a viewer has sent all copies of a usual piece
	SlowBlock time.Duration // a single block may take that long all the same

	Patience  time.Duration // least time after a head in which a lane may deliver before the block is asked for
	Moved     time.Duration // the same where a lane has just moved
	Missed    int           // blocks in a row that a lane's parent may miss
	WantAgain time.Duration // least time before a block is asked of another
	ToPeers   time.Duration // slack under which no push is waited for
	ToSeeds   time.Duration // slack under which seeds are asked too
	ToOrigin  time.Duration // slack under which the origin is, and what the missing bytes take beside

	Hop     time.Duration // what each hop to the source counts, in the choice of parents
	Gain    time.Duration // a lane moves to a parent that would be so much sooner than the present one
	Improve time.Duration // how often that is looked at

	CopiesPer int           // a seed feeds one copy of each lane, and one more for every so many peers
	State     time.Duration // how often children are told of depths and places at most; others are a third as often
	PingEvery time.Duration
}

// DefaultTuning is what the simulator found best.
func DefaultTuning() Tuning {
	return Tuning{
		Neighbours: 16, MaxConns: 48,
		CreditAhead: 100 * time.Millisecond, CreditMax: 1 << 20,
		Reserve: 0.2, HeadStart: 100 * time.Millisecond, Burst: 20 * time.Millisecond, QueueMax: 400 * time.Millisecond,
		Spread: 1.1, SlowBlock: 300 * time.Millisecond,
		Patience: 500 * time.Millisecond, Moved: 400 * time.Millisecond, Missed: 3, WantAgain: 150 * time.Millisecond,
		ToPeers: 120 * time.Millisecond, ToSeeds: 130 * time.Millisecond, ToOrigin: 55 * time.Millisecond,
		Hop: 120 * time.Millisecond, Gain: 150 * time.Millisecond, Improve: 500 * time.Millisecond,
		CopiesPer: 30, State: 500 * time.Millisecond, PingEvery: 5 * time.Second,
	}
}
