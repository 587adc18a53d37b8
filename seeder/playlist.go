package seeder

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

const typePlaylist = "application/vnd.apple.mpegurl"

// cachePlaylist is for the answer to a request that named the newest part: its address
// is asked for only until that part is old.
var cachePlaylist = fmt.Sprintf("public, max-age=%d", int(targetDuration.Seconds()))

// reload is a playlist request's query (RFC 8216bis section 6.2.5).
type reload struct {
	blocking bool
	msn      uint64
	part     int64 // -1: the whole segment
	skip     bool
}

func parseReload(q url.Values) (reload, error) {
	r := reload{part: -1}
	switch q.Get("_HLS_skip") {
	case "YES", "v2":
		r.skip = true
	}
	if q.Has("_HLS_msn") {
		v, ok := digitsOnly(q.Get("_HLS_msn"))
		if !ok {
			return r, fmt.Errorf("_HLS_msn must be a media sequence number")
		}
		r.blocking, r.msn = true, v
	}
	if q.Has("_HLS_part") {
		v, ok := digitsOnly(q.Get("_HLS_part"))
		if !ok || !r.blocking {
			return r, fmt.Errorf("_HLS_part must be a part's index, beside _HLS_msn")
		}
		r.part = int64(v)
	}
	return r, nil
}

// servePlaylist answers with a media playlist, after the part asked for has come.
func (s *Service) servePlaylist(w http.ResponseWriter, r *http.Request) {
	st, rend := s.findRendition(w, r)
	if st == nil {
		return
	}
	ask, err := parseReload(r.URL.Query())
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	snap := rend.snap.Load()
	switch {
	case snap.stalled, snap.empty() && rend.name != event.Source && st.isLive():
		failStalled(w)
		return
	case snap.empty():
		fail(w, http.StatusNotFound, "the stream is offline")
		return
	}
	cache := cacheMoment
	if ask.blocking {
		if snap.view().Answers(ask.msn, ask.part) == manifest.Refuse {
			fail(w, http.StatusBadRequest, "this media sequence number or part is too far ahead of the newest")
			return
		}
		snap, err = s.await(r.Context(), rend, playlistHold, func(snap *snapshot) bool {
			return snap.empty() || snap.stalled || snap.view().Answers(ask.msn, ask.part) == manifest.Ready
		})
		switch {
		case err != nil:
			failWait(w, err)
			return
		case snap.empty():
			fail(w, http.StatusNotFound, "the stream has gone offline")
			return
		case snap.stalled:
			failStalled(w)
			return
		}
		if snap.newestFor(ask) {
			cache = cachePlaylist
		}
	}
	w.Header().Set("Cache-Control", cache)
	text := snap.playlist(ask.skip)
	s.serveText(w, r, "playlist", typePlaylist, text.text, text.compressed)
}

// failStalled sends players to another rendition.
func failStalled(w http.ResponseWriter) {
	fail(w, http.StatusNotFound, "this rendition has fallen behind: take another")
}

// newestFor reports whether the last entry is the one that the request asks for: an
// answer to an older request changes with every part.
func (s *snapshot) newestFor(ask reload) bool {
	before := s.view()
	before.Entries = before.Entries[:len(before.Entries)-1]
	before.Ended = false
	return before.Answers(ask.msn, ask.part) != manifest.Ready
}

// serveMultivariant answers with the list of renditions that can be played now. Their
// bandwidths are those of the media in the window.
func (s *Service) serveMultivariant(w http.ResponseWriter, r *http.Request) {
	st := s.findStream(w, r)
	if st == nil {
		return
	}
	var variants []manifest.Variant
	for _, rend := range st.all() {
		snap := rend.snap.Load()
		t, ok := st.tracks(rend)
		if snap.empty() || snap.stalled || !ok {
			continue
		}
		peak, average := manifest.Bandwidth(snap.view().Entries)
		variants = append(variants, manifest.Variant{
			Rendition: rend.name, Codecs: t.Codecs, Width: t.Width, Height: t.Height, FrameRate: t.FrameRate,
			Bandwidth: max(peak, average, 1), AverageBandwidth: max(average, 1),
		})
	}
	if len(variants) == 0 {
		fail(w, http.StatusNotFound, "the stream is offline")
		return
	}
	w.Header().Set("Cache-Control", cacheMoment)
	s.serveText(w, r, "playlist", typePlaylist, manifest.MultivariantPlaylist(variants), nil)
}
