package seeder

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/shoalcast/shoal/event"
)

// Handler serves every route of the origin:
//
//	/api/v1/time, /api/v1/streams
//	/live/{name}/manifest.json, /live/{name}/index.m3u8, /live/{name}/pass
//	/live/{name}/archive/, …/{file}, …/{file}.torrent
//	/live/{name}/{r}/index.m3u8, …/{epoch}/{n}.m4s, …/seg/{msn}.m4s, …/init/{root}.mp4
//	/p/{root}
//
// and the two pages of Options. Everything may be read from any web page, with GET,
// HEAD and OPTIONS only.
func (s *Service) Handler() http.Handler {
	mux, archive := http.NewServeMux(), s.archiveRoutes()
	mux.Handle("/{$}", page(s.opts.Index))
	mux.Handle("/live/{name}", page(s.opts.Player))
	mux.HandleFunc("/live/{name}/stream.torrent", s.serveTorrent)
	mux.HandleFunc("/api/v1/time", s.serveTime)
	mux.HandleFunc("/api/v1/streams", s.serveStreams)
	mux.HandleFunc("/live/{name}/manifest.json", s.serveManifest)
	mux.HandleFunc("/live/{name}/pass", s.servePass)
	mux.HandleFunc("/live/{name}/index.m3u8", s.serveMultivariant)
	mux.HandleFunc("/live/{name}/{r}/index.m3u8", s.servePlaylist)
	mux.HandleFunc("/live/{name}/{r}/{epoch}/{file}", s.servePiece)
	mux.HandleFunc("/live/{name}/{r}/seg/{file}", s.serveSegment)
	mux.HandleFunc("/live/{name}/{r}/init/{file}", s.serveInit)
	mux.HandleFunc("/p/{root}", s.serveRoot)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		fail(w, http.StatusNotFound, "there is nothing at this address")
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		allowOrigins(w.Header())
		switch r.Method {
		case http.MethodGet, http.MethodHead:
			if _, pattern := archive.Handler(r); pattern != "" {
				archive.ServeHTTP(w, r)
				return
			}
			mux.ServeHTTP(w, r)
		case http.MethodOptions:
			w.WriteHeader(http.StatusNoContent)
		default:
			w.Header().Set("Allow", methods)
			fail(w, http.StatusMethodNotAllowed, "only "+methods+" are possible here")
		}
	})
}

const methods = "GET, HEAD, OPTIONS"

// allowOrigins lets pages of any origin read what is served: all of it is public.
func allowOrigins(h http.Header) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Allow-Methods", methods)
	h.Set("Access-Control-Allow-Headers", "Range, If-None-Match, Cache-Control")
	h.Set("Access-Control-Expose-Headers", "Shoal-Entry, Date, Age, Content-Range, ETag")
	h.Set("Access-Control-Max-Age", "86400")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("Timing-Allow-Origin", "*")
	h.Set("X-Content-Type-Options", "nosniff")
}

func page(h http.Handler) http.Handler {
	if h != nil {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fail(w, http.StatusNotFound, "this server has no pages")
	})
}

// findStream answers 404 and returns nil when the request names no stream.
func (s *Service) findStream(w http.ResponseWriter, r *http.Request) *stream {
	name, err := event.ParseStreamName(r.PathValue("name"))
	if err == nil {
		if st := s.byName(string(name)); st != nil {
			return st
		}
	}
	fail(w, http.StatusNotFound, "there is no stream with this name")
	return nil
}

// findRendition is findStream for a rendition of it.
func (s *Service) findRendition(w http.ResponseWriter, r *http.Request) (*stream, *rendition) {
	st := s.findStream(w, r)
	if st == nil {
		return nil, nil
	}
	if name, err := event.ParseRendition(r.PathValue("r")); err == nil {
		if rend := st.rendition(name); rend != nil {
			return st, rend
		}
	}
	if len(st.all()) == 0 {
		fail(w, http.StatusNotFound, "the stream has not been live yet")
	} else {
		fail(w, http.StatusNotFound, "the stream has no such rendition")
	}
	return nil, nil
}

// number reads the digits of a path element such as 12.m4s; no other spelling of the
// same number has an address.
func number(file, suffix string) (uint64, bool) {
	digits, ok := strings.CutSuffix(file, suffix)
	if !ok {
		return 0, false
	}
	return digitsOnly(digits)
}

func digitsOnly(s string) (uint64, bool) {
	if s == "" || len(s) > 16 || s[0] == '0' && len(s) > 1 || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	v, err := strconv.ParseUint(s, 10, 53)
	return v, err == nil
}
