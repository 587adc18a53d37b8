package fmp4

import (
	"math"
	"slices"

	"github.com/shoalcast/shoal/event"
)

// frameRate estimates how long a frame lasts, from the steps between decode times.
type frameRate struct {
	stated float64 // ticks a frame by the stream's own word, 0 when it says nothing
	recent [16]event.Ticks
	n      int
	mean   float64
}

const (
	minStep = event.Timescale / 1000
	// millisecond is the resolution of RTMP's timestamps, hence how much steps of
	// equal frames may differ.
	millisecond = event.Timescale / 1000
)

// add takes one step into account. Steps that were made by repairs do not count.
func (r *frameRate) add(step event.Ticks) {
	if step < minStep || step > maxForward {
		return
	}
	r.recent[r.n%len(r.recent)] = step
	r.n++
	steps := r.recent
	known := steps[:min(r.n, len(steps))]
	slices.Sort(known)
	median := known[len(known)/2]
	near := max(2*millisecond, median/8)
	var sum, count event.Ticks
	for _, s := range known {
		if s >= median-near && s <= median+near {
			sum += s
			count++
		}
	}
	r.mean = float64(sum) / float64(count)
}

// frame returns the ticks that a frame lasts, 0 when nothing is known yet. The
// stream's own word is exact and holds unless the timestamps speak against it.
func (r *frameRate) frame() float64 {
	if r.mean == 0 || math.Abs(r.mean-r.stated) <= r.mean/50 {
		return max(r.stated, 0)
	}
	if r.n < 3 && r.stated > 0 {
		return r.stated
	}
	return r.mean
}

// pieceTarget is the length of the whole number of frames nearest to target, one at
// least, rounded up to the next millisecond.
func pieceTarget(target event.Ticks, frame float64) event.Ticks {
	k := max(1, math.Round(float64(target)/frame))
	const grain = 1e-6 // of a tick: what floating point may add
	return event.Ticks(math.Ceil(k*frame/millisecond-grain)) * millisecond
}
