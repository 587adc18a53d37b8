package seeder

import (
	"errors"
	"net/http"
	"strings"

	"github.com/shoalcast/shoal/event"
)

// servePiece answers with one piece and the entry that signs it. A request for one of
// the next few pieces waits for it.
func (s *Service) servePiece(w http.ResponseWriter, r *http.Request) {
	st, rend := s.findRendition(w, r)
	if st == nil {
		return
	}
	epoch, ok1 := digitsOnly(r.PathValue("epoch"))
	n, ok2 := number(r.PathValue("file"), ".m4s")
	if !ok1 || !ok2 {
		fail(w, http.StatusNotFound, "a piece's address ends in <epoch>/<n>.m4s")
		return
	}
	pos := event.Position{Epoch: event.Epoch(epoch), N: n}
	snap := rend.snap.Load()
	if snap.mayCome(pos) {
		var err error
		snap, err = s.await(r.Context(), rend, pieceHold, func(snap *snapshot) bool { return !snap.mayCome(pos) })
		if errors.Is(err, errCrowded) || errors.Is(err, errClosing) {
			failWait(w, err)
			return
		}
	}
	i, ok := find(snap.items, pos)
	switch {
	case !ok:
		fail(w, http.StatusNotFound, "this piece is not in the live window: it has gone, or has not come")
	case snap.items[i].entry.Gap:
		fail(w, http.StatusNotFound, "this piece was lost before it was signed")
	case snap.items[i].data == nil:
		fail(w, http.StatusNotFound, "the bytes of this piece were lost")
	default:
		it := snap.items[i]
		w.Header().Set("Shoal-Entry", it.header)
		s.serveBytes(w, r, "piece", it.entry.Root.String(), it.data)
	}
}

// mayCome reports whether pos is one of the next few pieces of an epoch that goes on.
func (s *snapshot) mayCome(pos event.Position) bool {
	if s.empty() || s.ended {
		return false
	}
	edge := s.last().Position()
	return pos.Epoch == edge.Epoch && edge.N < pos.N && pos.N <= edge.N+pieceAhead
}

// serveSegment answers with the pieces of a complete segment, one after the other.
func (s *Service) serveSegment(w http.ResponseWriter, r *http.Request) {
	st, rend := s.findRendition(w, r)
	if st == nil {
		return
	}
	msn, ok := number(r.PathValue("file"), ".m4s")
	if !ok {
		fail(w, http.StatusNotFound, "a segment's address ends in seg/<media sequence number>.m4s")
		return
	}
	items := rend.snap.Load().segment(msn)
	parts := make([][]byte, 0, len(items))
	var roots []byte
	for _, it := range items {
		if it.entry.Gap {
			continue
		}
		if it.data == nil {
			fail(w, http.StatusNotFound, "bytes of this segment were lost")
			return
		}
		parts = append(parts, it.data)
		roots = append(roots, it.entry.Root[:]...)
	}
	if len(parts) == 0 {
		fail(w, http.StatusNotFound, "this segment is not in the live window: it has gone, or is not complete yet")
		return
	}
	s.serveBytes(w, r, "segment", event.DigestOf(roots).String(), parts...)
}

// serveInit answers with an init segment that a served entry names.
func (s *Service) serveInit(w http.ResponseWriter, r *http.Request) {
	st, rend := s.findRendition(w, r)
	if st == nil {
		return
	}
	file, ok := strings.CutSuffix(r.PathValue("file"), ".mp4")
	root, err := event.ParseRoot(file)
	if ok && err == nil && rend.snap.Load().needsInit(root) {
		if t, ok := st.init(root); ok {
			s.serveBytes(w, r, "init", root.String(), t.Init)
			return
		}
	}
	fail(w, http.StatusNotFound, "no segment in the live window needs this init segment")
}

// serveRoot answers with a piece or an init segment of any stream, by its root alone.
func (s *Service) serveRoot(w http.ResponseWriter, r *http.Request) {
	root, err := event.ParseRoot(r.PathValue("root"))
	if err != nil || root.IsZero() {
		fail(w, http.StatusNotFound, "the address is /p/ and a root of 64 hexadecimal digits")
		return
	}
	for _, st := range s.known() {
		for _, rend := range st.all() {
			snap := rend.snap.Load()
			if it := snap.byRoot(root); it != nil {
				s.serveBytes(w, r, "piece", root.String(), it.data)
				return
			}
			if snap.needsInit(root) {
				if t, ok := st.init(root); ok {
					s.serveBytes(w, r, "init", root.String(), t.Init)
					return
				}
			}
		}
	}
	fail(w, http.StatusNotFound, "nothing in a live window has this root")
}
