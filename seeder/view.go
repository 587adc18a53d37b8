package seeder

import (
	"time"

	"github.com/shoalcast/shoal/event"
)

// keepFrom returns the index from which items are kept: the start of a segment, with
// span of media after it, and at least the current and the previous keyframe's segments
// unless that needs more than twice span or more than maxBytes. Without any segment's
// start it is -1. It depends on nothing but the entries, as the playlist within it does.
func keepFrom(items []*item, span time.Duration, maxBytes int64) int {
	start, keys := -1, 0
	var media event.Ticks
	var size int64
	for i := len(items) - 1; i >= 0; i-- {
		e := &items[i].entry
		media += e.Dur
		size += e.Size
		if !e.StartsSegment() {
			continue
		}
		if start >= 0 && size > maxBytes {
			break
		}
		start = i
		if e.Key {
			keys++
		}
		if long := media.Duration(); long >= 2*span || long >= span && keys >= 2 {
			break
		}
	}
	return start
}

// joinStart returns the index from which a newcomer plays: the start of a segment that
// a decoder can begin with, with at least span of media after it if there is as much.
func joinStart(items []*item, span time.Duration) int {
	start := -1
	var media event.Ticks
	for i := len(items) - 1; i >= 0; i-- {
		e := &items[i].entry
		media += e.Dur
		if !e.StartsSegment() {
			continue
		}
		if e.Key || start < 0 {
			start = i
		}
		if e.Key && media.Duration() >= span {
			break
		}
	}
	return max(start, 0)
}
