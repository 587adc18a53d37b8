package hls

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"
)

const typePlaylist = "application/vnd.apple.mpegurl"

var errNothing = errors.New("nothing of the stream is here yet: it may be offline")

// fail answers with a sentence.
func fail(w http.ResponseWriter, status int, sentence string) {
	within(w)
	w.Header().Set("Content-Type", "application/json")
	body, err := json.Marshal(map[string]string{"error": sentence})
	if err != nil {
		body = []byte(`{}`)
	}
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // whoever asked may have left
}

// failWait answers for a request whose wait came to nothing.
func failWait(w http.ResponseWriter, err error) {
	w.Header().Set("Retry-After", "1")
	fail(w, http.StatusServiceUnavailable, err.Error())
}

// within bounds how long an answer may take to leave.
func within(w http.ResponseWriter) {
	// Every connection of an http.Server has a deadline; one that is closed needs none.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(sendWithin))
}

func serveText(w http.ResponseWriter, r *http.Request, text []byte) {
	within(w)
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(text)
	}
}

// serveMedia sends parts as one, all of it or the range that was asked for.
func serveMedia(w http.ResponseWriter, r *http.Request, parts ...[]byte) {
	within(w)
	w.Header().Set("Content-Type", "video/mp4")
	http.ServeContent(w, r, "", time.Time{}, joined(parts))
}

// joined returns a reader over parts, which does not copy them.
func joined(parts [][]byte) io.ReadSeeker {
	if len(parts) == 1 {
		return bytes.NewReader(parts[0])
	}
	var at spans
	var size int64
	for _, p := range parts {
		at = append(at, span{start: size, data: p})
		size += int64(len(p))
	}
	return io.NewSectionReader(at, 0, size)
}

// spans are byte slices that stand one after the other.
type spans []span

type span struct {
	start int64
	data  []byte
}

// ReadAt implements io.ReaderAt.
func (s spans) ReadAt(b []byte, off int64) (int, error) {
	n := 0
	for _, p := range s {
		if in := off + int64(n) - p.start; in >= 0 && in < int64(len(p.data)) && n < len(b) {
			n += copy(b[n:], p.data[in:])
		}
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}
