package swarm

import "github.com/shoalcast/shoal/event"

// haveSpan is how many pieces of one epoch are remembered of a neighbour: as many as
// a live window can have.
const haveSpan = 1024

// haves is what a neighbour says it has of a rendition, in its two newest epochs.
type haves struct{ newer, older epochHaves }

type epochHaves struct {
	epoch event.Epoch
	first uint64 // lowest that was announced
	next  uint64 // one more than the highest; 0: nothing was announced
	ring  [haveSpan / 64]uint64
}

// add takes in the announcement of count pieces; count is at most MaxRun.
func (h *haves) add(pos event.Position, count int) {
	switch {
	case pos.Epoch > h.newer.epoch:
		h.older, h.newer = h.newer, epochHaves{epoch: pos.Epoch}
		h.newer.add(pos.N, count)
	case pos.Epoch == h.newer.epoch:
		h.newer.add(pos.N, count)
	case pos.Epoch > h.older.epoch:
		h.older = epochHaves{epoch: pos.Epoch}
		h.older.add(pos.N, count)
	case pos.Epoch == h.older.epoch:
		h.older.add(pos.N, count)
	}
}

func (h *epochHaves) add(n uint64, count int) {
	end := n + uint64(count)
	if h.next == 0 {
		h.first, h.next = n, n
	}
	h.first = min(h.first, n)
	if end > h.next {
		if end-h.next >= haveSpan {
			h.ring = [haveSpan / 64]uint64{}
		} else {
			for i := h.next; i < end; i++ {
				h.ring[i%haveSpan/64] &^= 1 << (i % 64)
			}
		}
		h.next = end
	}
	for i := n; i < end; i++ {
		if h.holds(i) {
			h.ring[i%haveSpan/64] |= 1 << (i % 64)
		}
	}
}

// holds reports whether the ring has a place for n.
func (h *epochHaves) holds(n uint64) bool { return n < h.next && n+haveSpan >= h.next }

func (h *epochHaves) has(n uint64) bool {
	return h.holds(n) && h.ring[n%haveSpan/64]>>(n%64)&1 == 1
}

// last returns the newest piece that was announced.
func (h *haves) last() event.Position {
	if h.newer.next == 0 {
		return event.Position{}
	}
	return event.Position{Epoch: h.newer.epoch, N: h.newer.next - 1}
}

func (h *haves) has(pos event.Position) bool {
	switch pos.Epoch {
	case h.newer.epoch:
		return h.newer.has(pos.N)
	case h.older.epoch:
		return h.older.has(pos.N)
	}
	return false
}
