package swarm

import (
	"cmp"
	"slices"
	"time"

	"github.com/shoalcast/shoal/event"
)

// headAsk is a run of heads that was asked for.
type headAsk struct {
	key   Key
	count int
	until Time
	by    *neighbour
	new   bool // it has the newest head that by announced
}

const (
	headGrace  = 60 * time.Millisecond  // in which a head may still come by itself
	headAgain  = 300 * time.Millisecond // before heads are asked of another; doubles
	headAsks   = 4                      // runs of heads that one claim has others asked for at once
	headLies   = 3                      // runs that a neighbour may announce and not give, in a row
	firstHeads = 64                     // newest pieces in which a newcomer looks for its beginning
)

// askHeads asks for the heads of pieces that others announced, the newest first.
func (n *Node) askHeads(now Time, t *track) {
	t.headsAt = never
	n.headless(now, t)
	missing := false
	for _, c := range n.claims(t, now) {
		asks := 0
		for at, first := c.next, t.firstHead(c.epoch, c.next); at > first && asks < headAsks && len(t.asked) < maxClaims*headAsks; {
			key := Key{t.r, event.Position{Epoch: c.epoch, N: at - 1}}
			if t.find(key.Position) != nil {
				at--
				continue
			}
			missing = true
			if a := t.isAsked(key); a != nil {
				at = a.key.N
				asks++
				continue
			}
			count := 1
			for ; count < MaxHeads && at-uint64(count) > first; count++ {
				k := Key{t.r, event.Position{Epoch: c.epoch, N: at - uint64(count) - 1}}
				if t.find(k.Position) != nil || t.isAsked(k) != nil {
					break
				}
			}
			if nb := n.headHolder(now, t, key.Position); nb != nil {
				key.N = at - uint64(count)
				n.send(nb, &GetHeads{Key: key, Count: count})
				newest := nb.track(t).haves.last() == event.Position{Epoch: c.epoch, N: at - 1}
				wait := headAgain
				if !newest {
					wait <<= min(t.headMisses, 4)
				}
				t.asked = append(t.asked, headAsk{key, count, now + max(wait, 2*nb.trip()), nb, newest})
				asks++
			}
			at -= uint64(count)
		}
	}
	if missing {
		t.headsAt = now + headAgain
	}
}

// headless takes note of who announced pieces and did not give their heads. What such a
// neighbour announces counts for nothing for a while, so that it cannot make others look
// for pieces that do not exist.
func (n *Node) headless(now Time, t *track) {
	var silent []*neighbour
	t.asked = slices.DeleteFunc(t.asked, func(a headAsk) bool {
		if a.until > now {
			return false
		}
		for i := range a.count {
			if pos := (event.Position{Epoch: a.key.Epoch, N: a.key.N + uint64(i)}); t.find(pos) != nil || pos.Before(t.floor) {
				t.headMisses = 0
				return true
			}
		}
		t.headMisses++
		if a.new && !a.by.gone {
			if a.by.headless++; a.by.headless >= headLies {
				a.by.mute = now + time.Second<<min(a.by.headless-headLies, 5)
			}
			if a.by.headless > 3*headLies {
				silent = append(silent, a.by)
			}
		}
		return true
	})
	for _, nb := range silent {
		n.drop(now, nb, Silent)
	}
}

// claim is that an epoch has pieces up to the one before next.
type claim struct {
	epoch event.Epoch
	next  uint64
}

// maxClaims bounds how many claims that differ widely are looked into at once.
const maxClaims = 4

// claims returns how far others announce pieces that this node wants, the newest first.
// A claim that nobody comes near to does not hide the others.
func (n *Node) claims(t *track, now Time) []claim {
	var all []claim
	for _, nb := range n.conns {
		if nb.mute > now || len(nb.tracks) <= t.index {
			continue
		}
		h := &nb.tracks[t.index].haves
		for _, e := range [2]*epochHaves{&h.newer, &h.older} {
			if e.next > 0 && e.epoch >= t.floor.Epoch && (!t.follows || e.epoch >= t.from.Epoch) {
				all = append(all, claim{e.epoch, e.next})
			}
		}
	}
	slices.SortFunc(all, func(a, b claim) int {
		return cmp.Or(cmp.Compare(b.epoch, a.epoch), cmp.Compare(b.next, a.next))
	})
	var out []claim
	for _, c := range all {
		if len(out) > 0 {
			if last := out[len(out)-1]; last.epoch == c.epoch && last.next-c.next < MaxHeads {
				continue
			}
		}
		if out = append(out, c); len(out) == maxClaims {
			break
		}
	}
	return out
}

// firstHead returns the lowest number of an epoch whose head is wanted.
func (t *track) firstHead(epoch event.Epoch, next uint64) uint64 {
	first := next - min(next, haveSpan)
	if !t.follows {
		newest := next - min(next, firstHeads)
		i, ok := t.search(event.Position{Epoch: epoch, N: newest})
		if !ok && (i == len(t.pieces) || len(t.pieces)-i < firstHeads) {
			first = newest // else there is no beginning among the newest: look at all
		}
	} else if t.from.Epoch == epoch {
		first = max(first, t.from.N)
	}
	if t.floor.Epoch == epoch {
		first = max(first, t.floor.N)
	}
	return first
}

// missedHead takes note of a head that another had to be asked for.
func (n *Node) missedHead(now Time, t *track) {
	ln := &t.lanes[HeadLane]
	if ln.missed++; ln.missed >= 2*n.t.Missed {
		n.fail(now, t, HeadLane)
	}
}

// isAsked returns the run that a head was asked for in.
func (t *track) isAsked(k Key) *headAsk {
	for i := range t.asked {
		if a := &t.asked[i]; a.key.Epoch == k.Epoch && k.N >= a.key.N && k.N < a.key.N+uint64(a.count) {
			return a
		}
	}
	return nil
}

// headHolder picks one that announced a piece, by chance.
func (n *Node) headHolder(now Time, t *track, pos event.Position) *neighbour {
	var pick *neighbour
	seen := 0
	for _, nb := range n.conns {
		if !nb.hello || nb.mute > now || len(nb.tracks) <= t.index || !nb.tracks[t.index].haves.has(pos) {
			continue
		}
		if seen++; n.random.below(seen) == 0 {
			pick = nb
		}
	}
	return pick
}
