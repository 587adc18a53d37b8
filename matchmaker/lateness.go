package matchmaker

import (
	"math"
	"time"

	"github.com/shoalcast/shoal/event"
)

// lateness is the fold over what peers report of those that give to them: how many blocks came after they were needed. It does no
// I/O and knows no clock. It is hearsay, so that nobody is left out for it: see choose.
type lateness struct {
	now, before map[tail]lateOf // of this stretch of time, and of the one before
	turned      time.Time
}

// tail is the last four bytes of a peer's id, by which reports name it.
type tail [4]byte

// lateOf is what is said of one peer, of which half is forgotten in a minute.
type lateOf struct {
	told float64 // by so many reports
	late float64 // blocks
	at   time.Time
}

const (
	halfLife = time.Minute
	// stretch is how long one that nobody speaks of is remembered, at least.
	stretch  = 10 * time.Minute
	mostLate = 100_000 // peers in each of both maps
	// Of one peer, one report counts for so many blocks at most, and it takes so many reports to be believed.
	mostBlocks = 64
	believed   = 2.0
	// tooLate is how many blocks a report, which tells of five seconds or more, may miss on average.
	tooLate = 4.0
)

func tailOf(id event.PeerID) tail { return tail(id[len(id)-len(tail{}):]) }

func (l lateOf) faded(now time.Time) lateOf {
	if now.After(l.at) {
		f := math.Exp2(-float64(now.Sub(l.at)) / float64(halfLife))
		l.told, l.late, l.at = l.told*f, l.late*f, now
	}
	return l
}

// note takes in that a report tells of a peer.
func (l *lateness) note(id tail, blocks int64, at time.Time) {
	if l.now == nil || at.Sub(l.turned) > stretch || len(l.now) >= mostLate {
		l.before, l.now, l.turned = l.now, map[tail]lateOf{}, at
	}
	known := l.of(id).faded(at)
	known.told++
	known.late += float64(min(blocks, mostBlocks))
	known.at = at
	l.now[id] = known
}

func (l *lateness) of(id tail) lateOf {
	if known, ok := l.now[id]; ok {
		return known
	}
	return l.before[id]
}

// late reports whether a peer was late of late.
func (l *lateness) late(id event.PeerID, now time.Time) bool {
	known := l.of(tailOf(id)).faded(now)
	return known.told >= believed && known.late >= tooLate*known.told
}
