package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
)

// Site serves one build of the pages. All of it is read into memory once, on first
// use: it is small, and a page must not wait for a disk that video is written to.
type Site struct {
	built fs.FS
	load  func() map[string]*file
	// beyond are sources that pages may connect to besides their own origin.
	beyond string
}

// New serves the build found in built: index.html, live.html, embed.html, dash.html,
// 404.html, player.js and assets/.
func New(built fs.FS) *Site {
	return &Site{built: built, load: sync.OnceValue(func() map[string]*file { return readAll(built) })}
}

// ConnectTo lets pages connect, over HTTP and WebSocket, to what is at URLs that their
// streams name: this server by its public address, trackers. It returns s.
func (s *Site) ConnectTo(urls ...string) *Site {
	known := map[string]bool{}
	for _, text := range urls {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || strings.ContainsAny(u.Host, ";, '") {
			continue
		}
		var schemes []string
		switch u.Scheme {
		case "http", "https":
			schemes = []string{u.Scheme, "ws" + strings.TrimPrefix(u.Scheme, "http")}
		case "ws", "wss":
			schemes = []string{u.Scheme}
		}
		for _, scheme := range schemes { // pages ask no tracker over UDP
			if source := " " + scheme + "://" + u.Host; !known[source] {
				known[source] = true
				s.beyond += source
			}
		}
	}
	return s
}

// policy lets a page run and fetch what its own origin serves, and nothing else but what
// ConnectTo names. 'self' is the origin's WebSockets, too (Content Security Policy 3,
// section 6.7.2.8). blob: in media-src is how Media Source Extensions hand video to the
// element; frames are the pages that may show this one in a frame.
func (s *Site) policy(frames string) string {
	return "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self' data:; " +
		"connect-src 'self'" + s.beyond + "; media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors " + frames
}

const (
	ownFrames = "'self'"
	anyFrame  = "*"
)

const notBuilt = "This shoal was built without its pages: run make build, then start it again.\n" +
	"Streams still play from /live/<name>/index.m3u8.\n"

// Index is the list of live streams, at /.
func (s *Site) Index(w http.ResponseWriter, r *http.Request) {
	s.page(w, r, "index.html", http.StatusOK)
}

// Live is the player, at /live/{name}. The page finds the name in its own address. What
// it asks for first is named in a header, so that browsers fetch it beside the scripts.
func (s *Site) Live(w http.ResponseWriter, r *http.Request) {
	name := url.PathEscape(path.Base(r.URL.Path))
	w.Header().Set("Link", "<"+name+"/manifest.json>; rel=preload; as=fetch; crossorigin")
	s.page(w, r, "live.html", http.StatusOK)
}

// Embed is the player alone, at /embed/{name}, for frames in anybody's page.
func (s *Site) Embed(w http.ResponseWriter, r *http.Request) {
	name := url.PathEscape(path.Base(r.URL.Path))
	w.Header().Set("Link", "</live/"+name+"/manifest.json>; rel=preload; as=fetch; crossorigin")
	s.pageIn(anyFrame, w, r, "embed.html", http.StatusOK)
}

// Dash is the dashboard, at /dash. Its views are in the query.
func (s *Site) Dash(w http.ResponseWriter, r *http.Request) {
	s.page(w, r, "dash.html", http.StatusOK)
}

// Library is the player as an element, at /player.js, for scripts of anybody's page.
func (s *Site) Library(w http.ResponseWriter, r *http.Request) {
	allowOrigins(w.Header())
	s.page(w, r, "player.js", http.StatusOK)
}

// allowOrigins lets pages of any origin use a script.
func allowOrigins(h http.Header) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
}

// NotFound is what people see at an address that leads nowhere.
func (s *Site) NotFound(w http.ResponseWriter, r *http.Request) {
	s.page(w, r, "404.html", http.StatusNotFound)
}

// Assets serves scripts, styles and images, at /assets/, to anybody's page. Their names
// hold a hash of their content, so they never change.
func (s *Site) Assets() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
		f := s.load()[name]
		if f == nil || !strings.HasPrefix(name, "assets/") {
			s.NotFound(w, r)
			return
		}
		allowOrigins(w.Header())
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		f.serve(s.policy(ownFrames), w, r, http.StatusOK)
	})
}

// Handler serves all of the site: /, /live/{name}, /embed/{name}, /dash, /player.js and
// /assets/; any other address is not found.
func (s *Site) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.Index)
	mux.HandleFunc("GET /live/{name}", s.Live)
	mux.HandleFunc("GET /embed/{name}", s.Embed)
	mux.HandleFunc("GET /dash", s.Dash)
	mux.HandleFunc("GET /player.js", s.Library)
	mux.Handle("GET /assets/", s.Assets())
	mux.HandleFunc("/", s.NotFound)
	return mux
}

func (s *Site) page(w http.ResponseWriter, r *http.Request, name string, status int) {
	s.pageIn(ownFrames, w, r, name, status)
}

func (s *Site) pageIn(frames string, w http.ResponseWriter, r *http.Request, name string, status int) {
	f := s.load()[name]
	if f == nil {
		secure(w.Header(), s.policy(frames))
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, notBuilt, http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Cache-Control", "no-cache")
	f.serve(s.policy(frames), w, r, status)
}

func secure(h http.Header, policy string) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Permissions-Policy", "autoplay=(self), fullscreen=(self), camera=(), microphone=(), geolocation=(), payment=(), usb=()")
}

// file is one file of the build, as it goes over the wire.
type file struct {
	kind   string // Content-Type
	etag   string
	plain  []byte
	packed []byte // gzip, nil where it does not pay
}

func (f *file) serve(policy string, w http.ResponseWriter, r *http.Request, status int) {
	h := w.Header()
	secure(h, policy)
	h.Set("Content-Type", f.kind)
	h.Set("ETag", f.etag)
	h.Set("Vary", "Accept-Encoding")
	if status == http.StatusOK && strings.Contains(r.Header.Get("If-None-Match"), f.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body := f.plain
	if f.packed != nil && acceptsGzip(r.Header.Get("Accept-Encoding")) {
		h.Set("Content-Encoding", "gzip")
		body = f.packed
	}
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // a viewer who left is nobody's error
	}
}

// acceptsGzip reads Accept-Encoding (RFC 9110 section 12.5.3) as far as needed.
func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		coding, weight, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			q := strings.ReplaceAll(weight, " ", "")
			return q != "q=0" && !strings.HasPrefix(q, "q=0.0")
		}
	}
	return false
}

// readAll holds every file of a build by its path. What cannot be read is absent:
// the page that needs it then says that the build is incomplete.
func readAll(built fs.FS) map[string]*file {
	files := map[string]*file{}
	_ = fs.WalkDir(built, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Base(name)[0] == '.' {
			return nil //nolint:nilerr // what cannot be read is absent
		}
		if content, err := fs.ReadFile(built, name); err == nil {
			files[name] = newFile(name, content)
		}
		return nil
	})
	return files
}

func newFile(name string, content []byte) *file {
	kind := kinds[path.Ext(name)]
	if kind == "" {
		kind = mime.TypeByExtension(path.Ext(name))
	}
	if kind == "" {
		kind = "application/octet-stream"
	}
	sum := sha256.Sum256(content)
	f := &file{kind: kind, etag: `"` + hex.EncodeToString(sum[:12]) + `"`, plain: content}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(content); err == nil && z.Close() == nil && packed.Len() < len(content)*9/10 {
		f.packed = packed.Bytes()
	}
	return f
}

// kinds does not leave to the machine's own MIME table what a strict browser insists on.
var kinds = map[string]string{
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".svg":  "image/svg+xml",
	".map":  "application/json",
}
