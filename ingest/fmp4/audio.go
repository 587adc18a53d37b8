package fmp4

import (
	"math"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/fmp4/codec"
	"github.com/shoalcast/shoal/ingest/media"
)

// audioState is what the audio track remembers between frames.
type audioState struct {
	synced bool
	next   int64 // sample count at which the next frame starts
	late   int   // frames in a row that came too late for the count, negative: too early
	behind bool  // dropping frames until the timestamps reach the count

	sinceVideo event.Ticks // audio since the last picture came
}

const (
	maxDrift    = 60 * millisecond
	plainDrift  = 300 * millisecond // no jitter reaches this
	driftFrames = 8                 // in a row make a smaller one believed
)

// measure sets a frame's length in samples; false when the packet is malformed.
func (a *audioState) measure(info *codec.Info, s *sample) bool {
	n := info.FrameSamples
	if info.Codec == media.Opus {
		var err error
		if n, err = codec.OpusSamples(s.data); err != nil {
			return false
		}
	}
	s.duration = int64(n)
	return true
}

// ticks converts samples to media time.
func (a *audioState) ticks(info *codec.Info, samples int64) event.Ticks {
	return event.Ticks(math.Round(float64(samples) * event.Timescale / float64(info.Timescale)))
}

func (a *audioState) samples(info *codec.Info, t event.Ticks) int64 {
	return int64(math.Round(float64(t) * float64(info.Timescale) / event.Timescale))
}

func (a *audioState) end(info *codec.Info) event.Ticks { return a.ticks(info, a.next) }

func (c *Chunker) addAudio(s sample) {
	a := &c.audio
	c.gone[media.Audio] = false
	if c.want[media.Audio] != c.has[media.Audio] {
		if c.hasVideo() {
			c.warnings.Add(s.arrived, ConfigChange, "audio that no init segment describes yet was dropped up to the next keyframe")
			return
		}
		c.cutOpen()
		d := c.desired()
		d[media.Video] = nil // it joins at a keyframe
		c.describe(d, s.pts)
	}
	info := c.has[media.Audio]
	if !c.fits(len(s.data)) {
		c.warnings.Add(s.arrived, TooLarge, "an audio frame of %d bytes is too large for a piece and was dropped", len(s.data))
		return
	}
	if !a.synced {
		a.synced, a.next, a.late, a.behind = true, max(0, a.samples(info, s.pts)), 0, false
	}
	if !c.follow(info, &s) {
		return
	}
	c.appendAudio(info, s)
}

// follow compares the count of samples with a frame's timestamp, and decides: false
// drops the frame. Where frames are missing it fills in silence.
func (c *Chunker) follow(info *codec.Info, s *sample) bool {
	a := &c.audio
	drift := s.pts - a.end(info)
	if a.behind && drift >= 0 {
		a.behind = false
	}
	if a.behind {
		return false
	}
	switch {
	case drift > maxDrift:
		a.late = max(a.late, 0) + 1
	case drift < -maxDrift:
		a.late = min(a.late, 0) - 1
	default:
		a.late = 0
		return true
	}
	if a.late < driftFrames && a.late > -driftFrames && drift < plainDrift && drift > -plainDrift {
		return true
	}
	a.late = 0
	seconds := float64(drift) / event.Timescale
	if drift < 0 {
		c.warnings.Add(s.arrived, AudioDrift, "the audio ran %.3f s ahead of its timestamps; as much of it is dropped", -seconds)
		a.behind = true
		return false
	}
	quiet := silence(info)
	if quiet == nil || drift > maxForward {
		c.warnings.Add(s.arrived, AudioDrift, "%.3f s of audio are missing", seconds)
		c.cutOpen() // a gap can stand between fragments only
		a.next = a.samples(info, s.pts)
		return true
	}
	c.warnings.Add(s.arrived, AudioDrift, "%.3f s of audio are missing; silence was put in", seconds)
	fill := sample{kind: media.Audio, key: true, data: quiet, arrived: s.arrived}
	if !a.measure(info, &fill) {
		return true
	}
	for n := a.samples(info, drift) / fill.duration; n > 0; n-- {
		c.appendAudio(info, fill)
	}
	return true
}

// appendAudio puts a frame at the end of the audio, and cuts the piece where the
// audio decides that.
func (c *Chunker) appendAudio(info *codec.Info, s sample) {
	a := &c.audio
	c.room(len(s.data))
	s.decode = a.next
	s.pts = a.end(info)
	s.dts = s.pts
	length := a.ticks(info, s.duration)
	if !c.hasVideo() && len(c.piece.audio) == 0 {
		f := float64(s.duration) * event.Timescale / float64(info.Timescale)
		if c.segment.full(s.pts, c.maxSegment/2, c.segment.bound(c.target, f), f) {
			c.segment.next(s.pts)
		}
	}
	c.piece.audio = append(c.piece.audio, s)
	c.piece.bytes += len(s.data)
	c.piece.received = s.arrived
	a.next += s.duration
	a.sinceVideo += length
	f := float64(s.duration) * event.Timescale / float64(info.Timescale)
	if c.hasVideo() {
		c.watchVideo(f)
		return
	}
	if float64(a.end(info)-c.piece.audio[0].pts)+f/2 > float64(c.segment.bound(c.target, f)) {
		c.cutAudio(len(c.piece.audio))
	}
}

// watchVideo keeps audio flowing when video stops: first in pieces without pictures,
// then in a stream without video, until a keyframe comes.
func (c *Chunker) watchVideo(frame float64) {
	a := &c.audio
	bound := c.segment.bound(c.target, c.video.frameExact())
	if a.sinceVideo <= max(2*bound, 3*c.video.frame()) {
		return
	}
	if len(c.piece.video) > 0 {
		c.cutOpen()
		return
	}
	info := c.has[media.Audio]
	for len(c.piece.audio) > 0 {
		n, first := 0, c.piece.audio[0].pts
		for n < len(c.piece.audio) {
			s := &c.piece.audio[n]
			if n++; float64(s.pts+a.ticks(info, s.duration)-first)+frame/2 > float64(bound) {
				break
			}
		}
		last := &c.piece.audio[n-1]
		if n == len(c.piece.audio) && float64(last.pts+a.ticks(info, last.duration)-first)+frame/2 <= float64(bound) {
			break
		}
		c.cutAudio(n)
	}
	if a.sinceVideo > maxForward {
		c.warnings.Add(c.piece.received, TrackStopped, "the video stopped; the stream goes on without it")
		c.cutOpen()
		c.gone[media.Video] = true
		c.video.needKey = true
		c.describe(c.desired(), a.end(info))
	}
}
