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

	Reserve  float64       // share of the uplink budget that lanes leave to repairs
	Burst    time.Duration // of the uplink budget that may go out at once
	QueueMax time.Duration // pushes that waited longer are dropped

	SlowBlock time.Duration // who needs longer to send a block pushes none

	Patience  time.Duration // least time after a head in which a lane may deliver before the block is asked for
	Missed    int           // blocks in a row that a lane's parent may miss
	WantAgain time.Duration // least time before a block is asked of another
	ToSeeds   time.Duration // slack under which seeds are asked too
	ToOrigin  time.Duration // slack under which the origin is

	Better  float64       // a lane moves to a parent that is at most this share of the present one's lateness
	Improve time.Duration // how often that is looked at

	CopiesPer int // a seed feeds one copy of each lane, and one more for every so many peers
	State     time.Duration
	PingEvery time.Duration
}

// DefaultTuning is what the simulator found best.
func DefaultTuning() Tuning {
	return Tuning{
		Neighbours: 12, MaxConns: 48,
		CreditAhead: 100 * time.Millisecond, CreditMax: 1 << 20,
		Reserve: 0.2, Burst: 50 * time.Millisecond, QueueMax: 400 * time.Millisecond,
		SlowBlock: 250 * time.Millisecond,
		Patience:  130 * time.Millisecond, Missed: 3, WantAgain: 150 * time.Millisecond,
		ToSeeds: 250 * time.Millisecond, ToOrigin: 150 * time.Millisecond,
		Better: 0.7, Improve: time.Second,
		CopiesPer: 40, State: 500 * time.Millisecond, PingEvery: 5 * time.Second,
	}
}
