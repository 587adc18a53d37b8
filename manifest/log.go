package manifest

import "github.com/shoalcast/shoal/event"

// Log holds the live window of one rendition: verified entries in order, trimmed as
// Window says and to at most ChainWindow. It is not safe for concurrent use.
type Log struct {
	chain   Chain
	entries []Signed
}

// Add takes in a verified entry that may arrive in any order; it reports whether the
// entry is new and in the window. A fork or a broken link is an error, as from
// Chain.Check, and leaves the log as it was.
func (l *Log) Add(s Signed) (bool, error) { panic("soon") }

// Newest returns the last entry by position.
func (l *Log) Newest() (Signed, bool) { panic("soon") }

// Get returns the entry at p.
func (l *Log) Get(p event.Position) (Signed, bool) { panic("soon") }

// Range returns the entries from n=from to n=to, both included, that are held.
func (l *Log) Range(epoch event.Epoch, from, to uint64) []Signed { panic("soon") }

// After returns at most limit entries that follow p, oldest first.
func (l *Log) After(p event.Position, limit int) []Signed { panic("soon") }

// Segment returns the entries of a segment and whether it is whole: known from its
// first entry to the one before the next segment's.
func (l *Log) Segment(msn uint64) (entries []Signed, whole bool) { panic("soon") }

// Entries returns the longest run without holes that ends at the newest entry and
// starts at a segment's start: what View wants. The slice is the caller's.
func (l *Log) Entries() []Entry { panic("soon") }

// Recent returns Entries with their envelopes, from the last segment's start that is at
// least span of media before the end.
func (l *Log) Recent(span event.Ticks) []Signed { panic("soon") }
