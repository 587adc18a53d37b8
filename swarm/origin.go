package swarm

import (
	"time"

	"github.com/shoalcast/shoal/event"
)

const (
	noClock    = time.Second            // before the origin is asked where no time of playing is known
	fetchAgain = 500 * time.Millisecond // after the origin failed
	originRate = 8                      // of the stream's own: how fast the origin answers, as far as anybody knows
	originMost = 100 * time.Millisecond // that an answer is reckoned to take beyond ToOrigin
)

// originDue reports whether the origin is to be asked for what is missing of a piece now, or
// when it will be: with ToOrigin of slack, and what the bytes take on the way.
func (n *Node) originDue(now Time, t *track, p *piece, slack time.Duration, timed bool) (bool, Time) {
	if n.cfg.NoOrigin || p.fetching {
		return false, never
	}
	at := never
	switch {
	case timed:
		rate := t.rate
		if rate == 0 {
			rate = guessedRate / 8
		}
		bytes := min(int64(p.left)*event.BlockSize, p.head.Entry.Size)
		long := time.Duration(float64(bytes) / (originRate * rate) * float64(time.Second))
		at = now + slack - n.t.ToOrigin - min(long, originMost)
	case t.follows:
		at = p.headAt + noClock
	}
	at = max(at, p.originAt)
	return at <= now, at
}

// fetch asks the origin for what is missing of a piece. Once it has failed, peers go on.
func (n *Node) fetch(p *piece) {
	f := Fetch{Head: p.head, First: -1}
	for i, b := range p.blocks {
		if b != nil {
			continue
		}
		if f.First < 0 {
			f.First = i
		}
		f.Last = i
		if a := &p.asks[i]; a.by != nil && !p.failed {
			n.cancel(a.by, p, i)
			a.by.wants--
			a.by = nil
		}
	}
	p.fetching = true
	n.out.Fetch = append(n.out.Fetch, f)
}

// Fetched takes in what the origin answered to a Fetch: whole blocks from the first
// that was asked for on, not verified.
func (n *Node) Fetched(now Time, k Key, first int, data []byte) {
	n.begin()
	t := n.known(k.R)
	if t == nil {
		return
	}
	p := t.find(k.Position)
	if p == nil {
		return
	}
	for i := max(first, 0); i < len(p.blocks) && len(data) > 0; i++ {
		size := min(p.head.BlockLen(i), len(data))
		n.place(now, t, p, i, data[:size], nil, FromOrigin, false)
		data = data[size:]
	}
	n.fetchEnded(now, t, p)
	n.pump(now)
}

// FetchFailed takes in that the origin has no answer to a Fetch.
func (n *Node) FetchFailed(now Time, k Key) {
	n.begin()
	if t := n.known(k.R); t != nil {
		if p := t.find(k.Position); p != nil {
			p.failed = true
			n.fetchEnded(now, t, p)
		}
	}
}

// fetchEnded lets peers be asked for what is still missing, and the origin in a while.
func (n *Node) fetchEnded(now Time, t *track, p *piece) {
	p.fetching = false
	p.originAt, p.peersAt = now+fetchAgain, now
	t.look(p, now)
}
