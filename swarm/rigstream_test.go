package swarm

import (
	"slices"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

// rigPiece is piece number i of a stream of 200 ms pieces with a keyframe every second.
func rigPiece(i, size int) *Head {
	h := &Head{Entry: manifest.Entry{
		V: 1, Stream: rigStream, R: "v0", Epoch: 1, N: uint64(i), Issued: 1, MSN: uint64(i / 5), Part: uint64(i % 5),
		Key: i%5 == 0, PTS: event.Ticks(i) * 18000, Dur: 18000, Size: int64(size),
	}}
	h.Leaves = make([][32]byte, h.Blocks())
	return h
}

func rigData(h *Head) []byte {
	b := make([]byte, 0, h.Entry.Size)
	for i := range h.Blocks() {
		b = append(b, rigBlock(h, i)...)
	}
	return b
}

// rigBlock is what block i of a genuine piece holds.
func rigBlock(h *Head, i int) []byte {
	b := make([]byte, h.BlockLen(i))
	for k := range b {
		b[k] = byte(uint64(k)*7 + h.Entry.N + uint64(h.Entry.Epoch)*3 + uint64(i)*13)
	}
	return b
}

func key(i int) Key { return Key{"v0", event.Position{Epoch: 1, N: uint64(i)}} }

// play has the seeds publish pieces from to to-1, one each 200 ms.
func (r *rig) play(from, to, size int, seeds ...*rigNode) {
	for i := from; i < to; i++ {
		for _, s := range seeds {
			if !s.closed {
				h := rigPiece(i, size)
				s.Add(r.now, h, rigData(h), FromOrigin)
				s.whole[h.Key()] = r.now
				r.take(s)
			}
		}
		r.run(r.now + 200*time.Millisecond)
	}
}

// lateness returns how long after the first seed a viewer had the pieces, sorted, and
// how many it lacks.
func (r *rig) lateness(n, seed *rigNode, from, to int) (late []Time, missing int) {
	for i := from; i < to; i++ {
		at, ok := n.whole[key(i)]
		if !ok {
			missing++
			continue
		}
		late = append(late, at-seed.whole[key(i)])
	}
	slices.Sort(late)
	return late, missing
}

func (r *rig) mesh(nodes ...*rigNode) {
	for i, a := range nodes {
		for _, b := range nodes[i+1:] {
			r.connect(a, b)
		}
	}
}
