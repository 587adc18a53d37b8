package peer

// histogram counts milliseconds in bins whose width grows with the value (at most
// 1/64 of it), so that a session of any length takes the same memory.
type histogram struct {
	bins  map[int64]uint64 // at most a few thousand: see bin
	count uint64
}

// maxSample is the longest delay told apart from longer ones: an hour, in ms.
const maxSample = 3_600_000

// bin returns the largest value that shares ms's bin.
func bin(ms int64) int64 {
	ms = min(max(ms, 0), maxSample)
	width := int64(1)
	for ms >= 128*width {
		width *= 2
	}
	return ms/width*width + width - 1
}

func (h *histogram) add(ms int64) {
	if h.bins == nil {
		h.bins = map[int64]uint64{}
	}
	h.bins[bin(ms)]++
	h.count++
}

// percentile returns the smallest value that p of the samples (0 < p ≤ 1) do not
// exceed, 0 when there are none.
func (h *histogram) percentile(p float64) int64 {
	if h.count == 0 {
		return 0
	}
	want := uint64(p * float64(h.count))
	if float64(want) < p*float64(h.count) {
		want++
	}
	var seen uint64
	for _, b := range sortedKeys(h.bins) {
		if seen += h.bins[b]; seen >= want {
			return b
		}
	}
	return 0
}
