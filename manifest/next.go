package manifest

import (
	"errors"
	"fmt"
	"time"

	"github.com/shoalcast/shoal/event"
)

// MaxGap is how many pieces in a row may be lost: more in one epoch is a fault of the
// publisher, not of the bus.
const MaxGap = 1 << 16

var (
	// ErrSigned means that the chain already has an entry at or after a piece.
	ErrSigned = errors.New("the piece's place in the chain is taken")
	// ErrUnrestored means that the chain's newest segment is not known from its first
	// entry: restore it from at least its newest MaxParts entries.
	ErrUnrestored = errors.New("the newest segment is not known from its start")
	// ErrGapTooLong means that more than MaxGap pieces are missing before a piece.
	ErrGapTooLong = errors.New("too many pieces are missing")
)

// head is what continuing a chain needs of its newest segment.
type head struct {
	start Entry       // the segment's first entry; part 0 and no epoch when unknown
	dur   event.Ticks // of the segment so far
	last  Entry
}

func (h head) known() bool { return h.start.Epoch != 0 }

// follow folds the entry after the newest.
func (h head) follow(e Entry) head {
	if e.StartsSegment() {
		return head{start: e, dur: e.Dur, last: e}
	}
	if h.known() && h.last.Epoch == e.Epoch && h.last.N+1 == e.N {
		return head{start: h.start, dur: h.dur + e.Dur, last: e}
	}
	return head{last: e}
}

func (c *Chain) refold() head {
	var h head
	for _, l := range c.links[max(0, len(c.links)-MaxParts):] {
		h = h.follow(l.entry)
	}
	return h
}

// Restore begins a chain with the newest entries of one that was stopped, oldest
// first: at least its newest MaxParts if there are as many.
func (c *Chain) Restore(newest []Signed) error {
	*c = Chain{}
	for _, s := range newest {
		if err := c.Check(s.Entry, s.Envelope.Payload); err != nil {
			return fmt.Errorf("restore chain: %w", err)
		}
	}
	return nil
}

// Next returns the entry to sign on the way to piece p: first those of pieces that were
// lost before it, one at a time, then its own, when more is false. It changes nothing:
// once the entry is signed and recorded, Check takes it in and Next goes on.
//
// The entry is complete but for Issued and, in a segment's first entry, Session and the
// Prev of a chain's first in its epoch: Seal fills those in. ErrSigned means that there is nothing
// to do for p.
func (c *Chain) Next(p *event.Piece) (e Entry, more bool, err error) {
	h := c.head
	fresh := len(c.links) == 0 || h.last.Epoch != p.Epoch
	switch {
	case len(c.links) > 0 && !h.last.Position().Before(p.Position):
		return e, false, fmt.Errorf("piece %s: %w", p.Position, ErrSigned)
	case len(c.links) > 0 && !fresh && !h.known():
		return e, false, fmt.Errorf("piece %s: %w", p.Position, ErrUnrestored)
	}
	e = Entry{
		V: documentVersion, Stream: p.Stream, R: p.Rendition, Epoch: p.Epoch,
		At: p.Arrived.UnixMilli(), PTS: p.PTS, Dur: clamp(p.Duration),
	}
	end := min(0, p.PTS) // where the epoch's media begins
	if !fresh {
		e.N = h.last.N + 1
		e.Prev = c.links[len(c.links)-1].digest
		end = h.last.End()
	}
	missing := p.N - e.N
	if missing > MaxGap {
		return e, false, fmt.Errorf("piece %s: %w: %d", p.Position, ErrGapTooLong, missing)
	}
	target := min(max(p.Target, e.Dur), MaxSegment)
	segment, init := p.Segment, p.Init
	if missing > 0 {
		if !fresh { // what was lost is counted to the segment it followed
			target, segment, init = h.start.Target, h.start.Seg, h.start.Init
		} else {
			segment = 0
		}
		e.Gap = true
		e.PTS = end
		e.Dur = min(clamp((p.PTS-end)/event.Ticks(missing)), target)
		e.At = max(0, p.Arrived.Add(-(p.PTS - end).Duration()).UnixMilli())
	} else {
		e.Key, e.Size, e.Root = p.Key, int64(p.Size), p.Root
	}
	h.place(&e, fresh, segment, init, target)
	return e, missing > 0, nil
}

// place numbers e and, where it starts a segment, says so.
func (h head) place(e *Entry, fresh bool, segment uint64, init event.Root, target event.Ticks) {
	if !fresh && segment == h.start.Seg && init == h.start.Init && e.Dur <= h.start.Target &&
		h.dur+e.Dur <= MaxSegment && h.last.Part+1 < MaxParts {
		e.MSN, e.DSN, e.Part = h.last.MSN, h.last.DSN, h.last.Part+1
		return
	}
	e.Seg, e.Init, e.Target = segment, init, target
	if h.last.Epoch == 0 { // nothing was ever signed
		return
	}
	e.MSN, e.DSN = h.last.MSN+1, h.last.DSN
	if fresh || init != h.start.Init {
		e.DSN++
	}
}

// Seal completes an entry from Next for signing at issued, in the session in force
// at its position, whose record has the given digest.
func (e Entry) Seal(issued time.Time, session event.Digest) Entry {
	e.Issued = issued.UnixMilli()
	if e.StartsSegment() {
		e.Session = session
	}
	if e.Prev.IsZero() { // nothing of the epoch was signed before
		e.Prev = session
	}
	return e
}

func clamp(t event.Ticks) event.Ticks { return min(max(t, 1), MaxSegment) }
