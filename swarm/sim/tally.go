package sim

import (
	"time"

	"github.com/shoalcast/shoal/swarm"
)

// stallAfter is how long a hold lasts until a viewer sees a stall.
const stallAfter = 250 * time.Millisecond

// histogram counts times by the millisecond; what is longer than its end counts there.
type histogram []int64

func newHistogram() histogram { return make(histogram, 30_001) }

func (h histogram) add(d time.Duration, count int64) {
	h[min(max(int64(d/time.Millisecond), 0), int64(len(h)-1))] += count
}

func (h histogram) merge(o histogram) {
	for i, n := range o {
		h[i] += n
	}
}

func (h histogram) count() int64 {
	sum := int64(0)
	for _, n := range h {
		sum += n
	}
	return sum
}

// at returns the milliseconds that a share q of what was counted does not exceed.
func (h histogram) at(q float64) int {
	left := int64(q*float64(h.count())) + 1
	for i, n := range h {
		if left -= n; left <= 0 {
			return i
		}
	}
	return 0
}

const (
	sources    = int(swarm.FromOrigin) + 1
	depthsKept = 32
	sampling   = 100 * time.Millisecond // how often the delay is sampled
)

// tally is what one shard has counted. Only what happens from the end of the ramp on
// counts, except in bySecond.
type tally struct {
	from, to time.Duration
	events   int64

	delay, late, startups histogram
	backlog               histogram // of uplinks, as messages find it
	playing, stalling     time.Duration
	stalls                int64 // holds that a viewer sees
	never                 int64 // viewers that saw nothing in 10 s and a GOP

	bySource  [sources]int64
	bySecond  [][sources]int64
	control   [messageKinds]int64 // bytes, framing included
	messages  [messageKinds]int64
	blocks    int64 // bytes of blocks that were sent
	wire      int64 // bytes of TCP, IP and link headers
	duplicate int64

	honestBans, liarBans int64 // bans of honest peers, and of liars
	honestConns          int64 // connections between honest peers
	worst                int   // most false blocks and heads that one peer judged of one liar
	falseSent            int64 // false blocks that an honest peer sent on
	falsePlayed          int64
	falseBlocks          int64 // that reached an honest peer
	dropped              [reasons]int64

	upSent, upCould float64 // bytes that viewers sent, and could have
	depths          [depthsKept]int64
}

func newTally(o *Options) tally {
	return tally{
		from: o.Ramp, to: o.end(), delay: newHistogram(), late: newHistogram(), startups: newHistogram(), backlog: newHistogram(),
		bySecond: make([][sources]int64, int(o.end()/time.Second)+1),
	}
}

func (t *tally) measures(now time.Duration) bool { return now >= t.from && now < t.to }

// arrived counts how long after the seed a viewer had a piece.
func (t *tally) arrived(now, late time.Duration) {
	if t.measures(now) {
		t.late.add(late, 1)
	}
}

func (t *tally) startup(now, d time.Duration) { t.startups.add(d, 1) }

// played counts a piece that begins to play, delayed against the seed.
func (t *tally) played(now, delay, dur time.Duration) {
	if t.measures(now) {
		t.playing += dur
		t.delay.add(delay, int64(max(1, dur/sampling)))
	}
}

// held counts a hold that began with the given delay.
func (t *tally) held(from, to, delay time.Duration) {
	if to-from >= stallAfter && t.measures(to-1) {
		t.stalls++
	}
	from, delay = max(from, t.from), delay+max(0, t.from-from)
	to = min(to, t.to)
	if to <= from {
		return
	}
	t.stalling += to - from
	for d := time.Duration(0); d < to-from; d += sampling {
		t.delay.add(delay+d, 1)
	}
}

// got counts verified payload.
func (t *tally) got(now time.Duration, from swarm.Source, bytes int64) {
	t.bySecond[now/time.Second][from] += bytes
	if t.measures(now) {
		t.bySource[from] += bytes
	}
}

// sent counts a message that went out.
func (t *tally) sent(now time.Duration, p *peer, m swarm.Message, size, data, wire int) {
	if !t.measures(now) || p.lie != honest {
		return
	}
	k := kindOf(m)
	t.control[k] += int64(size - data)
	t.messages[k]++
	t.blocks += int64(data)
	t.wire += int64(wire - size)
	if p.role == viewerRole {
		t.upSent += float64(wire)
		t.backlog.add(p.upFree-now, 1)
	}
	if s, ok := m.(*swarm.State); ok {
		for _, d := range s.Depth {
			t.depths[min(int(d), depthsKept-1)]++
		}
	}
}

// peer counts what a peer could have given.
func (t *tally) peer(p *peer, end time.Duration) {
	if p.role != viewerRole || p.lie != honest {
		return
	}
	if p.dead {
		end = p.died
	}
	if d := end - max(p.born, t.from); d > 0 {
		t.upCould += p.upRate / 8 * d.Seconds()
	}
}

func (t *tally) merge(o *tally) {
	t.events += o.events
	t.delay.merge(o.delay)
	t.late.merge(o.late)
	t.startups.merge(o.startups)
	t.backlog.merge(o.backlog)
	t.playing += o.playing
	t.stalling += o.stalling
	t.stalls += o.stalls
	t.never += o.never
	for i := range o.bySource {
		t.bySource[i] += o.bySource[i]
	}
	for i := range o.bySecond {
		for j := range o.bySecond[i] {
			t.bySecond[i][j] += o.bySecond[i][j]
		}
	}
	for i := range o.control {
		t.control[i] += o.control[i]
		t.messages[i] += o.messages[i]
	}
	t.blocks += o.blocks
	t.wire += o.wire
	t.duplicate += o.duplicate
	t.honestBans += o.honestBans
	t.liarBans += o.liarBans
	t.honestConns += o.honestConns
	t.worst = max(t.worst, o.worst)
	t.falseSent += o.falseSent
	t.falsePlayed += o.falsePlayed
	t.falseBlocks += o.falseBlocks
	for i := range o.dropped {
		t.dropped[i] += o.dropped[i]
	}
	t.upSent += o.upSent
	t.upCould += o.upCould
	for i := range o.depths {
		t.depths[i] += o.depths[i]
	}
}
