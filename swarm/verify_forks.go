package swarm

import (
	"slices"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

// Fork is evidence that a creator's chain forks: envelopes that verify, each by itself,
// and contradict each other.
type Fork struct {
	R     event.Rendition
	Error manifest.ForkError
	// Envelopes holds what came last, and then those that it contradicts as far as they
	// are remembered.
	Envelopes []manifest.Envelope
}

const (
	maxForks     = 8  // that wait to be shown
	maxForksSeen = 64 // that are not shown again
)

type forks struct {
	found []Fork
	seen  []event.Digest
}

// Forks returns the forks that were found since it was asked last, each once, at most 8.
func (t *Trusted) Forks() []Fork {
	found := t.forks.found
	t.forks.found = nil
	return found
}

func (f *forks) add(h *Head, e manifest.Entry, fork *manifest.ForkError, known *opened) {
	digest := event.DigestOf(h.Payload)
	if len(f.found) >= maxForks || slices.Contains(f.seen, digest) {
		return
	}
	if f.seen = append(f.seen, digest); len(f.seen) > maxForksSeen {
		f.seen = slices.Delete(f.seen, 0, 1)
	}
	found := Fork{R: e.R, Error: *fork, Envelopes: []manifest.Envelope{h.Envelope()}}
	for _, o := range known.ring {
		at := o.head.Entry.Position()
		beside := at == fork.At || at.Epoch == fork.At.Epoch && at.N == fork.At.N+1
		if o.head.Entry.R == e.R && beside && len(found.Envelopes) < 3 {
			found.Envelopes = append(found.Envelopes, o.head.Envelope())
		}
	}
	f.found = append(f.found, found)
}
