package seeder

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/shoalcast/shoal/event"
)

// rendition joins one window with those who feed it and those who read it. Feeding
// takes a lock; reading takes the newest snapshot.
type rendition struct {
	stream *stream
	name   event.Rendition
	opts   *Options
	log    *slog.Logger
	snap   atomic.Pointer[snapshot]

	mu       sync.Mutex
	win      *window
	since    time.Time // when the follow that runs now began; zero when none does
	stop     context.CancelFunc
	bytes    int64 // of the snapshot, as counted in the gauge
	quietTil time.Time
	muted    int
}

func newRendition(s *stream, name event.Rendition, o *Options) *rendition {
	r := &rendition{
		stream: s, name: name, opts: o,
		log: o.Log.With(keyStream, s.id, keyName, s.name, keyRendition, name),
	}
	r.win = newWindow(*o, name, s.trust, s.hasInit, notes{
		piece:   func(result string, n int) { o.Metrics.Pieces.WithLabelValues(result).Add(float64(n)) },
		entry:   func(result string, n int) { o.Metrics.Entries.WithLabelValues(result).Add(float64(n)) },
		trouble: r.trouble,
	})
	r.snap.Store(&snapshot{name: s.name, rendition: name, metrics: o.Metrics, next: make(chan struct{})})
	return r
}

// trouble logs at most one line a second, for whoever floods the bus; r.mu is held.
func (r *rendition) trouble(about string, p event.Position, err error) {
	now := time.Now()
	if now.Before(r.quietTil) {
		r.muted++
		return
	}
	r.log.Warn(about, keyPosition, p.String(), keyErr, err, "more", r.muted)
	r.quietTil, r.muted = now.Add(time.Second), 0
}

// follow reads the rendition from the bus until ctx ends.
func (r *rendition) follow(ctx context.Context, since time.Time) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return r.opts.Bus.FollowPieces(ctx, r.stream.id, r.name, since, func(_ context.Context, p *event.Piece) error {
			q := newPending(p)
			r.change(func(now time.Time) []*item { return r.win.addPiece(now, q) })
			return nil
		})
	})
	g.Go(func() error {
		return r.opts.Bus.FollowEntries(ctx, r.stream.id, r.name, since, func(_ context.Context, _ uint64, b []byte, _ string) error {
			r.change(func(now time.Time) []*item { return r.win.addEntry(now, b) })
			return nil
		})
	})
	return g.Wait()
}

// change lets do work on the window, and shows requests what came of it.
func (r *rendition) change(do func(now time.Time) []*item) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	released := do(now)
	r.show(now)
	r.spread(released)
}

// spread gives released items to the swarm. r.mu is held.
func (r *rendition) spread(released []*item) {
	if part := r.stream.part.Load(); part != nil && len(released) > 0 {
		part.feed(released)
	}
	r.observe(released)
}

// retry opens again the entries that had no session record.
func (r *rendition) retry(now time.Time) []*item { return r.win.retry(now) }

// tick does what is due by time alone.
func (r *rendition) tick(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	released, aged := r.win.tick(now)
	if aged {
		r.log.Info("the window has aged out")
	}
	r.show(now)
	r.spread(released)
	if r.stop != nil && !r.stream.state().Live() && r.win.idle() && now.Sub(r.since) > r.opts.Window {
		r.stop()
		r.stop = nil
	}
}

// show publishes a new snapshot if anything that requests see has changed; r.mu is held.
func (r *rendition) show(now time.Time) {
	old := r.snap.Load()
	items, ended, live, stalled := r.win.shown, r.win.isEnded(now), r.isLive(now), r.isStalled()
	if ended == old.ended && live == old.live && stalled == old.stalled && sameItems(items, old.items) {
		return
	}
	if stalled != old.stalled {
		r.log.Info("a rendition fell behind its source, or caught up", "behind", stalled)
	}
	s := &snapshot{
		name: old.name, rendition: old.rendition, metrics: old.metrics,
		items: items[:len(items):len(items)], ended: ended, live: live, stalled: stalled, next: make(chan struct{}),
	}
	r.snap.Store(s)
	close(old.next)

	var size int64
	for _, it := range items {
		size += int64(len(it.data))
	}
	r.opts.Metrics.WindowBytes.Add(float64(size - r.bytes))
	r.bytes = size
}

// isLive reports whether the open epoch still brings pieces, or has just begun.
func (r *rendition) isLive(now time.Time) bool {
	st := r.stream.state()
	return st.Live() && (len(r.win.shown) > 0 || now.Sub(time.UnixMilli(int64(st.LastEpoch))) < r.opts.Window)
}

// maxStall is how much more of the source there may be than of a rendition that is made of
// it: as much as its encoder may be behind, and what a player has ahead of it.
const maxStall = 4 * event.Timescale

// minStall is how much more there may be for it to count as caught up: one that wavers at the
// bound would send players to and fro.
const minStall = event.Timescale * 3 / 2

// isStalled reports whether the rendition is one that is made of the source and has fallen
// so far behind it that players must take another.
func (r *rendition) isStalled() bool {
	if r.name == event.Source || len(r.win.shown) == 0 {
		return false
	}
	source := r.stream.rendition(event.Source)
	if source == nil {
		return false
	}
	newest := r.win.shown[len(r.win.shown)-1].position()
	bound := event.Ticks(maxStall)
	if r.snap.Load().stalled {
		bound = minStall
	}
	var more event.Ticks
	for _, it := range slices.Backward(source.snap.Load().items) {
		if !newest.Before(it.position()) {
			break
		}
		if more += it.entry.Dur; more > bound {
			return true
		}
	}
	return false
}

// observe measures how long released pieces took, but not those replayed at the start.
func (r *rendition) observe(released []*item) {
	now := time.Now()
	r.stream.seen.pieces(now, r.since, released)
	for _, it := range released {
		if it.data == nil || it.received.Before(r.since) {
			continue
		}
		r.opts.Metrics.Release.Observe(max(0, now.Sub(it.received).Seconds()))
		r.span(now, it)
	}
}

// sameItems reports whether two runs of a window are the same: items are only added at
// the end, let go at the front, or replaced in a copy.
func sameItems(a, b []*item) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}
