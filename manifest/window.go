package manifest

import "github.com/shoalcast/shoal/event"

// Bounds of the live window.
const (
	// LiveWindow is how much media stays playable live.
	LiveWindow = 30 * event.Timescale
	// MaxWindowBytes bounds it where bit rates are high, MaxWindowEntries where groups
	// of pictures never end.
	MaxWindowBytes   = 256 << 20
	MaxWindowEntries = 1024
)

// Window trims entries, in order and without holes, to the live window: from the
// last segment's start that has 30 s of media after it, or from the start of the group
// of pictures before the current one if that is earlier, within MaxWindowBytes and
// MaxWindowEntries. It depends on nothing but the entries.
func Window(entries []Entry) []Entry {
	return entries[WindowStart(len(entries), func(i int) *Entry { return &entries[i] }):]
}

// WindowStart is Window for whoever keeps entries inside of something else: of n of them,
// in order, it returns the index of the first that stays.
func WindowStart(n int, at func(int) *Entry) int {
	var (
		media event.Ticks
		bytes int64
		keys  int
	)
	earliest, enough := n, n // starts of segments: inside the bounds; with enough media after it
	for i := n - 1; i >= 0; i-- {
		e := at(i)
		media += e.Dur
		bytes += e.Size
		if earliest < n && (bytes > MaxWindowBytes || n-i > MaxWindowEntries) {
			break
		}
		if !e.StartsSegment() {
			continue
		}
		earliest = i
		if e.Key {
			keys++
		}
		if enough == n && media >= LiveWindow {
			enough = i
		}
		if enough < n && keys >= 2 {
			return i
		}
	}
	if keys == 0 && enough < n { // nothing here can be decoded: do not pile it up
		return enough
	}
	return earliest
}

func spanStart(n int, at func(int) *Entry, span event.Ticks) int {
	var media event.Ticks
	start := 0
	for i := n - 1; i >= 0; i-- {
		media += at(i).Dur
		if at(i).StartsSegment() {
			start = i
			if media >= span {
				break
			}
		}
	}
	return start
}

// Bandwidth returns the peak of any whole segment and the average over all of them,
// in bit/s. Entries are in order; the last segment counts only if it is alone.
func Bandwidth(entries []Entry) (peak, average int64) {
	var total, bytes int64
	var ticks, dur event.Ticks
	rate := func(size int64, t event.Ticks) int64 {
		if t == 0 {
			return 0
		}
		return size * 8 * event.Timescale / int64(t)
	}
	for i, e := range entries {
		bytes, dur = bytes+e.Size, dur+e.Dur
		last := i == len(entries)-1
		if last && ticks > 0 || !last && entries[i+1].MSN == e.MSN {
			continue
		}
		peak = max(peak, rate(bytes, dur))
		total, ticks = total+bytes, ticks+dur
		bytes, dur = 0, 0
	}
	return peak, rate(total, ticks)
}
