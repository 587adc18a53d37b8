package hls

import (
	"fmt"
	"maps"
	"slices"
	"sort"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

// Piece is a signed entry with its bytes; with none, the piece was lost, or is not to be
// had, and is listed as a gap.
type Piece struct {
	Entry manifest.Entry
	Data  []byte
}

// Init is an init segment and what it says of its tracks.
type Init struct {
	Data          []byte
	Codecs        string // RFC 6381; empty when not known
	Width, Height int    // of the picture; 0 when there is none
}

// lateRequests is how much media before the playlist's start stays for players that
// still go by an older one: one target duration.
const lateRequests = manifest.TargetDuration * event.Timescale

// window is what is kept: a run of pieces without holes, from the start of a segment
// that a decoder can begin with. It is not safe for concurrent use.
type window struct {
	name      event.StreamName
	rendition event.Rendition
	shown     *snapshot
}

// snapshot is what requests see between two changes. It does not change itself.
type snapshot struct {
	pieces []Piece
	inits  map[event.Root]Init
	listed []manifest.Entry // the playlist's: fewer than pieces
	ended  bool
	next   chan struct{} // closed when there is a newer one
}

func newWindow(name event.StreamName, r event.Rendition) *window {
	return &window{name: name, rendition: r, shown: &snapshot{next: make(chan struct{})}}
}

// add shows a piece that follows those before. A piece that cannot stand where it comes
// begins the window anew, at the first segment from there that can be decoded.
func (w *window) add(p Piece, init Init) error {
	if p.Data == nil {
		p.Entry = gap(p.Entry)
	} else if !p.Entry.Holds(p.Data) {
		return fmt.Errorf("piece %s is not what was signed", p.Entry.Position())
	}
	old := w.shown
	now := &snapshot{pieces: old.pieces, inits: old.inits}
	if len(now.pieces) > 0 && !follows(now.pieces[len(now.pieces)-1].Entry.Position(), p.Entry.Position()) {
		now.pieces, now.inits = nil, nil
	}
	if root := p.Entry.Init; !root.IsZero() {
		if _, known := now.inits[root]; !known {
			if manifest.RootOf(init.Data) != root {
				now.pieces, now.inits = nil, nil
				w.show(now)
				return nil
			}
			now.inits = maps.Clone(now.inits)
			if now.inits == nil {
				now.inits = map[event.Root]Init{}
			}
			now.inits[root] = init
		}
	}
	if len(now.pieces) == 0 && !(p.Entry.StartsSegment() && p.Entry.Key && p.Data != nil) {
		if len(old.pieces) > 0 {
			now.inits = nil
			w.show(now)
		}
		return nil
	}
	now.pieces = append(now.pieces, p) // those who read the old one see no further than its end
	if p.Entry.StartsSegment() {
		now.trim()
	}
	w.show(now)
	return nil
}

// end says whether nothing follows for now: the last segment is whole then.
func (w *window) end(ended bool) {
	if w.shown.ended == ended {
		return
	}
	now := *w.shown
	now.ended = ended
	w.show(&now)
}

func (w *window) show(now *snapshot) {
	entries := make([]manifest.Entry, len(now.pieces))
	for i, p := range now.pieces {
		entries[i] = p.Entry
	}
	now.listed, now.next = manifest.Window(entries), make(chan struct{})
	close(w.shown.next)
	w.shown = now
}

// gap returns the entry as a playlist lists a piece that is not here.
func gap(e manifest.Entry) manifest.Entry {
	e.Gap, e.Key, e.Size, e.Root = true, false, 0, event.Root{}
	return e
}

// follows reports whether nothing can stand between two positions, a before b.
func follows(a, b event.Position) bool {
	return b.Epoch == a.Epoch && b.N == a.N+1 || b.Epoch > a.Epoch && b.N == 0
}

// trim lets go of what no playlist lists and no late request should want.
func (s *snapshot) trim() {
	entries := make([]manifest.Entry, len(s.pieces))
	for i, p := range s.pieces {
		entries[i] = p.Entry
	}
	keep := len(entries) - len(manifest.Window(entries))
	var late event.Ticks
	for i := keep - 1; i >= 0 && late < lateRequests; i-- {
		late += entries[i].Dur
		if entries[i].StartsSegment() {
			keep = i
		}
	}
	if keep == 0 {
		return
	}
	s.pieces = slices.Clone(s.pieces[keep:]) // so that the old array and its bytes can go
	needed := map[event.Root]Init{}
	for _, p := range s.pieces {
		if init, ok := s.inits[p.Entry.Init]; ok {
			needed[p.Entry.Init] = init
		}
	}
	s.inits = needed
}

func (s *snapshot) empty() bool { return len(s.pieces) == 0 }

func (s *snapshot) newest() manifest.Entry { return s.pieces[len(s.pieces)-1].Entry }

// begun reports whether a player that knows whole segments only has something to play.
func (s *snapshot) begun() bool {
	return !s.empty() && (s.ended || s.pieces[0].Entry.MSN != s.newest().MSN)
}

// piece returns the bytes of a piece; nil when they are not here.
func (s *snapshot) piece(at event.Position) []byte {
	i := sort.Search(len(s.pieces), func(i int) bool { return !s.pieces[i].Entry.Position().Before(at) })
	if i == len(s.pieces) || s.pieces[i].Entry.Position() != at {
		return nil
	}
	return s.pieces[i].Data
}

// mayCome reports whether a piece is one of the next few of an epoch that goes on.
func (s *snapshot) mayCome(at event.Position) bool {
	if s.empty() || s.ended {
		return false
	}
	edge := s.newest().Position()
	return at.Epoch == edge.Epoch && edge.N < at.N && at.N <= edge.N+pieceAhead
}

// segment returns the bytes of a segment that is whole, one piece after the other, and
// none for any other.
func (s *snapshot) segment(msn uint64) [][]byte {
	from := sort.Search(len(s.pieces), func(i int) bool { return s.pieces[i].Entry.MSN >= msn })
	to := sort.Search(len(s.pieces), func(i int) bool { return s.pieces[i].Entry.MSN > msn })
	if from == to || to == len(s.pieces) && !s.ended || !s.pieces[from].Entry.StartsSegment() {
		return nil
	}
	var parts [][]byte
	for _, p := range s.pieces[from:to] {
		if p.Data != nil {
			parts = append(parts, p.Data)
		}
	}
	return parts
}

// init returns the init segment of the newest segment.
func (s *snapshot) init() Init {
	for _, p := range slices.Backward(s.pieces) {
		if p.Entry.StartsSegment() {
			return s.inits[p.Entry.Init]
		}
	}
	return Init{}
}
