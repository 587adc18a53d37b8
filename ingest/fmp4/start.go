package fmp4

import (
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/media"
)

// startQueue holds what comes before it is known which tracks there are.
type startQueue struct {
	samples []sample
	bytes   int
	begun   bool
	t       event.Ticks // when the first is shown: sound comes with the time of what is shown
	arrived time.Time   // when it arrived, and as much later as it is shown after it is decoded
}

// maxEarlyAudio is how much audio from before the first picture is decoded is kept.
const maxEarlyAudio = event.Timescale / 2

func (q *startQueue) has(k media.Kind) bool {
	for i := range q.samples {
		if q.samples[i].kind == k {
			return true
		}
	}
	return false
}

func (q *startQueue) drop(k media.Kind) {
	q.keep(func(s *sample) bool { return s.kind != k })
}

func (q *startQueue) keep(ok func(*sample) bool) {
	kept := q.samples[:0]
	q.bytes = 0
	for i := range q.samples {
		if ok(&q.samples[i]) {
			kept = append(kept, q.samples[i])
			q.bytes += len(q.samples[i].data)
		}
	}
	clear(q.samples[len(kept):])
	q.samples = kept
}

// enqueue takes a sample before pieces have begun, and begins them when it is known
// which tracks there are, or it has been waited for long enough. The first picture in
// the queue is a keyframe.
func (c *Chunker) enqueue(s sample) {
	q := &c.queue
	if !q.begun {
		q.begun, q.t, q.arrived = true, s.pts, s.arrived.Add((s.pts - s.dts).Duration())
	}
	picture := q.has(media.Video)
	switch {
	case s.kind == media.Video && !picture && !s.key:
		c.warnings.Add(s.arrived, NotDecodable, "pictures before the first keyframe were dropped")
	case !c.fits(len(s.data)):
		c.warnings.Add(s.arrived, TooLarge, "a %s access unit of %d bytes is too large for a piece and was dropped", s.kind, len(s.data))
	default:
		if q.bytes+len(s.data) > c.opts.MaxPiece || len(q.samples) >= maxSamples {
			if c.begin(); c.running {
				c.add(s)
				return
			}
		}
		q.samples = append(q.samples, s)
		q.bytes += len(s.data)
		picture = picture || s.kind == media.Video
	}
	if !picture && c.want[media.Video] != nil {
		oldest := s.dts - maxEarlyAudio
		q.keep(func(s *sample) bool { return s.dts >= oldest })
	}
	sound := q.has(media.Audio)
	waited := max(s.dts-q.t, event.TicksOf(min(max(0, s.arrived.Sub(q.arrived)), time.Hour)))
	enough := waited >= event.TicksOf(c.opts.WaitTracks)
	switch {
	case picture && sound,
		picture && enough,
		sound && enough && (c.want[media.Video] == nil || waited > maxForward):
		c.begin()
	}
}

// begin settles the epoch's zero and the tracks of the first init, and plays the
// queue. A track that was described and brought nothing is left out until it does.
func (c *Chunker) begin() {
	q := c.queue.samples
	if len(q) == 0 {
		return
	}
	c.queue = startQueue{}
	first := -1 // the keyframe
	zero := q[0].dts
	var sound bool
	for i := range q {
		sound = sound || q[i].kind == media.Audio
		if first < 0 && q[i].kind == media.Video {
			first = i
		}
	}
	c.gone[media.Video] = first < 0
	c.gone[media.Audio] = !sound
	if first >= 0 {
		// The keyframe goes first, so that audio from before it joins its piece.
		key := q[first]
		copy(q[1:first+1], q[:first])
		q[0] = key
		zero = min(key.dts, key.pts)
		for i := range q {
			if s := &q[i]; s.kind == media.Audio && s.pts >= key.dts-maxEarlyAudio {
				zero = min(zero, s.pts)
			}
		}
	}
	c.time.rebase(zero)
	c.video.lastStep -= zero
	c.running = true
	for _, s := range q {
		s.dts -= zero
		s.pts -= zero
		if s.kind == media.Audio && s.pts < 0 {
			c.warnings.Add(s.arrived, EarlyAudio, "audio more than %.1f s before the first picture was dropped", float64(maxEarlyAudio)/event.Timescale)
			continue
		}
		c.add(s)
	}
}
