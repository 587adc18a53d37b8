package seeder

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// How long caches may keep what was answered.
const (
	cacheNever   = "no-store"
	cacheMoment  = "public, max-age=1"
	cacheForever = "public, max-age=86400, immutable"
)

// fail answers with a sentence. Caches keep it for a moment at most, so that what
// appears a second later is seen.
func fail(w http.ResponseWriter, status int, sentence string) {
	h := w.Header()
	for _, name := range []string{"ETag", "Shoal-Entry", "Content-Length", "Content-Encoding"} {
		h.Del(name)
	}
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", cacheNever)
	body, err := json.Marshal(map[string]string{"error": sentence})
	if err != nil {
		body = []byte(`{}`)
	}
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // whoever asked may have left
}

// failWait answers for a request whose wait came to nothing.
func failWait(w http.ResponseWriter, err error) {
	switch {
	case errors.Is(err, errCrowded), errors.Is(err, errTimeout), errors.Is(err, errClosing):
		w.Header().Set("Retry-After", "1")
		fail(w, http.StatusServiceUnavailable, err.Error())
	default: // the client has left
		fail(w, http.StatusServiceUnavailable, "the request was given up")
	}
}

// serveText sends a text of which a compressed form may exist too.
func (s *Service) serveText(w http.ResponseWriter, r *http.Request, kind, contentType string, text []byte, zipped func() []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Vary", "Accept-Encoding")
	if zipped != nil && len(text) > 512 && acceptsGzip(r) {
		if z := zipped(); z != nil {
			h.Set("Content-Encoding", "gzip")
			text = z
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(text)))
	if r.Method == http.MethodHead {
		return
	}
	n, _ := w.Write(text) //nolint:gosec // pages are written by html/template, which escapes what clients said
	s.opts.Metrics.Bytes.WithLabelValues(kind).Add(float64(n))
}

func acceptsGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, q, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.TrimSpace(name) == "gzip" {
			switch strings.ReplaceAll(q, " ", "") {
			case "q=0", "q=0.0", "q=0.00", "q=0.000":
				return false
			}
			return true
		}
	}
	return false
}

// serveBytes sends media that never changes: all of it at once, or the range asked for.
func (s *Service) serveBytes(w http.ResponseWriter, r *http.Request, kind, etag string, parts ...[]byte) {
	h := w.Header()
	h.Set("Content-Type", "video/mp4")
	h.Set("Cache-Control", cacheForever)
	h.Set("ETag", `"`+etag+`"`)
	out := &counter{ResponseWriter: w}
	defer func() { s.opts.Metrics.Bytes.WithLabelValues(kind).Add(float64(out.n)) }()
	plain := r.Method == http.MethodGet
	for _, name := range []string{"Range", "If-None-Match", "If-Match", "If-Modified-Since", "If-Unmodified-Since"} {
		plain = plain && r.Header.Get(name) == ""
	}
	if !plain {
		http.ServeContent(out, r, "", time.Time{}, newParts(parts))
		return
	}
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	h.Set("Accept-Ranges", "bytes")
	h.Set("Content-Length", strconv.Itoa(size))
	for _, p := range parts {
		if _, err := out.Write(p); err != nil {
			return // whoever asked has left
		}
	}
}

// counter counts the bytes of a response's body.
type counter struct {
	http.ResponseWriter
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.ResponseWriter.Write(b)
	c.n += int64(n)
	return n, err
}

// ReadFrom lets files go to the network without passing through the program.
func (c *counter) ReadFrom(r io.Reader) (int64, error) {
	n, err := io.Copy(c.ResponseWriter, r)
	c.n += n
	return n, err
}

// Unwrap lets http.ResponseController through.
func (c *counter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// newParts returns a reader over parts one after the other, without copying them.
func newParts(parts [][]byte) io.ReadSeeker {
	if len(parts) == 1 {
		return bytes.NewReader(parts[0])
	}
	p := &partsReader{parts: parts}
	for _, b := range parts {
		p.size += int64(len(b))
	}
	return p
}

type partsReader struct {
	parts     [][]byte
	off, size int64
}

func (p *partsReader) Read(b []byte) (int, error) {
	at := p.off
	for _, part := range p.parts {
		if at < int64(len(part)) {
			n := copy(b, part[at:])
			p.off += int64(n)
			return n, nil
		}
		at -= int64(len(part))
	}
	return 0, io.EOF
}

func (p *partsReader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += p.off
	case io.SeekEnd:
		offset += p.size
	}
	if offset < 0 {
		return 0, errors.New("seek before the start")
	}
	p.off = offset
	return offset, nil
}
