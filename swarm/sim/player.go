package sim

import (
	"slices"
	"time"
)

const (
	lateKept = 50   // pieces whose lateness is remembered: 10 s
	lateGood = 0.96 // share of them that a player wants to be in time
	margin   = 20 * time.Millisecond
	quiet    = 5 * time.Second        // after a hold, before it catches up
	speed    = 0.1                    // by how much it plays faster or slower
	skipAt   = time.Second            // so far behind what it wants, it skips
	joinTime = 600 * time.Millisecond // from joining to the first picture, at best
	lookout  = 300 * time.Millisecond // how early due is told
)

// player plays one viewer's pieces in real time. Its lag is how long after the moment
// of publishing a piece is played: never less than Options.Target, and so much that 96
// of 100 recent pieces came in time, and 20 ms. It gets there by playing 10 % faster
// or slower. It is held where the next piece is missing, and so falls behind by that;
// a second too far behind, it skips to where it wants to be, from a keyframe.
type player struct {
	p      *peer
	s      *stream
	t      *tally
	joined time.Duration

	known   bool // where it begins
	begun   time.Duration
	first   int // the keyframe's piece it begins with
	whole   int // all before it, from first on, are here
	started bool
	ended   bool

	have []uint64
	next int // the piece that is played next
	lag  time.Duration
	want time.Duration
	held time.Duration // since when; -1: it plays
	hold time.Duration // when the last hold ended
	gen  uint32        // the timer that counts

	late  [lateKept]int32 // ms
	lates int
}

func newPlayer(p *peer, now time.Duration) *player {
	return &player{
		p: p, s: p.w.stream, t: &p.shard.tally, joined: now, held: -1, hold: -quiet,
		want: p.w.o.Target, lag: p.w.o.Target, have: make([]uint64, len(p.w.stream.heads)/64+1),
	}
}

func (y *player) has(n int) bool { return y.have[n/64]>>(n%64)&1 == 1 }

// begin is told from which piece on there will be any.
func (y *player) begin(now time.Duration, first int) {
	y.known, y.begun, y.first, y.whole, y.next = true, now, first, first, first
	for y.whole < len(y.s.heads) && y.has(y.whole) {
		y.whole++
	}
	y.lag = max(y.want, now+joinTime-y.s.base(first))
}

// plays returns when piece n is played, as things stand.
func (y *player) plays(n int) time.Duration { return y.s.base(n) + y.lag }

// arrived is told that piece n is here, whole.
func (y *player) arrived(now time.Duration, n int) {
	if y.has(n) || y.ended {
		return
	}
	y.have[n/64] |= 1 << (n % 64)
	if y.s.ready[n] > y.joined {
		late := now - y.s.ready[n]
		if y.started { // before, it competes with the history that is fetched
			y.late[y.lates%lateKept] = int32(late / time.Millisecond)
			if y.lates++; y.lates%10 == 0 {
				y.judge()
			}
		}
		if y.p.lie == honest {
			y.t.arrived(now, late)
		}
	}
	for y.whole < len(y.s.heads) && y.has(y.whole) {
		y.whole++
	}
	switch {
	case !y.started:
		y.start(now)
	case y.held >= 0 && n == y.next:
		y.release(now)
	case y.held >= 0 || y.lag > y.want+skipAt:
		y.skip(now)
	}
}

// judge sets the lag that is wanted by what was late.
func (y *player) judge() {
	n := min(y.lates, lateKept)
	var sorted [lateKept]int32
	copy(sorted[:], y.late[:n])
	slices.Sort(sorted[:n])
	late := time.Duration(sorted[int(lateGood*float64(n-1))]) * time.Millisecond
	y.want = max(y.p.w.o.Target, late+margin)
}

// live returns the first piece that is played from now on, at the lag that is wanted.
func (y *player) live(now time.Duration) int { return y.s.at(now - y.want) }

func (y *player) start(now time.Duration) {
	if !y.known {
		return
	}
	n := max(y.live(now), y.first)
	if y.whole <= n {
		return
	}
	y.started, y.next, y.lag = true, n, y.want
	y.hold = now - quiet
	at := y.plays(n)
	if y.p.lie == honest {
		y.t.startup(now, at-y.joined)
	}
	y.arm(at)
	y.p.agent.replan(now)
}

func (y *player) arm(at time.Duration) {
	y.gen++
	y.p.shard.own(at, y.p, item{kind: play, a: y.gen})
}

// timer is the moment to play the next piece.
func (y *player) timer(now time.Duration, gen uint32) {
	if gen != y.gen || y.ended {
		return
	}
	if !y.has(y.next) {
		y.held = now
		y.p.agent.due(now, y.next)
		return
	}
	y.play(now)
}

// play plays the next piece, now.
func (y *player) play(now time.Duration) {
	n := y.next
	if y.p.lie == honest {
		y.t.played(now, now-y.s.ready[n], y.s.dur)
	}
	y.next++
	step := time.Duration(float64(y.s.dur) * speed)
	switch before := y.lag; {
	case y.lag > y.want+step && now-y.hold >= quiet:
		y.lag -= step
	case y.lag < y.want-step:
		y.lag += step
	default:
		y.lag = before
		y.ahead(now)
		y.arm(y.plays(y.next))
		return
	}
	y.ahead(now)
	y.arm(max(now, y.plays(y.next)))
	y.p.agent.replan(now)
}

// ahead tells of what comes soon.
func (y *player) ahead(now time.Duration) {
	for n := y.next; n < len(y.s.heads) && y.plays(n)-now <= lookout+y.s.dur; n++ {
		if !y.has(n) {
			y.p.agent.due(now, n)
		}
	}
}

// release goes on after a hold.
func (y *player) release(now time.Duration) {
	y.stalled(now)
	y.lag += max(0, now-y.plays(y.next))
	y.held, y.hold = -1, now
	y.play(now)
	y.p.agent.replan(now)
}

func (y *player) stalled(now time.Duration) {
	if y.held >= 0 && y.p.lie == honest {
		y.t.held(y.held, now, y.held-y.s.ready[y.next])
	}
}

// skip goes to where it wants to be, if that is here from a keyframe on.
func (y *player) skip(now time.Duration) {
	n := y.live(now)
	if n <= y.next || n >= len(y.s.heads) || !y.has(n) || y.held >= 0 && now-y.held < skipAt {
		return
	}
	k := n
	for k > y.next && !y.s.key[k] {
		if k--; !y.has(k) {
			return
		}
	}
	if k == y.next && y.held >= 0 {
		return
	}
	y.stalled(now)
	y.held, y.hold = -1, now
	y.next, y.lag = n, y.want
	y.arm(max(now, y.plays(n)))
	y.p.agent.replan(now)
}

// end closes the books at now.
func (y *player) end(now time.Duration) {
	if y.ended {
		return
	}
	y.ended = true
	if !y.started {
		if y.p.lie == honest && now-y.joined > 10*time.Second+y.p.w.o.GOP {
			y.t.never++
		}
		return
	}
	y.stalled(now)
}
