package peer

import (
	"context"

	"golang.org/x/sync/semaphore"

	"github.com/shoalcast/shoal/event"
)

// Bounds of what is fetched ahead of being played.
const (
	aheadBytes  = 4 * event.MaxPiece // of pieces in memory
	aheadLeast  = event.MaxPiece / 2 // what a small piece counts as: so at most 8 at once
	aheadPieces = 16                 // in order, fetched or being fetched
)

// gatherer fetches the pieces of steps, several at once, and hands them on in order.
type gatherer struct {
	source    source
	rendition event.Rendition
	timing    timing
	in        <-chan step
	out       chan<- fetched

	space *semaphore.Weighted
	init  *pendingInit
}

type pending struct {
	result chan fetched
	weight int64
}

// pendingInit is an init segment that several pieces wait for.
type pendingInit struct {
	root event.Root
	done chan struct{}
	got  fetched
}

// run works until in is closed or ctx ends, and closes out once every fetch has ended.
func (g *gatherer) run(ctx context.Context) error {
	defer close(g.out)
	g.space = semaphore.NewWeighted(aheadBytes)
	queue := make(chan pending, aheadPieces)
	go func() {
		defer close(queue)
		for s := range g.in {
			weight := max(s.entry.Entry.Size, aheadLeast)
			if g.space.Acquire(ctx, weight) != nil {
				return
			}
			p := pending{result: make(chan fetched, 1), weight: weight}
			first := g.init == nil || g.init.root != s.init
			if first {
				g.init = g.fetchInit(ctx, s.init)
			}
			go func(init *pendingInit) { p.result <- g.piece(ctx, s, init, first) }(g.init)
			queue <- p
		}
	}()
	for p := range queue {
		f := <-p.result
		select {
		case g.out <- f:
		case <-ctx.Done(): // the fetches end by the same ctx
		}
		g.space.Release(p.weight)
	}
	for range g.in { // so that who fills it can end
	}
	if g.init != nil {
		<-g.init.done
	}
	return ctx.Err()
}

func (g *gatherer) fetchInit(ctx context.Context, root event.Root) *pendingInit {
	p := &pendingInit{root: root, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		p.got = fetch(ctx, g.source, wanted{rendition: g.rendition, root: root, init: true}, g.timing)
	}()
	return p
}

// piece fetches a step's piece and waits for its init segment. The first piece with an
// init segment answers for the bad copies of that too.
func (g *gatherer) piece(ctx context.Context, s step, init *pendingInit, first bool) fetched {
	e := s.entry.Entry
	w := wanted{
		rendition: g.rendition, at: e.Position(), root: e.Root, size: e.Size, catchup: s.catchup, entry: s.entry,
	}
	f := fetch(ctx, g.source, w, g.timing)
	<-init.done
	f.entry, f.broke, f.catchup, f.gaps = e, s.broke, s.catchup, s.gaps
	f.init = initSegment{root: s.init, data: init.got.data}
	if first {
		f.rejected += init.got.rejected
		f.badBlocks += init.got.badBlocks
		f.duplicate += init.got.duplicate
	}
	if init.got.err != nil && f.err == nil {
		f.err = init.got.err
	}
	return f
}
