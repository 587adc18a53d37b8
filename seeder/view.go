package seeder

import (
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

// keepFrom returns the index from which items are kept: a little before where the
// playlist begins, for requests that still go by an older one. Should they have more
// than maxBytes together, it is the earliest segment's start from which they have not,
// and the playlist is shorter.
func keepFrom(items []*item, maxBytes int64) int {
	entries := make([]manifest.Entry, len(items))
	for i, it := range items {
		entries[i] = it.entry
	}
	listed := len(entries) - len(manifest.Window(entries))
	start := len(entries)
	var late event.Ticks
	var size int64
	for i := len(entries) - 1; i >= 0; i-- {
		e := &entries[i]
		size += e.Size
		if i < listed {
			late += e.Dur
		}
		if start < len(entries) && size > maxBytes {
			break
		}
		if e.StartsSegment() {
			start = i
			if i <= listed && late.Duration() >= lateRequests {
				break
			}
		}
	}
	if start == len(entries) {
		return 0
	}
	return start
}

// joinStart returns the index from which a newcomer plays: the start of a segment that
// a decoder can begin with, with at least span of media after it if there is as much.
func joinStart(items []*item, span time.Duration) int {
	start, decodable := 0, false
	var media event.Ticks
	for i := len(items) - 1; i >= 0; i-- {
		e := &items[i].entry
		media += e.Dur
		if !e.StartsSegment() || decodable && !e.Key {
			continue
		}
		start, decodable = i, e.Key
		if e.Key && media.Duration() >= span {
			break
		}
	}
	return start
}
