package manifest

import (
	"errors"
	"fmt"
	"slices"

	"github.com/shoalcast/shoal/event"
)

// ChainWindow is how many of a rendition's newest entries a Chain remembers.
const ChainWindow = 4096

var (
	// ErrFork is the class of every ForkError.
	ErrFork = errors.New("the chain forks")
	// ErrLink means that an entry does not continue those around it.
	ErrLink = errors.New("the entry does not fit the chain")
	// ErrOutsideWindow means that an entry or piece lies before what is remembered,
	// so that nothing can be said about its links.
	ErrOutsideWindow = errors.New("before the window")
)

// A ForkError is evidence that one address was signed twice, or that an entry follows
// a history other than the one known. Both envelopes verify.
type ForkError struct {
	At          event.Position
	Known, Seen event.Digest // of the two payloads, or of the two histories
}

func (e *ForkError) Error() string {
	return fmt.Sprintf("%v at %s: %s and %s", ErrFork, e.At, e.Known, e.Seen)
}

// Unwrap makes errors.Is(err, ErrFork) true.
func (e *ForkError) Unwrap() error { return ErrFork }

// Chain is one rendition's newest entries as links: what a verifier holds entries
// against, whatever order they arrive in, and what the packager continues. It is not
// safe for concurrent use.
type Chain struct {
	links []link // by position
	head  head
}

type link struct {
	entry  Entry
	digest event.Digest
}

// Check takes in an entry whose signature was verified, with the payload that was
// signed. An entry may arrive in any order; it is held against its known neighbours.
// One that is known already is no error. An entry that fails leaves the chain as it was.
func (c *Chain) Check(e Entry, payload []byte) error {
	l := link{e, event.DigestOf(payload)}
	i, found := slices.BinarySearchFunc(c.links, e.Position(), func(l link, p event.Position) int {
		switch {
		case l.entry.Position().Before(p):
			return -1
		case p.Before(l.entry.Position()):
			return 1
		}
		return 0
	})
	if found {
		if c.links[i].digest != l.digest {
			return &ForkError{At: e.Position(), Known: c.links[i].digest, Seen: l.digest}
		}
		return nil
	}
	if i == 0 && len(c.links) == ChainWindow {
		return fmt.Errorf("entry %s: %w", e.Position(), ErrOutsideWindow)
	}
	if i > 0 {
		if err := c.links[i-1].precedes(l); err != nil {
			return err
		}
	}
	if i < len(c.links) {
		if err := l.precedes(c.links[i]); err != nil {
			return err
		}
	}
	if len(c.links) == ChainWindow {
		c.links = slices.Delete(c.links, 0, 1)
		i--
	}
	c.links = slices.Insert(c.links, i, l)
	if i == len(c.links)-1 {
		c.head = c.head.follow(e)
	} else {
		c.head = c.refold()
	}
	return nil
}

// precedes checks two links with nothing known between them.
func (l link) precedes(next link) error {
	a, b := l.entry, next.entry
	fail := func(what string) error {
		return fmt.Errorf("entries %s and %s: %w: %s", a.Position(), b.Position(), ErrLink, what)
	}
	if a.Epoch == b.Epoch && a.N+1 == b.N {
		if b.Prev != l.digest {
			return &ForkError{At: a.Position(), Known: l.digest, Seen: b.Prev}
		}
		switch {
		case b.MSN == a.MSN && (b.Part != a.Part+1 || b.DSN != a.DSN),
			b.MSN != a.MSN && (b.MSN != a.MSN+1 || b.Part != 0),
			b.DSN != a.DSN && b.DSN != a.DSN+1:
			return fail("media sequence, part or discontinuity number out of step")
		}
		return nil
	}
	// Others may stand between them. Nothing is asked of two epochs: a chain of which
	// every entry has expired starts counting afresh.
	if a.Epoch == b.Epoch && (b.MSN < a.MSN || b.DSN < a.DSN || b.MSN-a.MSN > b.N-a.N ||
		b.MSN == a.MSN && (b.Part < a.Part || b.Part-a.Part != b.N-a.N)) {
		return fail("media sequence, part or discontinuity number out of step")
	}
	return nil
}

// Newest returns the last entry by position and the digest of its payload.
func (c *Chain) Newest() (Entry, event.Digest, bool) {
	if len(c.links) == 0 {
		return Entry{}, event.Digest{}, false
	}
	l := c.links[len(c.links)-1]
	return l.entry, l.digest, true
}
