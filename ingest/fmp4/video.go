package fmp4

import (
	"math"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/media"
)

// videoState is what the video track remembers between pictures.
type videoState struct {
	rate    frameRate
	needKey bool // nothing can be decoded until a keyframe

	stamped  bool
	lastStep event.Ticks // decode time of the newest picture, before repairs

	began   bool
	lastDTS event.Ticks // of the newest picture in a piece, after repairs

	continues bool        // a fragment of the same init went before
	end       event.Ticks // where it ended
}

// assumedFrame is how long a picture lasts while nothing tells.
const assumedFrame = event.Timescale / 30

// step feeds the estimate of the frame rate.
func (v *videoState) step(t event.Ticks, leapt bool) {
	if v.stamped && !leapt {
		v.rate.add(t - v.lastStep)
	}
	v.stamped, v.lastStep = true, t
}

func (v *videoState) frameExact() float64 {
	if f := v.rate.frame(); f > 0 {
		return f
	}
	return assumedFrame
}

func (v *videoState) frame() event.Ticks { return event.Ticks(math.Round(v.frameExact())) }

func (c *Chunker) addVideo(s sample) {
	v := &c.video
	c.audio.sinceVideo = 0
	if v.needKey && !s.key {
		c.warnings.Add(s.arrived, NotDecodable, "pictures were dropped up to the next keyframe")
		return
	}
	if !c.fits(len(s.data)) {
		c.warnings.Add(s.arrived, TooLarge, "a picture of %d bytes is too large for a piece of %d: dropped, and all up to the next keyframe", len(s.data), c.opts.MaxPiece)
		v.needKey = true
		return
	}
	c.repair(&s)
	v.needKey = false
	if s.key {
		c.room(len(s.data)) // so that audio that stays for this piece leaves room
		c.startAtKey(s.dts)
	} else if n := len(c.piece.video); n > 0 && c.complete(s.dts-c.piece.video[0].dts) {
		c.cut(s.dts)
	}
	c.room(len(s.data))
	if len(c.piece.video) == 0 {
		c.startPiece(&s)
	}
	c.piece.video = append(c.piece.video, s)
	c.piece.bytes += len(s.data)
	c.piece.received = s.arrived
	v.began, v.lastDTS = true, s.dts
	if v.rate.frame() > 0 {
		if end := c.expectedEnd(); c.complete(end - c.piece.video[0].dts) {
			c.cut(end)
		}
	}
}

// expectedEnd is when the open piece's newest picture should end. It is counted from
// the piece's first picture, as then the rounding of timestamps does not add up from
// piece to piece; from the newest one when the pictures did not come evenly.
func (c *Chunker) expectedEnd() event.Ticks {
	video, f := c.piece.video, c.video.frameExact()
	even := video[0].dts + event.Ticks(math.Round(float64(len(video))*f))
	end := video[len(video)-1].dts + c.video.frame()
	if d := even - end; d >= -2*millisecond && d <= 2*millisecond {
		return max(even, video[len(video)-1].dts+1)
	}
	return end
}

// repair makes decode times grow and presentation times not come before them.
func (c *Chunker) repair(s *sample) {
	v := &c.video
	least := event.Ticks(0)
	if v.began {
		least = v.lastDTS + 1
	}
	switch {
	case s.dts < least:
		c.warnings.Add(s.arrived, BackwardTime, "a picture's decode time lies %.3f s before its predecessor's; it was moved behind it", float64(least-1-s.dts)/event.Timescale)
		s.dts = least
		if v.began {
			s.dts += event.Ticks(v.frameExact() / 2) // seen for a moment, and caught up soon
		}
		s.pts = max(s.pts, s.dts)
	case s.pts < s.dts:
		c.warnings.Add(s.arrived, BadPresentTime, "a picture is to be shown %.3f s before it is decoded; its decode time was moved", float64(s.dts-s.pts)/event.Timescale)
		s.dts = max(s.pts, least)
		s.pts = max(s.pts, s.dts)
	}
}

// complete reports whether a piece of the given length is one: another frame would
// bring it past its target by more than half a frame.
func (c *Chunker) complete(length event.Ticks) bool {
	f := c.video.frameExact()
	return float64(length)+f/2 > float64(c.segment.bound(c.target, f))
}

// startAtKey ends what is open, since a keyframe starts a piece and a segment, and
// takes new parameters into use. Audio that came after the last piece stays for the
// one that starts here, unless its own parameters change.
func (c *Chunker) startAtKey(t event.Ticks) {
	if len(c.piece.video) > 0 {
		c.cut(t)
	}
	c.gone[media.Video] = false
	if a := &c.audio; c.has[media.Audio] != nil && a.synced && !c.gone[media.Audio] &&
		t-a.end(c.has[media.Audio]) > maxForward {
		c.gone[media.Audio] = true
		c.warnings.Add(c.piece.received, TrackStopped, "the audio stopped; the stream goes on without it")
	}
	d := c.desired()
	if d == c.has {
		c.segment.next(t)
		return
	}
	if !c.hasVideo() || d[media.Audio] != c.has[media.Audio] {
		c.cutOpen()
	}
	c.describe(d, t)
}

// startPiece prepares the first picture of a piece. Its decode time is drawn back to
// where the fragment before ended when pictures are missing between them.
func (c *Chunker) startPiece(s *sample) {
	v := &c.video
	f := v.frameExact()
	if !s.key && c.segment.full(s.dts, c.maxSegment, c.segment.bound(c.target, f), f) {
		c.segment.next(s.dts)
	}
	s.decode = int64(s.dts)
	if v.continues && float64(s.dts-v.end) > f*3/4 {
		s.decode = int64(v.end)
	}
}
