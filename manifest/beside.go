package manifest

import (
	"errors"
	"fmt"

	"github.com/shoalcast/shoal/event"
)

// MaxHole is how many pieces in a row a rendition made of another may lack and have them
// signed as gaps. After more it begins afresh, where a segment does.
const MaxHole = 512

// ErrNoPlace means that a rendition's piece cannot be signed, as it lies within a segment
// of which the chain does not have the beginning.
var ErrNoPlace = errors.New("the piece's segment was not begun")

// NextBeside is Next for a piece of a rendition that was made of another's pieces. It is
// numbered as its source, the entry at its position in the other's chain, is: so segments,
// parts and discontinuities of both meet, whatever either lost. sources returns the
// entries of the other chain that are known; that of p is.
//
// A rendition may begin in the middle of an epoch, at a segment's start, and again there
// after more than MaxHole pieces are missing: the Prev of such an entry is its session
// record's digest, as that of an epoch's first is. ErrNoPlace is of the pieces before.
func (c *Chain) NextBeside(p *event.Piece, sources func(event.Position) (Entry, bool)) (e Entry, more bool, err error) {
	h := c.head
	if len(c.links) > 0 && !h.last.Position().Before(p.Position) {
		return e, false, fmt.Errorf("piece %s: %w", p.Position, ErrSigned)
	}
	source, ok := sources(p.Position)
	if !ok {
		return e, false, fmt.Errorf("piece %s: %w", p.Position, ErrOutsideWindow)
	}
	begun := len(c.links) > 0 && h.last.Epoch == p.Epoch
	next := p.Position
	if begun {
		next.N = h.last.N + 1
	}
	if missing := p.N - next.N; missing > 0 {
		lost, ok := sources(next)
		switch {
		case ok && missing <= MaxHole:
			e = lost.beside(p)
			e.Key, e.Size, e.Root, e.Gap = false, 0, event.Root{}, true
			if e.StartsSegment() {
				e.Init = p.Init // as far as one knows: nothing of the segment is left to need it
			}
			e.Prev = c.links[len(c.links)-1].digest
			return e, true, nil
		case !source.StartsSegment():
			return e, false, fmt.Errorf("piece %s: %w", p.Position, ErrNoPlace)
		}
		begun = false
	}
	if !begun && !source.StartsSegment() {
		return e, false, fmt.Errorf("piece %s: %w", p.Position, ErrNoPlace)
	}
	e = source.beside(p)
	e.Key, e.PTS, e.Size, e.Root, e.Gap = p.Key, p.PTS, int64(p.Size), p.Root, false
	if e.StartsSegment() {
		e.Init = p.Init
	}
	if begun {
		e.Prev = c.links[len(c.links)-1].digest
	}
	return e, false, nil
}

// beside returns e as an entry of p's rendition, to be sealed.
func (e Entry) beside(p *event.Piece) Entry {
	e.R, e.Issued, e.Session, e.Prev, e.Crit = p.Rendition, 0, event.Digest{}, event.Digest{}, nil
	return e
}
