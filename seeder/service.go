package seeder

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v4"
	"golang.org/x/sync/errgroup"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/internal/limit"
	"github.com/shoalcast/shoal/manifest"
)

// Service is one origin.
type Service struct {
	opts    Options
	ready   atomic.Bool
	closing chan struct{}
	follows sync.WaitGroup
	archive *archiver // nil: nothing is archived here
	archErr error     // why it could not be opened
	passes  *limit.Rates

	mu      sync.RWMutex
	streams map[event.StreamID]*stream
	named   map[event.StreamName]*stream
	running context.Context // of Run; nil before caught up and after
}

// New returns a service that serves nothing until Run.
func New(opts Options) *Service {
	s := &Service{
		opts: opts.withDefaults(), closing: make(chan struct{}), passes: limit.NewRates(passRate, passBurst, passAddresses),
		streams: map[event.StreamID]*stream{}, named: map[event.StreamName]*stream{},
	}
	s.archive, s.archErr = newArchiver(s)
	return s
}

// Ready reports whether the facts of all streams have been read, so that what is not
// served does not exist.
func (s *Service) Ready() bool { return s.ready.Load() }

// Run follows the bus until ctx ends, then releases all requests that wait and returns
// when everything it started has ended. It can be called once.
func (s *Service) Run(ctx context.Context) error {
	defer func() {
		s.mu.Lock()
		s.running = nil
		s.mu.Unlock()
		s.follows.Wait()
	}()
	defer close(s.closing)
	if s.archErr != nil {
		return s.archErr
	}
	g, ctx := errgroup.WithContext(ctx)
	caughtUp := func() {
		s.caughtUp(ctx)
		if s.archive != nil {
			g.Go(func() error { return s.archive.run(ctx) })
			g.Go(func() error { return s.archive.tick(ctx) })
			if s.opts.Files != nil {
				g.Go(func() error { s.seedFiles(ctx); return nil })
			}
		}
	}
	g.Go(func() error {
		if err := s.opts.Bus.FollowStreams(ctx, caughtUp, s.apply); ctx.Err() == nil {
			return fmt.Errorf("follow streams: %w", err)
		}
		return nil
	})
	if s.opts.Telemetry {
		g.Go(func() error { s.report(ctx); return nil })
	}
	g.Go(func() error {
		t := time.NewTicker(tickInterval)
		defer t.Stop()
		for {
			select {
			case now := <-t.C:
				for _, st := range s.known() {
					st.tick(now)
				}
				s.tend(ctx)
			case <-ctx.Done():
				return nil
			}
		}
	})
	return g.Wait()
}

// apply folds one fact. It never fails: what cannot be used is logged and left out.
func (s *Service) apply(id event.StreamID, seq uint64, f event.StreamFact) error {
	s.mu.Lock()
	st := s.streams[id]
	if g, ok := f.(event.GenesisPublished); ok && st == nil {
		var err error
		if st, err = newStream(id, seq, g); err != nil {
			s.opts.Log.Error("stream cannot be served", keyStream, id, keyName, g.Name, keyErr, err)
			st = nil
		} else {
			s.streams[id] = st
		}
	}
	if st == nil {
		s.mu.Unlock()
		return nil
	}
	state := st.state().Clone()
	before := state.Seq
	state.Apply(seq, f)
	st.folded.Store(&state)
	if state.Removed {
		delete(s.streams, id)
	}
	if before == 0 || state.Removed {
		s.resolve(st.name)
	}
	running := s.running
	s.mu.Unlock()

	if err := s.take(st, f); err != nil {
		s.opts.Log.Warn("fact is left out", keyStream, id, keyName, st.name, keyErr, err)
	}
	if state.Removed {
		s.drop(st)
		if s.archive != nil {
			s.archive.forget(id)
		}
		return nil
	}
	if running != nil && state.LastEpoch != 0 {
		s.follow(running, st, false)
	}
	st.tick(time.Now())
	return nil
}

// resolve gives a name to the newest of the streams that have it; s.mu is held.
func (s *Service) resolve(name event.StreamName) {
	delete(s.named, name)
	for _, st := range s.streams {
		if have := s.named[name]; st.name == name && (have == nil || have.born < st.born) {
			s.named[name] = st
		}
	}
}

// take acts on the facts that matter beyond the fold.
func (s *Service) take(st *stream, f event.StreamFact) error {
	switch f := f.(type) {
	case event.RootRotated:
		if err := st.addRotation(f.Envelope); err != nil {
			return err
		}
		if part := st.part.Load(); part != nil {
			part.learn(f.Envelope)
		}
	case event.SessionPublished:
		if err := st.addSession(f.Envelope); err != nil {
			return err
		}
		if part := st.part.Load(); part != nil {
			part.learn(f.Envelope)
		}
		for _, r := range st.all() {
			r.change(r.retry)
		}
	case event.TracksAnnounced:
		if err := st.addInit(f); err != nil {
			return err
		}
		return s.addRendition(st, f.Rendition)
	case event.EpochEnded:
		for _, r := range st.all() {
			r.change(func(now time.Time) []*item {
				r.win.end(now, f.Epoch)
				return nil
			})
		}
	}
	return nil
}

func (s *Service) addRendition(st *stream, name event.Rendition) error {
	if _, err := event.ParseRendition(string(name)); err != nil {
		return err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.renditions[name] != nil {
		return nil
	}
	if len(st.renditions) == maxRenditions {
		return fmt.Errorf("rendition %s: at most %d are served", name, maxRenditions)
	}
	st.renditions[name] = newRendition(st, name, &s.opts)
	return nil
}

// caughtUp begins to follow the streams that are live or were until just now.
func (s *Service) caughtUp(ctx context.Context) {
	s.mu.Lock()
	s.running = ctx
	s.mu.Unlock()
	for _, st := range s.known() {
		if st.state().LastEpoch != 0 {
			s.follow(ctx, st, true)
		}
	}
	s.ready.Store(true)
}

// follow sees to it that the renditions of a stream are read, if there can be anything
// to read. With check set a stream that has ended is read only if its newest entry is recent.
func (s *Service) follow(ctx context.Context, st *stream, check bool) {
	if st.state().Ended && !check {
		return
	}
	for _, r := range st.all() {
		r.mu.Lock()
		if r.stop == nil && ctx.Err() == nil {
			now := time.Now()
			var rctx context.Context
			rctx, r.stop = context.WithCancel(ctx)
			r.since = now
			s.follows.Go(func() { s.supervise(rctx, r, now.Add(-3*s.opts.Window), check && st.state().Ended) })
		}
		r.mu.Unlock()
	}
}

// supervise reads one rendition until ctx ends, beginning again after failures.
func (s *Service) supervise(ctx context.Context, r *rendition, since time.Time, check bool) {
	if check && !s.recent(ctx, r) {
		r.mu.Lock()
		if r.stream.state().Ended { // still: no epoch was claimed meanwhile
			r.stop()
			r.stop = nil
			r.mu.Unlock()
			return
		}
		r.mu.Unlock()
	}
	pause := backoff.NewExponentialBackOff(backoff.WithMaxElapsedTime(0), backoff.WithMaxInterval(10*time.Second))
	for {
		begun := time.Now()
		err := r.follow(ctx, since)
		if ctx.Err() != nil {
			return
		}
		r.log.Error("reading the rendition was interrupted; it goes on", keyErr, err)
		if time.Since(begun) > time.Minute {
			pause.Reset()
		}
		t := time.NewTimer(pause.NextBackOff())
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return
		}
		since = time.Now().Add(-3 * s.opts.Window)
	}
}

// recent reports whether the rendition's newest entry is younger than the window.
func (s *Service) recent(ctx context.Context, r *rendition) bool {
	last, _, err := s.opts.Bus.LastEntries(ctx, r.stream.id, r.name, 1)
	if err != nil {
		return true // reading will tell
	}
	if len(last) == 0 {
		return false
	}
	env, err := manifest.ParseEnvelope(last[0])
	if err != nil {
		return true
	}
	e, err := manifest.DecodeEntry(env)
	return err != nil || time.Since(e.Arrived(e.End())) < s.opts.Window
}

// drop ends what a removed stream holds.
func (s *Service) drop(st *stream) {
	st.leave()
	for _, r := range st.all() {
		r.mu.Lock()
		if r.stop != nil {
			r.stop()
			r.stop = nil
		}
		r.win.clear()
		r.show(time.Now())
		r.mu.Unlock()
	}
}

func (s *Service) known() []*stream {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([]*stream, 0, len(s.streams))
	for _, st := range s.streams {
		out = append(out, st)
	}
	return out
}

// Has reports whether a stream is one of this installation's.
func (s *Service) Has(id event.StreamID) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.streams[id] != nil
}

// byName returns the stream that has the name now.
func (s *Service) byName(name string) *stream {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.named[event.StreamName(name)]
}
