package sim

import (
	"cmp"
	"container/heap"
	"slices"
	"time"

	"github.com/shoalcast/shoal/event"
)

const (
	treeBlocks = 8  // that are planned, each by a tree of its own
	treeNear   = 16 // children of about the same uplink, of which the nearest is taken
)

// tree plans how a block could reach all viewers soonest if everything were known: who
// has how much uplink, and how far everybody is from everybody. A viewer passes on one
// block in so many, to that many times as many children, which is what its uplink bears
// in the long run; those with the best uplinks come first, each next to whoever can send
// soonest. The best of some such numbers counts.
func (w *world) tree() *tally {
	t := newTally(&w.o)
	for range w.o.Peers {
		w.addViewer(0)
	}
	var best [][]time.Duration
	for every := 1; every <= 32; every *= 2 {
		arrivals := make([][]time.Duration, treeBlocks)
		for b := range arrivals {
			arrivals[b] = w.plant(b, every)
		}
		if best == nil || mostOf(arrivals) < mostOf(best) {
			best = arrivals
		}
	}
	copies := int64(w.firstCopies())
	for i := range w.o.Peers {
		worst := time.Duration(0)
		for b := range best {
			t.late.add(best[b][i], 1)
			worst = max(worst, best[b][i])
		}
		t.delay.add(worst, 1)
	}
	block := min(event.BlockSize, w.o.Bitrate/8*int64(w.o.Piece)/int64(time.Second))
	t.bySource = [sources]int64{(int64(w.o.Peers) - copies) * block, copies * block}
	return &t
}

func (w *world) firstCopies() int {
	return min(1+w.o.Peers/max(1, w.o.Tuning.CopiesPer), w.o.Peers)
}

// mostOf returns the 99th percentile.
func mostOf(arrivals [][]time.Duration) time.Duration {
	all := slices.Concat(arrivals...)
	slices.Sort(all)
	return all[len(all)*99/100]
}

// plant returns when each viewer has block b, if each passes on one block in every.
func (w *world) plant(b, every int) []time.Duration {
	viewers := w.peers[w.o.Seeds:]
	size := int(min(event.BlockSize, w.o.Bitrate/8*int64(w.o.Piece)/int64(time.Second)))
	wire := float64(size + (size+mss-1)/mss*headers)
	copies := func(p *peer) int {
		if int(mix(uint64(p.id))%uint64(every)) != b%every {
			return 0
		}
		return int(float64(every) * p.gives() / float64(w.o.Bitrate))
	}
	order := make([]int, len(viewers))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(x, y int) int {
		p, q := viewers[x], viewers[y]
		return cmp.Or(cmp.Compare(min(1, copies(q)), min(1, copies(p))), cmp.Compare(q.upRate, p.upRate))
	})
	at := make([]time.Duration, len(viewers))
	source := &peer{w: w, place: w.rtt.centre(), access: 500 * time.Microsecond, up: perByte(float64(w.o.SeedUp))}
	h := &senders{{source, time.Duration(wire * source.up), w.firstCopies()}}
	for len(order) > 0 {
		if h.Len() == 0 { // the uplinks do not suffice: the source gives the rest
			heap.Push(h, sender{source, time.Duration(wire * source.up), len(order)})
		}
		s := &(*h)[0]
		near := 0
		for k := 1; k < min(treeNear, len(order)); k++ {
			if w.oneWay(s.p, viewers[order[k]]) < w.oneWay(s.p, viewers[order[near]]) {
				near = k
			}
		}
		i := order[near]
		order = slices.Delete(order, near, near+1)
		p := viewers[i]
		at[i] = s.done + w.oneWay(s.p, p)
		s.done += time.Duration(wire * s.p.up)
		if s.left--; s.left == 0 {
			heap.Pop(h)
		} else {
			heap.Fix(h, 0)
		}
		if c := copies(p); c > 0 {
			heap.Push(h, sender{p, at[i] + time.Duration(wire*p.up), c})
		}
	}
	return at
}

// sender is a peer that has the block, when it will have sent it once more, and how
// often it still can.
type sender struct {
	p    *peer
	done time.Duration
	left int
}

type senders []sender

func (s senders) Len() int           { return len(s) }
func (s senders) Less(i, j int) bool { return s[i].done < s[j].done }
func (s senders) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }
func (s *senders) Push(x any)        { *s = append(*s, x.(sender)) }
func (s *senders) Pop() any {
	last := (*s)[len(*s)-1]
	*s = (*s)[:len(*s)-1]
	return last
}
