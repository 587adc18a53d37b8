package hls

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

const methods = "GET, HEAD, OPTIONS"

func (s *Server) handler() http.Handler {
	r := "/" + string(s.options.Rendition)
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", s.serveWords)
	mux.HandleFunc("/index.m3u8", s.serveMultivariant)
	mux.HandleFunc(r+"/index.m3u8", s.servePlaylist)
	mux.HandleFunc(r+"/{epoch}/{file}", s.servePiece)
	mux.HandleFunc(r+"/seg/{file}", s.serveSegment)
	mux.HandleFunc(r+"/init/{file}", s.serveInit)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		fail(w, http.StatusNotFound, "there is nothing at this address: players begin at /index.m3u8")
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		allowPages(w.Header())
		switch r.Method {
		case http.MethodGet, http.MethodHead:
			mux.ServeHTTP(w, r)
		case http.MethodOptions:
			w.WriteHeader(http.StatusNoContent)
		default:
			w.Header().Set("Allow", methods)
			fail(w, http.StatusMethodNotAllowed, "only "+methods+" are possible here")
		}
	})
}

// allowPages lets pages of any origin play the stream, as the origin does. Nothing is
// kept by caches: another day, the same address is another stream.
func allowPages(h http.Header) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Allow-Methods", methods)
	h.Set("Access-Control-Allow-Headers", "Range, If-None-Match, Cache-Control")
	h.Set("Access-Control-Expose-Headers", "Date, Content-Range, ETag")
	h.Set("Access-Control-Max-Age", "86400")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
}

func (s *Server) serveWords(w http.ResponseWriter, r *http.Request) {
	snap := s.now()
	text := fmt.Sprintf("Shoal is watching %s, %s.\n\nPlay %s in VLC, mpv, ffplay, Safari or hls.js.\n", s.options.Name, s.options.Page, s.Playlist())
	if snap.empty() {
		text += "Nothing has come yet.\n"
	} else {
		text += fmt.Sprintf("%d verified pieces are here, the newest is %s.\n", len(snap.pieces), snap.newest().Position())
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	serveText(w, r, []byte(text))
}

// serveMultivariant answers once there is a whole segment: ffmpeg and what is made of it
// give up on a playlist without one.
func (s *Server) serveMultivariant(w http.ResponseWriter, r *http.Request) {
	snap, err := s.await(r.Context(), firstHold, (*snapshot).begun)
	if snap.empty() {
		if err == nil || errors.Is(err, errTimeout) {
			err = errNothing
		}
		failWait(w, err)
		return
	}
	peak, average := manifest.Bandwidth(snap.listed)
	init := snap.init()
	w.Header().Set("Content-Type", typePlaylist)
	serveText(w, r, manifest.MultivariantPlaylist([]manifest.Variant{{
		Rendition: s.options.Rendition, Codecs: init.Codecs, Width: init.Width, Height: init.Height,
		Bandwidth: max(peak, average, 1), AverageBandwidth: max(average, 1),
	}}))
}

// reload is a playlist request's query (RFC 8216bis section 6.2.5).
type reload struct {
	blocking bool
	msn      uint64
	part     int64 // -1: the whole segment
	skip     bool
}

func parseReload(q url.Values) (reload, error) {
	r := reload{part: -1}
	r.skip = q.Get("_HLS_skip") == "YES" || q.Get("_HLS_skip") == "v2"
	var ok bool
	if q.Has("_HLS_msn") {
		if r.msn, ok = digits(q.Get("_HLS_msn")); !ok {
			return r, fmt.Errorf("_HLS_msn must be a media sequence number")
		}
		r.blocking = true
	}
	if q.Has("_HLS_part") {
		part, ok := digits(q.Get("_HLS_part"))
		if !ok || !r.blocking {
			return r, fmt.Errorf("_HLS_part must be a part's index, beside _HLS_msn")
		}
		r.part = int64(part)
	}
	return r, nil
}

// servePlaylist answers with the media playlist, after the part asked for has come.
func (s *Server) servePlaylist(w http.ResponseWriter, r *http.Request) {
	ask, err := parseReload(r.URL.Query())
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	ready := func(snap *snapshot) bool {
		return !snap.empty() && (!ask.blocking || s.view(snap).Answers(ask.msn, ask.part) != manifest.Hold)
	}
	snap, err := s.await(r.Context(), playlistHold, ready)
	switch {
	case err != nil:
		failWait(w, err)
	case ask.blocking && s.view(snap).Answers(ask.msn, ask.part) == manifest.Refuse:
		fail(w, http.StatusBadRequest, "this media sequence number or part is too far ahead of the newest")
	default:
		w.Header().Set("Content-Type", typePlaylist)
		serveText(w, r, manifest.MediaPlaylist(s.view(snap), manifest.MediaOptions{Skip: ask.skip}))
	}
}

func (s *Server) view(snap *snapshot) manifest.View {
	return manifest.View{Name: s.options.Name, Rendition: s.options.Rendition, Entries: snap.listed, Ended: snap.ended}
}

// servePiece answers with one piece. A request for one of the next few waits for it.
func (s *Server) servePiece(w http.ResponseWriter, r *http.Request) {
	epoch, ok1 := digits(r.PathValue("epoch"))
	n, ok2 := number(r.PathValue("file"))
	if !ok1 || !ok2 {
		fail(w, http.StatusNotFound, "a piece's address ends in <epoch>/<n>.m4s")
		return
	}
	at := event.Position{Epoch: event.Epoch(epoch), N: n}
	snap, err := s.await(r.Context(), pieceHold, func(snap *snapshot) bool { return !snap.mayCome(at) })
	if err != nil && !errors.Is(err, errTimeout) {
		failWait(w, err)
		return
	}
	data := snap.piece(at)
	if data == nil {
		fail(w, http.StatusNotFound, "this piece is not in the live window: it has gone, was lost, or has not come")
		return
	}
	serveMedia(w, r, data)
}

func (s *Server) serveSegment(w http.ResponseWriter, r *http.Request) {
	msn, ok := number(r.PathValue("file"))
	if !ok {
		fail(w, http.StatusNotFound, "a segment's address ends in seg/<media sequence number>.m4s")
		return
	}
	parts := s.now().segment(msn)
	if len(parts) == 0 {
		fail(w, http.StatusNotFound, "this segment is not in the live window: it has gone, or is not complete yet")
		return
	}
	serveMedia(w, r, parts...)
}

func (s *Server) serveInit(w http.ResponseWriter, r *http.Request) {
	file, _ := strings.CutSuffix(r.PathValue("file"), ".mp4")
	if root, err := event.ParseRoot(file); err == nil {
		if init, ok := s.now().inits[root]; ok {
			serveMedia(w, r, init.Data)
			return
		}
	}
	fail(w, http.StatusNotFound, "no segment in the live window needs this init segment")
}

// number reads the digits of a path element such as 12.m4s.
func number(file string) (uint64, bool) {
	text, ok := strings.CutSuffix(file, ".m4s")
	if !ok {
		return 0, false
	}
	return digits(text)
}

// digits reads a number in the one spelling that playlists use.
func digits(s string) (uint64, bool) {
	v, err := strconv.ParseUint(s, 10, 53)
	return v, err == nil && strconv.FormatUint(v, 10) == s
}
