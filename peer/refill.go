package peer

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
	"github.com/shoalcast/shoal/swarm"
)

// refill decides when the origin may be asked for what the swarm lacks: after it failed,
// not before a pause that doubles.
type refill struct {
	first, most time.Duration

	mu    sync.Mutex
	pause time.Duration
	until time.Time
}

// ready reports whether the origin may be asked at now.
func (r *refill) ready(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !now.Before(r.until)
}

// failed takes note that the origin did not answer. Failures of questions that were asked
// together count as one.
func (r *refill) failed(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Before(r.until) {
		return
	}
	r.pause = min(max(2*r.pause, r.first), r.most)
	r.until = now.Add(r.pause)
}

// answered takes note that it did.
func (r *refill) answered() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pause, r.until = 0, time.Time{}
}

// fetchers is how many questions to the origin run at once.
const fetchers = 4

// tiring reports whether an error says that the origin is in trouble, rather than
// anything of what was asked for.
func tiring(err error) bool {
	return !errors.Is(err, errGone) && !errors.Is(err, errRejected) && !errors.Is(err, errTooLarge)
}

// onFetch queues what the node wants of the origin. What cannot be asked now the node
// wants again.
func (p *party) onFetch(f swarm.Fetch) {
	if p.refill.ready(time.Now()) && p.lacks(f) {
		select {
		case p.fetches <- f:
			return
		default:
		}
	}
	p.post(func(now swarm.Time, n *swarm.Node) { n.FetchFailed(now, f.Head.Key()) })
}

// lacks reports whether a piece is still to be asked for on the node's behalf.
func (p *party) lacks(f swarm.Fetch) bool {
	pos := f.Head.Entry.Position()
	p.mu.Lock()
	defer p.mu.Unlock()
	if w := p.shelf.waited[pos]; w != nil && w.direct {
		return false
	}
	return p.shelf.passed.Before(pos) && p.shelf.pieces[pos] == nil
}

// fetcher asks the origin for what the node wants of it.
func (p *party) fetcher(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case f := <-p.fetches:
			if k := f.Head.Key(); !p.refill.ready(time.Now()) || !p.lacks(f) || !p.fetch(ctx, f) {
				p.post(func(now swarm.Time, n *swarm.Node) { n.FetchFailed(now, k) })
			}
		}
	}
}

// fetch asks for the missing blocks of a piece; it reports whether the node has its answer.
func (p *party) fetch(ctx context.Context, f swarm.Fetch) bool {
	k := f.Head.Key()
	from := f.First * event.BlockSize
	to := min((f.Last+1)*event.BlockSize, int(f.Head.Entry.Size))
	data, err := p.origin.part(ctx, f.Head.Entry.Root, from, to-from)
	switch {
	case err == nil:
		p.refill.answered()
		if !genuine(f, data) {
			p.refuse(k.Position, errRejected) // there may be a better copy at another address
		}
		p.post(func(now swarm.Time, n *swarm.Node) { n.Fetched(now, k, f.First, data) })
		return true
	case ctx.Err() != nil:
		return false
	case tiring(err):
		p.refill.failed(time.Now())
	default:
		p.refuse(k.Position, err)
	}
	p.log.Debug("the origin has not what the swarm lacks", "piece", k.String(), "error", err)
	return false
}

// genuine reports whether data is the blocks that were asked for.
func genuine(f swarm.Fetch, data []byte) bool {
	i := f.First
	for block := range slices.Chunk(data, event.BlockSize) {
		if i > f.Last || !manifest.VerifyBlock(f.Head.Leaves, i, block) {
			return false
		}
		i++
	}
	return i == f.Last+1
}

func (p *party) refuse(pos event.Position, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shelf.refuse(pos, err)
	p.wake()
}
