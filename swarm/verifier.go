package swarm

import (
	"errors"

	"github.com/shoalcast/shoal/event"
)

// ErrNeedRecords means that a head cannot be judged before newer session records are known.
var ErrNeedRecords = errors.New("signed in a session whose record is not known yet")

// ErrStale means that a head is genuine but lies before all that is remembered.
var ErrStale = errors.New("older than the window")

// Verifier decides what is genuine. Trusted is the real one; the simulator has one
// that costs nothing.
type Verifier interface {
	// OpenHead checks a head as it came (form, signature, session, links, leaves against
	// root) and fills in its Entry. ErrNeedRecords and ErrStale blame nobody.
	OpenHead(h *Head) error
	// Block reports whether data is block i of the opened head's piece.
	Block(h *Head, i int, data []byte) bool
	// Init reports whether data is the init segment with this root.
	Init(root event.Root, data []byte) bool
	// AddRecord takes in a rotation or session record; fresh when it was not known.
	AddRecord(envelope []byte) (fresh bool, err error)
	// Records returns what a newcomer needs, at most 64 envelopes.
	Records() [][]byte
}
