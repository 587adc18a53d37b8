package packager

import (
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/shoalcast/shoal/archive"
	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/internal/obs"
)

// SessionKeys finds the private half of a session key, by stream and by the key's id.
type SessionKeys interface {
	Key(stream event.StreamID, keyID string) (ed25519.PrivateKey, error)
}

// Options of a Service. Zero durations take the defaults named.
type Options struct {
	Bus       *bus.Bus
	Keys      SessionKeys
	Log       *slog.Logger
	Metrics   *Metrics
	Retention time.Duration // how long entries and close records are kept, 24 h
	// Archive is how much media a window of the archive holds, about: one minute. It
	// must be well under what the bus keeps of pieces (six live windows, three minutes),
	// so that a packager that was away for a while can still close what it had begun.
	// Negative closes nothing.
	Archive time.Duration
	// Trace, if set, records the signing of a piece that carries a traceparent, and
	// returns the traceparent to hand on; end it when the entry is recorded.
	Trace func(ctx context.Context, p *event.Piece) (traceparent string, end func())
}

// Service runs a worker, and a closer of archive files, for every rendition that is, or
// was lately, live.
type Service struct {
	opts    Options
	streams *event.Directory
	ready   chan struct{}

	mu      sync.Mutex
	workers map[event.Address]*worker // keyed by stream and rendition alone
	closers map[event.Address]*closer // likewise
	running sync.WaitGroup
}

// New returns a service that Run starts.
func New(opts Options) *Service {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Metrics == nil {
		opts.Metrics = NewMetrics(nil)
	}
	if opts.Retention == 0 {
		opts.Retention = 24 * time.Hour
	}
	if opts.Archive == 0 {
		opts.Archive = archive.DefaultWindow
	}
	opts.Bus = opts.Bus.As("packager")
	return &Service{
		opts:    opts,
		streams: event.NewDirectory(),
		ready:   make(chan struct{}),
		workers: map[event.Address]*worker{},
		closers: map[event.Address]*closer{},
	}
}

// Ready is closed once the facts of all streams are known.
func (s *Service) Ready() <-chan struct{} { return s.ready }

// Run signs until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer func() {
		cancel()
		s.running.Wait()
	}()
	// What an earlier run left unsigned is signed at once, live or not.
	ready := func() { close(s.ready) }
	return s.opts.Bus.TendStreams(ctx, s.streams, ready, func(state event.StreamState) { s.tend(ctx, state) })
}

// tend sees to it that every rendition of the stream has a worker and a closer, and
// tells each what is known of the stream now.
func (s *Service) tend(ctx context.Context, state event.StreamState) {
	if state.Removed || len(state.Genesis) == 0 || len(state.Tracks) == 0 {
		return
	}
	renditions := map[event.Rendition]bool{}
	for _, t := range state.Tracks {
		renditions[t.Rendition] = true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for r := range renditions {
		key := event.Address{Stream: state.ID, Rendition: r}
		s.tendCloser(ctx, key, state)
		if w := s.workers[key]; w != nil {
			w.update(state)
			continue
		}
		w := newWorker(&s.opts, r, state)
		s.workers[key] = w
		s.running.Go(func() { s.work(ctx, key, w) })
	}
}

// A worker that failed pauses before it folds anew, longer each time until something
// is signed, unless something new is known of the stream. The pieces wait on the bus for
// six windows.
const (
	firstPause = 250 * time.Millisecond
	maxPause   = 5 * time.Second
)

// work runs one rendition's worker, again after every failure, until it has been idle
// for long or ctx ends.
func (s *Service) work(ctx context.Context, key event.Address, w *worker) {
	pause := backoff.NewExponentialBackOff(backoff.WithInitialInterval(firstPause),
		backoff.WithMaxInterval(maxPause), backoff.WithMaxElapsedTime(0))
	for {
		before, news := w.last, w.news()
		err := w.run(ctx)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, errIdle) {
			if s.retire(key, w) {
				return
			}
			continue
		}
		if w.last != before {
			pause.Reset()
		}
		wait := pause.NextBackOff()
		w.log.Error("signing stopped, and goes on from the same piece", "in", wait.Round(time.Millisecond), obs.KeyError, err)
		s.opts.Metrics.Restarts.Inc()
		select {
		case <-time.After(wait):
		case <-news:
		case <-ctx.Done():
			return
		}
	}
}

// retire removes a worker whose stream is not live; a publish that began meanwhile
// keeps it.
func (s *Service) retire(key event.Address, w *worker) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if state, ok := s.streams.Get(key.Stream); ok && state.Live() {
		return false
	}
	delete(s.workers, key)
	return true
}
