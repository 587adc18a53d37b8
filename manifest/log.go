package manifest

import (
	"errors"
	"slices"

	"github.com/shoalcast/shoal/event"
)

// Log holds the live window of one rendition: verified entries by position, never
// more than ChainWindow. It is not safe for concurrent use; the zero Log is empty.
type Log struct {
	chain   Chain
	entries []Signed
	floor   event.Position // what lies before was trimmed
}

// Add takes in a verified entry that may arrive in any order; it reports whether the
// entry is new and in the window. A fork or a broken link is an error, as from
// Chain.Check, and leaves the log as it was.
func (l *Log) Add(s Signed) (bool, error) {
	if err := l.chain.Check(s.Entry, s.Envelope.Payload); err != nil {
		if errors.Is(err, ErrOutsideWindow) {
			return false, nil
		}
		return false, err
	}
	i, found := l.find(s.Entry.Position())
	if found || s.Entry.Position().Before(l.floor) {
		return false, nil
	}
	l.entries = slices.Insert(l.entries, i, s)
	if s.Entry.StartsSegment() {
		l.trim()
	}
	if extra := len(l.entries) - ChainWindow; extra > 0 {
		l.entries = slices.Delete(l.entries, 0, extra)
		l.floor = l.entries[0].Entry.Position()
	}
	return true, nil
}

// trim drops what no window will need again, once the window is known without holes.
func (l *Log) trim() {
	run := l.run()
	start := WindowStart(len(run), func(i int) *Entry { return &run[i].Entry })
	if start == 0 {
		return
	}
	drop := len(l.entries) - len(run) + start
	l.entries = slices.Delete(l.entries, 0, drop)
	l.floor = l.entries[0].Entry.Position()
}

func (l *Log) find(p event.Position) (int, bool) {
	return slices.BinarySearchFunc(l.entries, p, func(s Signed, p event.Position) int {
		switch q := s.Entry.Position(); {
		case q.Before(p):
			return -1
		case p.Before(q):
			return 1
		}
		return 0
	})
}

// Len returns how many entries are held.
func (l *Log) Len() int { return len(l.entries) }

// Newest returns the last entry by position.
func (l *Log) Newest() (Signed, bool) {
	if len(l.entries) == 0 {
		return Signed{}, false
	}
	return l.entries[len(l.entries)-1], true
}

// Get returns the entry at p.
func (l *Log) Get(p event.Position) (Signed, bool) {
	i, found := l.find(p)
	if !found {
		return Signed{}, false
	}
	return l.entries[i], true
}

// Range returns the entries from n=from to n=to, both included, that are held.
func (l *Log) Range(epoch event.Epoch, from, to uint64) []Signed {
	i, _ := l.find(event.Position{Epoch: epoch, N: from})
	j, found := l.find(event.Position{Epoch: epoch, N: to})
	if found {
		j++
	}
	if j <= i {
		return nil
	}
	return slices.Clone(l.entries[i:j])
}

// After returns at most limit entries that follow p, oldest first.
func (l *Log) After(p event.Position, limit int) []Signed {
	i, found := l.find(p)
	if found {
		i++
	}
	return slices.Clone(l.entries[i:min(len(l.entries), i+limit)])
}

// Segment returns the entries of a segment and whether it is whole: known without
// holes from its first entry to the next segment's. Where a chain began counting
// afresh, the newer segment is meant.
func (l *Log) Segment(msn uint64) (entries []Signed, whole bool) {
	end := len(l.entries)
	for end > 0 && l.entries[end-1].Entry.MSN != msn {
		end--
	}
	start := end
	for start > 0 && l.entries[start-1].Entry.MSN == msn {
		start--
	}
	if start == end {
		return nil, false
	}
	entries = slices.Clone(l.entries[start:end])
	whole = end < len(l.entries) && entries[0].Entry.StartsSegment() && l.entries[end].continues(l.entries[end-1])
	for i := 1; i < len(entries); i++ {
		whole = whole && entries[i].continues(entries[i-1])
	}
	return entries, whole
}

// continues reports whether nothing can stand between a and s.
func (s Signed) continues(a Signed) bool {
	if s.Entry.Epoch == a.Entry.Epoch {
		return s.Entry.N == a.Entry.N+1
	}
	return s.Entry.N == 0 && s.Entry.MSN == a.Entry.MSN+1
}

// run returns the longest run without holes that ends at the newest entry and begins
// at a segment's start.
func (l *Log) run() []Signed {
	i := max(0, len(l.entries)-1)
	for i > 0 && l.entries[i].continues(l.entries[i-1]) {
		i--
	}
	for i < len(l.entries) && !l.entries[i].Entry.StartsSegment() {
		i++
	}
	return l.entries[i:]
}

// Entries returns the live window, without holes and from a segment's start: what
// View wants. The slice is the caller's.
func (l *Log) Entries() []Entry {
	run := l.run()
	run = run[WindowStart(len(run), func(i int) *Entry { return &run[i].Entry }):]
	out := make([]Entry, len(run))
	for i := range run {
		out[i] = run[i].Entry
	}
	return out
}

// Recent returns the end of the live window with envelopes, from the last segment's
// start that has at least span of media after it.
func (l *Log) Recent(span event.Ticks) []Signed {
	run := l.run()
	start := spanStart(len(run), func(i int) *Entry { return &run[i].Entry }, span)
	return slices.Clone(run[start:])
}
