package peer

import (
	"slices"
	"time"

	"github.com/shoalcast/shoal/event"
)

const (
	stallAfter  = 250 * time.Millisecond // held this long, a viewer sees a stall
	sampleEvery = 100 * time.Millisecond // how often the delay is sampled
	// seekBehind is the unplayed media at which the playhead gives up playing in order
	// and goes back to live, as a player does after an outage: one target duration.
	seekBehind = 4 * time.Second
	// minLead is added to the lateness that was seen, for the fetch of a piece.
	minLead = 20 * time.Millisecond
	// latenessKept is how many pieces the lateness is judged by: about 10 s of them.
	latenessKept = 50
)

// Chunk is what the playhead needs to know of a piece.
type Chunk struct {
	event.Position
	PTS, Dur event.Ticks
	At       time.Time // when ingest had its first sample
	Ready    time.Time // when a viewer at live could have it: signed, or here
	Catchup  bool      // it was history when the viewer joined
}

func (c Chunk) end() event.Ticks { return c.PTS + c.Dur }

// Playhead consumes media in real time as a player would, without a picture. It is
// pure: time comes in as the server's, with every call, and never goes back.
//
// It starts a little behind the newest piece: so far that nine of ten recent pieces came
// in time for it (the arrival jitter, known from the times they were signed), plus 20 ms.
// The tenth shall not hold a whole session back; if such pieces go on, they hold the
// playhead, which is behind them from then on. After that it plays at rate 1. Where media is missing from
// the stream it jumps on at once; where media is late it is held, and so falls behind
// by what it was held; 4 s behind, it seeks to the newest piece.
type Playhead struct {
	// Lead is how far behind the place where nine of ten recent pieces came in time it
	// begins to play; 0 means minLead. A viewer in a swarm leaves its peers some more. It
	// may change at any time, and counts where the playhead starts, seeks, or begins a new
	// publish after it was held.
	Lead time.Duration

	queue   []Chunk // the first is at the playhead; bounded by seekBehind
	late    []time.Duration
	epoch   event.Epoch // that late is about
	started bool
	done    bool // the first chunk was played to its end: held until another comes
	anchor  time.Time
	zero    event.Ticks // media time at anchor
	held    time.Time   // since when, while done
	offline bool        // nobody publishes: being held is nobody's fault
	sampled time.Time

	delays    histogram
	stalls    int64
	stalledMS int64
}

// Add hands over a chunk that is here, verified, at now.
func (p *Playhead) Add(now time.Time, c Chunk) {
	p.Advance(now)
	if c.Epoch != p.epoch {
		p.epoch, p.late = c.Epoch, nil
	}
	ready := c.Ready
	if !c.Catchup && now.After(ready) {
		ready = now
	}
	if p.late = append(p.late, ready.Sub(time.Unix(0, 0))-c.PTS.Duration()); len(p.late) > latenessKept {
		p.late = append(p.late[:0], p.late[1:]...)
	}
	p.queue = append(p.queue, c)
	switch {
	case !p.started:
		p.start(now)
	case p.done && c.Epoch != p.queue[0].Epoch:
		p.again(now)
	case p.done:
		p.release(now)
		p.next(now)
	}
	if p.started && p.backlog() > event.TicksOf(seekBehind) {
		p.seek(now)
	}
}

// again begins to play a new publish, Lead after its first chunk came. That is a hold too.
func (p *Playhead) again(now time.Time) {
	at := now.Add(p.Lead)
	p.release(at)
	p.next(at)
}

// seek goes to the newest chunk, or Lead before it.
func (p *Playhead) seek(now time.Time) {
	newest := p.queue[len(p.queue)-1]
	at := newest.PTS - event.TicksOf(p.Lead)
	for len(p.queue) > 1 && (p.queue[0].Epoch != newest.Epoch || p.queue[0].end() <= at) {
		p.queue = p.queue[1:]
	}
	p.play(now, max(at, p.queue[0].PTS))
}

// live returns the place in the newest chunk's epoch that is safe to play at now.
func (p *Playhead) live(now time.Time) event.Ticks {
	late := slices.Sorted(slices.Values(p.late))
	most := late[(len(late)-1)*9/10]
	return event.TicksOf(now.Sub(time.Unix(0, 0)) - most - max(p.Lead, minLead))
}

// start begins to play once the place that is safe to play at is here.
func (p *Playhead) start(now time.Time) {
	newest := p.queue[len(p.queue)-1]
	at := p.live(now)
	if at >= newest.end() {
		if newest.Catchup { // history: the place is yet to come
			p.queue = append(p.queue[:0], newest)
			return
		}
		p.queue, at = append(p.queue[:0], newest), newest.PTS
	}
	for len(p.queue) > 1 && (p.queue[0].Epoch != newest.Epoch || p.queue[0].end() <= at) {
		p.queue = p.queue[1:]
	}
	if at < p.queue[0].PTS { // the stream has just begun: wait for the buffer
		return
	}
	p.started, p.sampled = true, now
	p.play(now, at)
}

func (p *Playhead) play(now time.Time, at event.Ticks) {
	p.anchor, p.zero, p.done = now, at, false
}

// next moves to the chunk after the first, at the moment the first ended.
func (p *Playhead) next(at time.Time) {
	if len(p.queue) < 2 {
		p.done, p.held = true, at
		return
	}
	p.queue = append(p.queue[:0], p.queue[1:]...)
	p.play(at, p.queue[0].PTS)
}

// release ends a hold and counts it.
func (p *Playhead) release(now time.Time) {
	if d := now.Sub(p.held); !p.offline && d >= stallAfter {
		p.stalls++
		p.stalledMS += d.Milliseconds()
	}
}

// Advance plays up to now.
func (p *Playhead) Advance(now time.Time) {
	if !p.started {
		if len(p.queue) > 0 {
			p.start(now)
		}
		return
	}
	for !p.done {
		ends := p.anchor.Add((p.queue[0].end() - p.zero).Duration())
		if ends.After(now) {
			break
		}
		p.sample(ends)
		p.next(ends)
	}
	p.sample(now)
}

// sample records the delay at each 100 ms up to t.
func (p *Playhead) sample(t time.Time) {
	for !p.sampled.After(t) {
		if !p.done || !p.offline {
			p.delays.add(p.delayAt(p.sampled).Milliseconds())
		}
		p.sampled = p.sampled.Add(sampleEvery)
	}
}

// delayAt is now − (at + (playhead − pts)).
func (p *Playhead) delayAt(t time.Time) time.Duration {
	c := p.queue[0]
	played := c.Dur
	if !p.done {
		played = min(p.zero-c.PTS+event.TicksOf(t.Sub(p.anchor)), c.Dur)
	}
	return t.Sub(c.At.Add(played.Duration()))
}

// backlog is the unplayed media that is here, at the last Add or Advance.
func (p *Playhead) backlog() event.Ticks {
	var sum event.Ticks
	for _, c := range p.queue {
		sum += c.Dur
	}
	if p.done {
		sum -= p.queue[0].Dur
	}
	return sum
}

// Reading returns when the media at pts of an epoch is played, or was: the rest of the
// epoch follows from it. While the playhead is held, that is what comes next, at now.
func (p *Playhead) Reading(now time.Time) (epoch event.Epoch, pts event.Ticks, at time.Time, ok bool) {
	if !p.started {
		return 0, 0, time.Time{}, false
	}
	if p.done {
		return p.queue[0].Epoch, p.queue[0].end(), now, true
	}
	return p.queue[0].Epoch, p.zero, p.anchor, true
}

// Now returns, at now, how far the playhead is behind the camera's bytes, 0 before it
// has begun, and how much media is ahead of it.
func (p *Playhead) Now(now time.Time) (delay, ahead time.Duration) {
	p.Advance(now)
	if !p.started {
		return 0, p.backlog().Duration()
	}
	rest := p.backlog()
	if !p.done {
		rest -= min(p.zero-p.queue[0].PTS+event.TicksOf(now.Sub(p.anchor)), p.queue[0].Dur)
	}
	return p.delayAt(now), rest.Duration()
}

// Held returns for how long the playhead has been held by now, because what comes next is
// not here; 0 where it plays, or nobody publishes.
func (p *Playhead) Held(now time.Time) time.Duration {
	if !p.started || !p.done || p.offline {
		return 0
	}
	return max(0, now.Sub(p.held))
}

// SetOffline says at now whether anybody publishes. While nobody does, being held is
// no stall; a hold that had begun counts up to now.
func (p *Playhead) SetOffline(now time.Time, offline bool) {
	p.Advance(now)
	if p.offline == offline {
		return
	}
	if p.done {
		p.release(now)
		p.held = now
	}
	p.offline = offline
}

// Report fills in what the playhead knows at now, a hold that still lasts included.
func (p *Playhead) Report(now time.Time, s *Summary) {
	p.Advance(now)
	s.DelayMS = Delay{P50: p.delays.percentile(0.50), P95: p.delays.percentile(0.95)}
	s.Stalls, s.StalledMS = p.stalls, p.stalledMS
	if d := now.Sub(p.held); p.started && p.done && !p.offline && d >= stallAfter {
		s.Stalls++
		s.StalledMS += d.Milliseconds()
	}
}
