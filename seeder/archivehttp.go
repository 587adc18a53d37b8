package seeder

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
	"github.com/shoalcast/shoal/swarm/metainfo"
)

// maxArchiveList bounds the files of one answer; older ones are asked for by time.
const maxArchiveList = 200

// archiveRoutes are apart from the others because "archive" stands where these have a
// rendition's name; no rendition can be called that.
func (s *Service) archiveRoutes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("/live/{name}/archive", func(w http.ResponseWriter, r *http.Request) {
		if st := s.findStream(w, r); st != nil {
			http.Redirect(w, r, "/live/"+string(st.name)+"/archive/", http.StatusPermanentRedirect)
		}
	})
	mux.HandleFunc("/live/{name}/archive/{$}", s.serveArchive)
	mux.HandleFunc("/live/{name}/archive/{file}", s.serveArchived)
	return mux
}

// archiveList is the archive of one stream as JSON.
type archiveList struct {
	V         int               `json:"v"`
	Name      event.StreamName  `json:"name"`
	StreamID  event.StreamID    `json:"stream_id"`
	Files     []archivedFile    `json:"files"` // the newest first
	Older     string            `json:"older,omitempty"`
	Bytes     int64             `json:"bytes"` // of all files of the stream
	Count     int               `json:"count"`
	KeptMS    int64             `json:"kept_ms"`   // how long files stay
	MaxBytes  int64             `json:"max_bytes"` // of all streams together
	Genesis   json.RawMessage   `json:"genesis"`
	Rotations []json.RawMessage `json:"rotations"`
	Sessions  []json.RawMessage `json:"sessions"` // what the close records are verified by
}

type archivedFile struct {
	File       string             `json:"file"`
	Kind       manifest.CloseKind `json:"kind"`
	Rendition  event.Rendition    `json:"rendition"`
	Epoch      event.Epoch        `json:"epoch"`
	First      uint64             `json:"first"`
	Last       uint64             `json:"last"`
	At         int64              `json:"at"` // Unix ms
	DurationMS int64              `json:"duration_ms"`
	Size       int64              `json:"size"`
	SHA256     event.Digest       `json:"sha256"`
	InfoHash   metainfo.InfoHash  `json:"infohash"`
	URL        string             `json:"url"`
	Torrent    string             `json:"torrent,omitempty"` // neither of a sensitive stream
	Magnet     string             `json:"magnet,omitempty"`
	Close      json.RawMessage    `json:"close"` // DSSE
}

// serveArchive answers with the list of a stream's archive files: a page, or JSON for
// whoever asks for that.
func (s *Service) serveArchive(w http.ResponseWriter, r *http.Request) {
	st := s.findStream(w, r)
	if st == nil {
		return
	}
	if s.archive == nil {
		fail(w, http.StatusNotFound, "nothing is archived here")
		return
	}
	before := int64(1<<53 - 1)
	if q := r.URL.Query(); q.Has("before") {
		v, ok := digitsOnly(q.Get("before"))
		if !ok {
			fail(w, http.StatusBadRequest, "before must be a time in Unix milliseconds")
			return
		}
		before = int64(v)
	}
	l := s.listArchive(st, s.archiveBase(requestBase(r), st.name), before)
	h := w.Header()
	h.Set("Cache-Control", cacheMoment)
	if s.opts.PublicURL == "" {
		h.Set("Cache-Control", cacheNever) // it says how this server was reached
	}
	if wantsJSON(r) {
		body, err := json.Marshal(l)
		if err != nil {
			fail(w, http.StatusInternalServerError, "the list could not be written")
			return
		}
		s.serveText(w, r, "api", "application/json", body, func() []byte { return compressSome(body) })
	} else {
		body, err := renderArchive(l)
		if err != nil {
			fail(w, http.StatusInternalServerError, "the page could not be written")
			return
		}
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'")
		s.serveText(w, r, "api", "text/html; charset=utf-8", body, func() []byte { return compressSome(body) })
	}
}

// wantsJSON reports whether Accept names JSON and does not put HTML before it.
func wantsJSON(r *http.Request) bool {
	accept := r.Header.Get("Accept")
	j, h := strings.Index(accept, "application/json"), strings.Index(accept, "text/html")
	return j >= 0 && (h < 0 || j < h)
}

func (s *Service) listArchive(st *stream, base string, before int64) archiveList {
	all := s.archive.store.list(st.id)
	l := archiveList{
		V: 1, Name: st.name, StreamID: st.id, Files: []archivedFile{}, Count: len(all),
		KeptMS: s.opts.ArchiveAge.Milliseconds(), MaxBytes: s.opts.ArchiveBytes,
		Genesis: st.genesis, Rotations: st.rotated(), Sessions: st.sessionsFrom(event.Position{Epoch: 1}),
	}
	sensitive := st.state().Sensitive
	for _, f := range all {
		l.Bytes += f.Close.Size
		end := f.Ends().UnixMilli()
		if end >= before {
			continue
		}
		if n := len(l.Files); n >= maxArchiveList {
			if l.Older == "" && end < endOf(l.Files[n-1]) {
				l.Older = "?before=" + strconv.FormatInt(endOf(l.Files[n-1]), 10)
			}
			if l.Older != "" {
				continue
			}
		}
		c := f.Close
		file := archivedFile{
			File: f.File, Kind: c.Kind, Rendition: c.R, Epoch: c.Epoch, First: c.First, Last: c.Last,
			At: c.At, DurationMS: c.Dur.Duration().Milliseconds(), Size: c.Size, SHA256: c.SHA256, InfoHash: c.InfoHash,
			URL: base + f.File, Close: f.Envelope,
		}
		if !sensitive {
			file.Torrent, file.Magnet = file.URL+".torrent", s.archiveMagnet(f, base)
		}
		l.Files = append(l.Files, file)
	}
	return l
}

// endOf is the time by which the list is sorted and asked for.
func endOf(f archivedFile) int64 { return f.At + f.DurationMS }

// archiveBase is the URL under which a stream's archive files are; host is how this
// server was reached, for when nobody said how the world reaches it.
func (s *Service) archiveBase(host string, name event.StreamName) string {
	return strings.TrimSuffix(cmp.Or(s.opts.PublicURL, host), "/") + "/live/" + string(name) + "/archive/"
}

// requestBase is how the client reached this server, by its own account.
func requestBase(r *http.Request) string {
	u := url.URL{Scheme: "http", Host: r.Host}
	if r.TLS != nil {
		u.Scheme = "https"
	}
	return u.String()
}

// rootOf returns the server's own address of an archive folder's.
func rootOf(base string) string {
	root, _, _ := strings.Cut(base, "/live/")
	return root
}

func (s *Service) archiveMagnet(f *Archived, base string) string {
	return metainfo.Link{
		InfoHash: f.Close.InfoHash, Name: f.File, Trackers: s.opts.trackers(rootOf(base)),
		WebSeeds: []string{base + f.File}, Source: base + f.File + ".torrent", Stream: f.Stream,
	}.Magnet()
}

func (s *Service) archiveTorrent(f *Archived, base string) []byte {
	return metainfo.File(f.Info, s.opts.trackers(rootOf(base)), []string{base + f.File})
}

// serveArchived answers with a file or its torrent.
func (s *Service) serveArchived(w http.ResponseWriter, r *http.Request) {
	st := s.findStream(w, r)
	if st == nil {
		return
	}
	name, torrent := strings.CutSuffix(r.PathValue("file"), ".torrent")
	var f *Archived
	if s.archive != nil {
		f = s.archive.store.get(st.id, name)
	}
	switch {
	case f == nil:
		fail(w, http.StatusNotFound, "there is no such file in the archive, or it has gone of age")
	case torrent && refuseTorrent(w, st):
	case torrent:
		body := s.archiveTorrent(f, s.archiveBase(requestBase(r), st.name))
		h := w.Header()
		h.Set("Cache-Control", cacheNever) // it says how this server was reached
		h.Set("Content-Disposition", `attachment; filename="`+f.File+`.torrent"`)
		s.serveText(w, r, "archive", "application/x-bittorrent", body, nil)
	default:
		s.serveFile(w, r, f)
	}
}

// serveFile sends an archive file, or the ranges asked for.
func (s *Service) serveFile(w http.ResponseWriter, r *http.Request, f *Archived) {
	in, err := os.Open(f.Path)
	if err != nil { // it went of age just now
		fail(w, http.StatusNotFound, "the file has gone of age")
		return
	}
	defer func() { _ = in.Close() }() // it was only read
	h := w.Header()
	h.Set("Content-Type", "video/mp4")
	h.Set("Cache-Control", cacheForever)
	h.Set("ETag", `"`+f.Close.SHA256.String()+`"`)
	out := &counter{ResponseWriter: w}
	http.ServeContent(out, r, "", time.Time{}, in)
	s.opts.Metrics.Bytes.WithLabelValues("archive").Add(float64(out.n))
}
