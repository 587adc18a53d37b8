package peer

import (
	"context"
	"slices"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
	"github.com/shoalcast/shoal/swarm"
)

// gossip is what the swarm has told of the stream's newest entries.
type gossip struct {
	heads   []told    // by position, newest last; at most partyHeads
	newest  time.Time // when the newest came
	arrived time.Time // when the first came
}

// told is a verified head, and when it came.
type told struct {
	head *swarm.Head
	at   time.Time
}

func (t told) position() event.Position { return t.head.Entry.Position() }

const (
	// partyHeads is how many heads are remembered: more than any live window has.
	partyHeads = 1024
	// settle is how long no head may come before a newcomer takes the newest for what is
	// live; settleMost is how long it waits for that at most.
	settle     = 100 * time.Millisecond
	settleMost = time.Second
	// lagging is how many pieces the swarm may be behind the origin before its word is not
	// waited for.
	lagging = 4
)

func (g *gossip) search(pos event.Position) (int, bool) {
	return slices.BinarySearchFunc(g.heads, pos, func(t told, pos event.Position) int {
		switch q := t.position(); {
		case q.Before(pos):
			return -1
		case pos.Before(q):
			return 1
		}
		return 0
	})
}

func (g *gossip) add(h *swarm.Head, now time.Time) bool {
	i, found := g.search(h.Entry.Position())
	if found {
		return false
	}
	if len(g.heads) == 0 {
		g.arrived = now
	}
	if i == len(g.heads) {
		g.newest = now
	}
	g.heads = slices.Insert(g.heads, i, told{h, now})
	if len(g.heads) > partyHeads {
		g.heads = slices.Delete(g.heads, 0, len(g.heads)-partyHeads)
	}
	return true
}

// flowing returns how much longer than now a viewer whose newest entry is at pos may
// leave it to the swarm to bring the next, when it has been silent for no longer than
// quiet. It is 0 or less when somebody else is to be asked.
func (g *gossip) flowing(now time.Time, pos event.Position, quiet time.Duration) time.Duration {
	if len(g.heads) == 0 {
		return 0
	}
	last := g.heads[len(g.heads)-1].position()
	if last.Epoch < pos.Epoch || last.Epoch == pos.Epoch && last.N+lagging < pos.N {
		return 0
	}
	return quiet - now.Sub(g.newest)
}

// after returns the known run of entries after pos, or, of a viewer that has none, from
// the newest keyframe on.
func (g *gossip) after(pos event.Position) []manifest.Envelope {
	if pos == (event.Position{}) {
		return g.newestRun(pos)
	}
	i, found := g.search(pos)
	if found {
		i++
	}
	var out []manifest.Envelope
	for _, t := range g.heads[i:] {
		next := t.position()
		if next.Epoch == pos.Epoch && next.N != pos.N+1 || next.Epoch != pos.Epoch && next.N != 0 {
			break
		}
		out = append(out, t.head.Envelope())
		pos = next
	}
	return out
}

// newestRun returns the entries without a hole from the last keyframe on, if that is
// behind pos.
func (g *gossip) newestRun(pos event.Position) []manifest.Envelope {
	for i, t := range slices.Backward(g.heads) {
		e := &t.head.Entry
		if !pos.Before(t.position()) {
			return nil
		}
		if e.Key && e.StartsSegment() {
			out := make([]manifest.Envelope, 0, len(g.heads)-i)
			for _, t := range g.heads[i:] {
				out = append(out, t.head.Envelope())
			}
			return out
		}
		if i == 0 || g.heads[i-1].head.Entry.Epoch != e.Epoch || g.heads[i-1].head.Entry.N+1 != e.N {
			return nil
		}
	}
	return nil
}

// settling returns how much longer heads may come in that tell a newcomer what is live.
func (g *gossip) settling(now time.Time) time.Duration {
	return min(settle-now.Sub(g.newest), settleMost-now.Sub(g.arrived))
}

func (p *party) onHead(h *swarm.Head) {
	if h.Entry.R != p.rendition {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gossip.add(h, time.Now()) {
		p.wake()
	}
}

// flowing returns how long the follower may wait for gossip alone.
func (p *party) flowing(pos event.Position) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.gossip.flowing(time.Now(), pos, p.timing.quiet)
}

// after waits for the entries that follow pos without a hole. There are none if ctx ends
// before.
func (p *party) after(ctx context.Context, pos event.Position) []manifest.Envelope {
	for {
		p.mu.Lock()
		changed, out := p.changed, p.gossip.after(pos)
		wait := time.Duration(0)
		if len(out) > 0 && pos == (event.Position{}) {
			wait = p.gossip.settling(time.Now())
		}
		p.mu.Unlock()
		if len(out) > 0 && wait <= 0 {
			return out
		}
		var settled <-chan time.Time
		if wait > 0 {
			settled = time.After(wait)
		}
		select {
		case <-changed:
		case <-settled:
		case <-ctx.Done():
			return nil
		}
	}
}

// beyond returns the newest entries after pos that can be played although others before
// them are missing.
func (p *party) beyond(pos event.Position) []manifest.Envelope {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.gossip.newestRun(pos)
}
