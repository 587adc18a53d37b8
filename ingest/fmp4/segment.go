package fmp4

import "github.com/shoalcast/shoal/event"

// segment is the one that is being cut.
type segment struct {
	index  uint64
	target event.Ticks // bound of its pieces; 0 until its first piece is cut
	last   event.Ticks // the segment's before it
	start  event.Ticks // decode time of its first sample
	sum    event.Ticks // of its pieces' durations
}

// next begins another segment at time t; one without a piece does not count.
func (s *segment) next(t event.Ticks) {
	if s.sum > 0 {
		s.index++
	}
	if s.target != 0 {
		s.last = s.target
	}
	s.target, s.start, s.sum = 0, t, 0
}

// bound returns the segment's target for pieces of frames of the given length. Until
// it is fixed it follows the estimate, except that a change of a few milliseconds is
// noise and must not move the playlist's part target to and fro.
func (s *segment) bound(target event.Ticks, frame float64) event.Ticks {
	if s.target != 0 {
		return s.target
	}
	t := pieceTarget(target, frame)
	if d := s.last - t; d > 0 && d <= 3*millisecond {
		return s.last
	}
	return t
}

// maxExcess is how much longer than allowed a segment may be. Playlists compare
// durations rounded to whole seconds.
const maxExcess = event.Timescale / 10

// full reports whether a piece that starts at t without a keyframe must start a
// segment: its own would grow past most, or its frames outgrew the target. A GOP that
// lasts as long as a segment may is not cut because its frames are counted in 1001ths.
func (s *segment) full(t, most, bound event.Ticks, frame float64) bool {
	length := max(s.sum, t-s.start)
	return float64(length+bound) > float64(most)+min(frame/2, maxExcess) || frame > 1.25*float64(bound)
}
