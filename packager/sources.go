package packager

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

const (
	// sourcesKept is how many of the source's entries are known to the worker of another
	// rendition: its pieces come seconds after.
	sourcesKept = manifest.ChainWindow
	// sourcesBefore is how far back it looks for them at its start: the bus keeps pieces
	// for less.
	sourcesBefore = 5 * time.Minute
	// sourceWait is how long a piece waits for its source's entry, which is signed while
	// the piece is still being made.
	sourceWait = 10 * time.Second
)

// sources are the newest entries of the rendition that others are made of.
type sources struct {
	mu      sync.Mutex
	entries map[event.Position]manifest.Entry
	order   []event.Position
	newest  event.Position
	changed chan struct{} // closed and replaced with each
}

func newSources() *sources {
	return &sources{entries: map[event.Position]manifest.Entry{}, changed: make(chan struct{})}
}

// follow reads them from the bus until ctx ends.
func (s *sources) follow(ctx context.Context, b *bus.Bus, id event.StreamID, since time.Time) error {
	return b.FollowEntries(ctx, id, event.Source, since, func(_ context.Context, _ uint64, payload []byte, _ string) error {
		env, err := manifest.ParseEnvelope(payload)
		if err != nil {
			return fmt.Errorf("read an entry of the source: %w: %w", bus.ErrGiveUp, err)
		}
		e, err := manifest.DecodeEntry(env)
		if err != nil {
			return fmt.Errorf("read an entry of the source: %w: %w", bus.ErrGiveUp, err)
		}
		s.add(e)
		return nil
	})
}

func (s *sources) add(e manifest.Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := e.Position()
	if _, known := s.entries[at]; known {
		return
	}
	s.entries[at] = e
	if s.newest.Before(at) {
		s.newest = at
	}
	if s.order = append(s.order, at); len(s.order) > sourcesKept {
		delete(s.entries, s.order[0])
		s.order = s.order[1:]
	}
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *sources) at(p event.Position) (manifest.Entry, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.entries[p]
	return e, ok
}

// await reports whether the entry at p is there, within sourceWait. Entries come in order:
// where a later one is there it will not come any more.
func (s *sources) await(ctx context.Context, p event.Position) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, sourceWait)
	defer cancel()
	for {
		s.mu.Lock()
		_, ok := s.entries[p]
		passed, changed := p.Before(s.newest), s.changed
		s.mu.Unlock()
		if ok || passed {
			return ok, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			if ctx.Err() == context.DeadlineExceeded {
				return false, nil
			}
			return false, context.Cause(ctx)
		}
	}
}
