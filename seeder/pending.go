package seeder

import (
	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

// Bounds of what waits for an entry, apart from its bytes.
const (
	maxPendingPieces = 2048
	// maxCandidates bounds the pieces kept for one position: a false one that comes
	// first must not keep the true one out.
	maxCandidates = 4
)

// pending is a piece whose entry is not known yet.
type pending struct {
	piece  *event.Piece
	leaves [][32]byte // of its blocks
	root   event.Root
}

// pendingPieces holds pieces until their entries come. The oldest to arrive go first
// when it is full.
type pendingPieces struct {
	maxBytes int64
	bytes    int64
	order    []*pending // by arrival
	evicted  func(n int)
}

func newPending(p *event.Piece) *pending {
	leaves := manifest.Leaves(p.Data)
	return &pending{piece: p, leaves: leaves, root: manifest.RootOfLeaves(leaves)}
}

func (q *pendingPieces) add(p *pending) {
	same := 0
	for _, o := range q.order {
		if o.piece.Position != p.piece.Position {
			continue
		}
		if o.root == p.root {
			return
		}
		if same++; same == maxCandidates {
			return
		}
	}
	q.order = append(q.order, p)
	q.bytes += int64(len(p.piece.Data))
	drop := 0
	for q.bytes > q.maxBytes || len(q.order)-drop > maxPendingPieces {
		q.bytes -= int64(len(q.order[drop].piece.Data))
		drop++
	}
	if drop > 0 {
		clear(q.order[:drop])
		q.order = q.order[drop:]
		q.evicted(drop)
	}
}

// take removes all pieces at i's position, fills i with the one it signed, and
// returns how many were something else.
func (q *pendingPieces) take(i *item) (wrong int) {
	q.filter(func(p *pending) bool {
		if p.piece.Position != i.position() {
			return true
		}
		switch {
		case i.data == nil && i.matches(p):
			i.fill(p)
		case !i.entry.Gap:
			wrong++
		}
		return false
	})
	return wrong
}

// forget drops the pieces up to and including pos.
func (q *pendingPieces) forget(pos event.Position) {
	q.filter(func(p *pending) bool { return pos.Before(p.piece.Position) })
}

// after reports whether a piece of pos's epoch that follows pos is waiting.
func (q *pendingPieces) after(pos event.Position) bool {
	for _, p := range q.order {
		if p.piece.Epoch == pos.Epoch && pos.Before(p.piece.Position) {
			return true
		}
	}
	return false
}

func (q *pendingPieces) filter(keep func(*pending) bool) {
	kept := q.order[:0]
	q.bytes = 0
	for _, p := range q.order {
		if keep(p) {
			kept = append(kept, p)
			q.bytes += int64(len(p.piece.Data))
		}
	}
	clear(q.order[len(kept):])
	q.order = kept
}
