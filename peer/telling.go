package peer

import (
	"runtime"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/internal/reporting"
)

// telling makes the viewer's reports (docs/spec/telemetry.md) from what the watcher sees.
// The watcher's goroutine alone uses it.
type telling struct {
	out       chan<- event.Report
	same      event.Report // what is the same in all
	schedule  *reporting.Schedule
	arrivals  reporting.Arrivals
	neighbour neighbours
	state     event.PlayState

	last    time.Time // of the report before
	ticked  time.Time
	before  counts
	started bool // the start was told of
	began   time.Time
	n       int64

	// Since the report before.
	played, wanted time.Duration
	size           int64
	media          event.Ticks
}

// counts are those of a session so far that reports tell differences of.
type counts struct {
	Summary
	given int64
}

// tellsOf says who reports what, to be told by out.
func (in *entrance) tellsOf(o Options, now time.Time, swarming bool, out chan<- event.Report) *telling {
	up := in.party(o).up
	consent := "share"
	switch {
	case !swarming:
		consent, up = "edge", 0
	case up == 0:
		consent = "download"
	}
	return &telling{
		out: out, began: now, last: now, ticked: now, state: event.Starting,
		schedule: reporting.NewSchedule(now, o.timing.report, reporting.Jitter()*o.timing.report/reporting.Every, event.Starting),
		same: event.Report{
			Stream: in.document.StreamID, Session: reporting.NewSession(), Format: "o", Type: "ll", Reporter: event.ByWatch,
			Consent: consent, Uplink: up / 1000, Rendition: o.Rendition, Class: "shoal-" + runtime.GOOS,
		},
	}
}

// arrived takes note of a piece that has its turn, before the playhead has it.
func (t *telling) arrived(f fetched, now time.Time, p *Playhead) {
	if t == nil || f.data == nil {
		return
	}
	t.size += int64(len(f.data))
	t.media += f.entry.Dur
	if f.catchup {
		return
	}
	issued := time.UnixMilli(f.entry.Issued)
	one := reporting.Arrival{Signed: issued.Sub(time.UnixMilli(f.entry.At)), Here: now.Sub(issued)}
	if epoch, pts, at, ok := p.Reading(now); ok && epoch == f.entry.Epoch {
		one.Due, one.Slack = true, at.Add((f.entry.PTS-pts).Duration()).Sub(now)-p.Held(now)
	}
	t.arrivals.Add(one)
}

// tick looks at the session at now, and reports what is due.
func (t *telling) tick(now time.Time, w *watcher, state State) {
	if t == nil {
		return
	}
	passed := now.Sub(t.ticked)
	t.ticked = now
	held := w.playhead.Held(now)
	t.state = event.Playing
	switch {
	case state == Offline:
		t.state = event.Waiting
	case !w.playhead.started:
		t.state = event.Starting
	case held >= stallAfter:
		t.state = event.Stalled
	}
	if state != Offline {
		t.wanted += passed
		if w.playhead.started && held == 0 {
			t.played += passed
		}
	}
	if why, due := t.schedule.Due(now, t.state); due {
		t.report(now, w, why)
	}
}

// end makes the last report; it counts as failed where the stream is broken.
func (t *telling) end(now time.Time, w *watcher, broken bool) {
	if t == nil {
		return
	}
	t.state = event.Quit
	if broken {
		t.state = event.Failed
	}
	t.report(now, w, event.OnState)
	close(t.out)
}

func (t *telling) report(now time.Time, w *watcher, why event.ReportEvent) {
	w.collect()
	w.playhead.Report(now, &w.summary)
	c := counts{Summary: w.summary}
	if w.uploaded != nil {
		c.given = w.uploaded()
	}
	r := t.same
	passed := now.Sub(t.last)
	delay, ahead := w.playhead.Now(now)
	r.N, r.At, r.Event, r.State, r.Interval = t.n, now.UnixMilli(), why, t.state, passed.Milliseconds()
	r.Delay, r.Buffer = max(0, delay.Milliseconds()), ahead.Milliseconds()
	r.Played, r.Wanted = t.played.Milliseconds(), t.wanted.Milliseconds()
	r.Peers, r.Given = c.Peers, c.given-t.before.given
	r.PeerBytes, r.SeedBytes = c.Bytes.Peer-t.before.Bytes.Peer, c.Bytes.Seed-t.before.Bytes.Seed
	r.EdgeBytes, r.OriginBytes = c.Bytes.Edge-t.before.Bytes.Edge, c.Bytes.Origin-t.before.Bytes.Origin
	r.Duplicate, r.Rejected = c.BytesDuplicate-t.before.BytesDuplicate, c.PiecesRejected-t.before.PiecesRejected
	r.FalseBlocks = c.BlocksRejected - t.before.BlocksRejected
	r.Stalls, r.DryMs = c.Stalls-t.before.Stalls, c.StalledMS-t.before.StalledMS
	r.Starved = r.DryMs > 0
	if t.media > 0 {
		r.Bitrate = t.size * 8 / max(1, millis(t.media))
	}
	if w.playhead.started && !t.started {
		t.started, r.Start = true, now.Sub(t.began).Milliseconds()
	}
	t.arrivals.Take(&r)
	if w.party != nil {
		r.Neighbours = t.neighbour.look(w.party.peersNow(), passed, event.MaxNeighbours)
		r.Swaps, t.neighbour.swaps = t.neighbour.swaps, 0
	}
	t.n++
	t.before, t.last, t.played, t.wanted, t.size, t.media = c, now, 0, 0, 0, 0
	select {
	case t.out <- r:
	default: // whoever sends them is held up: the number tells that one is missing
	}
}
