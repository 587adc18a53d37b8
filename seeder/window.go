package seeder

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

// Times and counts by which a window goes on when something does not come.
const (
	// holeGrace is how long the window waits for a piece or an entry when later ones
	// have come: the bus delivers in order, so it is most likely lost.
	holeGrace = time.Second
	// giveUp is how long it waits for bytes that nothing has overtaken.
	giveUp = 5 * time.Second
	// endSettle is how long nothing may come after the end of an epoch before its
	// last segment counts as complete.
	endSettle = 2 * time.Second
	// catchUp is how long a window that only has old media is kept while nothing new
	// comes: after a restart the bus replays it oldest first.
	catchUp = 5 * time.Second
	// lateRequests is how much media before the playlist's start stays for those who
	// still work off an older playlist.
	lateRequests = targetDuration

	maxWaiting = 2048 // verified entries that wait for their bytes or predecessors
	maxSealed  = 512  // entries whose session record is not known yet
)

// opener verifies entries; *manifest.Trust is one.
type opener interface {
	Open(manifest.Envelope) (manifest.Entry, error)
}

// window is what the origin keeps of one rendition: pieces that wait for entries,
// entries that wait for pieces, and the gapless run of both that is shown. It does no
// I/O, knows no clock but what it is told, and is not safe for concurrent use.
type window struct {
	rendition event.Rendition
	trust     opener
	hasInit   func(event.Root) bool
	span      time.Duration // how long it stays after the last piece
	maxBytes  int64
	note      notes

	shown   []*item       // what requests see, in order
	waiting []*item       // verified entries after shown, by position
	sealed  [][]byte      // envelopes that need a session record first
	pieces  pendingPieces // without an entry
	newest  event.Position
	floor   event.Position // shown once and let go: nothing up to here comes back
	ended   event.Epoch    // the epoch that was closed last
	endedAt time.Time
	moved   time.Time // when something was last added to shown
}

// notes are told what becomes of pieces and entries.
type notes struct {
	piece, entry func(result string, n int)
	trouble      func(about string, p event.Position, err error)
}

func newWindow(o Options, r event.Rendition, t opener, hasInit func(event.Root) bool, n notes) *window {
	return &window{
		rendition: r, trust: t, hasInit: hasInit, span: o.Window, maxBytes: o.WindowBytes, note: n,
		pieces: pendingPieces{maxBytes: o.PendingBytes, evicted: func(k int) { n.piece("evicted", k) }},
	}
}

// addPiece takes a piece from the bus and returns the items that it makes visible.
func (w *window) addPiece(now time.Time, p *pending) []*item {
	pos := p.piece.Position
	if w.newest.Before(pos) {
		w.newest = pos
	}
	if i, ok := find(w.waiting, pos); ok {
		if it := w.waiting[i]; it.data == nil && it.matches(p) {
			it.fill(p)
			w.note.piece("verified", 1)
		} else if !it.entry.Gap && !it.matches(p) {
			w.note.piece("rejected", 1)
		}
		return w.advance(now)
	}
	if i, ok := find(w.shown, pos); ok {
		w.repair(i, p)
		return w.advance(now)
	}
	if pos.Before(w.edge()) || w.floor != (event.Position{}) && !w.floor.Before(pos) {
		return nil
	}
	w.pieces.add(p)
	return w.advance(now)
}

// repair gives bytes that came too late to an item that is shown without them.
func (w *window) repair(i int, p *pending) {
	it := w.shown[i]
	switch {
	case it.entry.Gap || it.data != nil && it.matches(p):
	case it.data == nil && it.matches(p):
		c := *it
		c.fill(p)
		w.shown = slices.Clone(w.shown) // readers hold the old one
		w.shown[i] = &c
		w.note.piece("verified", 1)
	default:
		w.note.piece("rejected", 1)
	}
}

// addEntry takes an envelope from the bus and returns the items that it makes visible.
// It never fails: what does not verify is noted and left out.
func (w *window) addEntry(now time.Time, envelope []byte) []*item {
	env, err := manifest.ParseEnvelope(envelope)
	if err != nil {
		w.reject(event.Position{}, err)
		return nil
	}
	e, err := w.trust.Open(env)
	switch {
	case errors.Is(err, manifest.ErrUnknownSession):
		w.sealed = append(w.sealed, slices.Clone(envelope))
		if len(w.sealed) > maxSealed {
			w.sealed = w.sealed[1:]
			w.reject(event.Position{}, err)
		}
		return nil
	case err == nil && e.R != w.rendition:
		err = fmt.Errorf("signed for rendition %s", e.R)
	}
	if err != nil {
		w.reject(e.Position(), err)
		return nil
	}
	it := newItem(now, e, env)
	if !w.place(it) {
		return nil
	}
	w.note.entry("verified", 1)
	if e.Gap {
		w.note.piece("gap", 1)
	}
	if bad := w.pieces.take(it); bad > 0 {
		w.note.piece("rejected", bad)
	}
	if it.data != nil {
		w.note.piece("verified", 1)
	}
	return w.advance(now)
}

func (w *window) reject(p event.Position, err error) {
	w.note.entry("rejected", 1)
	w.note.trouble("entry is not served", p, err)
}

// place sorts a verified item into the waiting ones, unless its place is taken or past.
func (w *window) place(it *item) bool {
	pos := it.position()
	for _, list := range [][]*item{w.shown, w.waiting} {
		if i, ok := find(list, pos); ok {
			if !bytes.Equal(list[i].payload, it.payload) {
				w.note.entry("fork", 1)
				w.note.trouble("two signed entries for one piece: the creator's keys are used twice; the first is served", pos, manifest.ErrFork)
			}
			return false
		}
	}
	if pos.Before(w.edge()) || w.floor != (event.Position{}) && !w.floor.Before(pos) {
		return false
	}
	i, _ := find(w.waiting, pos)
	w.waiting = slices.Insert(w.waiting, i, it)
	return true
}

// retry opens again what had no session record; call it when one was added.
func (w *window) retry(now time.Time) (released []*item) {
	sealed := w.sealed
	w.sealed = nil
	for _, b := range sealed {
		released = append(released, w.addEntry(now, b)...)
	}
	return released
}

// end says that the epoch was closed: once all of it was shown its last segment is complete.
func (w *window) end(now time.Time, e event.Epoch) { w.ended, w.endedAt = e, now }

// isEnded reports whether no piece follows what is shown, as far as one can know.
func (w *window) isEnded(now time.Time) bool {
	if len(w.shown) == 0 || w.ended != w.edge().Epoch || len(w.waiting) > 0 {
		return false
	}
	return now.Sub(w.endedAt) >= endSettle && now.Sub(w.moved) >= endSettle && !w.pieces.after(w.edge())
}

// edge is the position of the newest item that is shown; zero when there is none.
func (w *window) edge() event.Position {
	if len(w.shown) == 0 {
		return event.Position{}
	}
	return w.shown[len(w.shown)-1].position()
}

// advance moves what is ready from waiting to shown, keeping the order without holes,
// and returns it.
func (w *window) advance(now time.Time) (released []*item) {
	for {
		n := w.next(now)
		if n < 0 {
			break
		}
		it := w.waiting[n]
		w.waiting = slices.Delete(w.waiting, 0, n+1)
		if len(w.shown) > 0 {
			if err := it.continues(w.shown[len(w.shown)-1]); err != nil {
				w.note.entry("fork", 1)
				w.note.trouble("signed entry does not continue the chain: it is not served", it.position(), err)
				continue
			}
		}
		if !it.complete() {
			w.note.piece("lost", 1)
			w.note.trouble("the bytes of a signed piece did not come", it.position(), nil)
		}
		w.shown = append(w.shown, it)
		w.moved = now
		released = append(released, it)
	}
	if over := len(w.waiting) - maxWaiting; over > 0 {
		w.waiting = slices.Delete(w.waiting, 0, over)
	}
	if len(released) > 0 {
		w.pieces.forget(w.edge())
	}
	if slices.ContainsFunc(released, func(it *item) bool { return it.entry.StartsSegment() }) {
		w.trim()
	}
	return released
}

// next returns the index of the waiting item that may be shown now, -1 for none. The
// items before it are left out for good.
func (w *window) next(now time.Time) int {
	if len(w.waiting) == 0 {
		return -1
	}
	it, edge := w.waiting[0], w.edge()
	if len(w.shown) == 0 {
		return w.first(now)
	}
	pos := it.position()
	waited := now.Sub(it.added)
	if !follows(edge, pos) {
		if waited < holeGrace {
			return -1
		}
		// An entry is missing, and a playlist has no holes: begin again behind it.
		w.note.trouble("an entry did not come: the playlist begins again after it", edge, nil)
		w.floor, w.shown = edge, nil
		return w.first(now)
	}
	if w.ready(it) {
		return 0
	}
	overtaken := pos.Before(w.newest)
	for _, later := range w.waiting[1:] {
		overtaken = overtaken || w.ready(later)
	}
	if waited >= giveUp || waited >= holeGrace && (overtaken || it.complete()) {
		return 0
	}
	return -1
}

// follows reports whether nothing can stand between two positions, a before b.
func follows(a, b event.Position) bool {
	return b.Epoch == a.Epoch && b.N == a.N+1 || b.Epoch > a.Epoch && b.N == 0
}

// first returns the index of the item that a playlist can begin with: one that starts a
// segment and has its bytes. What comes before it is waited for a little.
func (w *window) first(now time.Time) int {
	for i, it := range w.waiting {
		if it.entry.StartsSegment() && w.ready(it) {
			if i == 0 || follows(w.floor, w.waiting[0].position()) || now.Sub(w.waiting[0].added) >= holeGrace {
				return i
			}
			break
		}
	}
	return -1
}

func (w *window) ready(it *item) bool {
	return it.complete() && (it.entry.Init.IsZero() || w.hasInit(it.entry.Init))
}

// tick does what is due by time alone. It reports items that became visible, and
// whether the window was emptied because its stream stopped.
func (w *window) tick(now time.Time) (released []*item, aged bool) {
	released = w.advance(now)
	if len(w.shown) > 0 {
		last := w.shown[len(w.shown)-1]
		end := last.entry.Arrived(last.entry.End())
		if now.Sub(end) > w.span && now.Sub(w.moved) > catchUp {
			w.clear()
			aged = true
		}
	}
	w.pieces.filter(func(p *pending) bool { return now.Sub(p.piece.Received) < 4*w.span })
	return released, aged
}

// clear lets go of everything but where it was.
func (w *window) clear() {
	if len(w.shown) > 0 {
		w.floor = w.edge()
	}
	w.shown, w.waiting, w.sealed = nil, nil, nil
	w.pieces.filter(func(*pending) bool { return false })
}

// idle reports whether nothing is kept.
func (w *window) idle() bool {
	return len(w.shown) == 0 && len(w.waiting) == 0 && len(w.pieces.order) == 0
}

// trim lets go of what no playlist lists and no late request should want.
func (w *window) trim() {
	keep := keepFrom(w.shown, w.maxBytes)
	if keep == 0 {
		return
	}
	w.floor = w.shown[keep-1].position()
	w.shown = slices.Clone(w.shown[keep:]) // so that the old array and its bytes can go
}

func find(items []*item, pos event.Position) (int, bool) {
	return slices.BinarySearchFunc(items, pos, func(it *item, p event.Position) int {
		switch q := it.position(); {
		case q.Before(p):
			return -1
		case p.Before(q):
			return 1
		}
		return 0
	})
}
