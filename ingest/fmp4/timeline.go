package fmp4

import (
	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/media"
)

const (
	maxForward  = 3 * event.Timescale // a longer silence is taken for a clock being set
	maxBackward = event.Timescale / 2
	// maxTimestamp keeps sums of untrusted times far from overflow.
	maxTimestamp = event.Ticks(1) << 60
)

// timeline puts both tracks' timestamps on one clock that never leaps.
type timeline struct{ tracks [2]trackClock }

type trackClock struct {
	set    bool
	offset event.Ticks // from the publisher's timestamps to the timeline
	next   event.Ticks // where the next access unit is expected
}

// place returns where a timestamp lies. A timestamp that leaps is put where the track
// was expected to go on, and so is all that follows; leap then says by how much the
// publisher's clock moved. The other track follows when its own timestamps leap:
// until then it keeps its offset, as packets from before may still be under way.
func (tl *timeline) place(k media.Kind, ts event.Ticks) (t, leap event.Ticks) {
	ts = min(max(ts, -maxTimestamp), maxTimestamp)
	c, o := &tl.tracks[k], &tl.tracks[1-k]
	if !c.set && !o.set {
		c.set, c.offset, c.next = true, -ts, 0
		return 0, 0
	}
	expected, low, high := c.next, c.next-maxBackward, c.next+maxForward
	if !c.set {
		c.set, c.offset = true, o.offset
		expected, low = o.next, o.next-maxForward
		high = o.next + maxForward
	} else if o.set {
		high = max(high, o.next+maxForward)
		if o.next-c.next > event.Timescale {
			expected = o.next // this track was silent while the other went on
		}
	}
	t = ts + c.offset
	if t >= low && t <= high {
		return t, 0
	}
	if o.set {
		if u := ts + o.offset; u >= low && u <= high {
			c.offset = o.offset
			return u, 0
		}
	}
	leap = t - expected
	c.offset = expected - ts
	return expected, leap
}

// advance says where a track's next access unit is expected.
func (tl *timeline) advance(k media.Kind, next event.Ticks) { tl.tracks[k].next = next }

// rebase makes zero the timeline's origin.
func (tl *timeline) rebase(zero event.Ticks) {
	for k := range tl.tracks {
		tl.tracks[k].offset -= zero
		tl.tracks[k].next -= zero
	}
}
