package collect

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"github.com/shoalcast/shoal/event"
)

// Results of a request, as they are counted.
const (
	accepted  = "accepted"
	malformed = "malformed"
	unknown   = "unknown_stream"
	oversized = "oversized"
	untyped   = "type"
	crowded   = "crowded"
	failed    = "failed" // the bus did not take it
	method    = "method"
)

// refusal is why a request comes to nothing: a status, and a sentence for whoever asked.
type refusal struct {
	status   int
	result   string
	sentence string
}

// reported is a report as it was written, and where it belongs.
type reported struct {
	stream  event.StreamID
	session string
	line    []byte
}

// acceptedTypes are those of a body: the first is sent by browsers to other sites without
// asking them before.
var acceptedTypes = map[string]bool{"text/plain": true, "application/cmcd": true}

// read takes the reports out of a request: all of them, or none.
func read(w http.ResponseWriter, r *http.Request, known func(event.StreamID) bool) ([]reported, *refusal) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || !acceptedTypes[kind] {
		return nil, &refusal{http.StatusUnsupportedMediaType, untyped, "reports are text/plain or application/cmcd, one a line"}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, &refusal{http.StatusRequestEntityTooLarge, oversized, fmt.Sprintf("a request has at most %d bytes", maxBody)}
	}
	if err != nil {
		return nil, &refusal{http.StatusBadRequest, malformed, "the request ended early"}
	}
	return parse(body, known)
}

func parse(body []byte, known func(event.StreamID) bool) ([]reported, *refusal) {
	var out []reported
	n := 0
	for line := range bytes.Lines(body) {
		n++
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
			continue
		}
		if len(out) == maxLines {
			return nil, &refusal{http.StatusRequestEntityTooLarge, oversized, fmt.Sprintf("a request has at most %d reports", maxLines)}
		}
		report, err := event.DecodeReport(line)
		if err != nil {
			return nil, &refusal{http.StatusBadRequest, malformed, fmt.Sprintf("line %d: %v", n, err)}
		}
		if report.Reporter.Serves() {
			return nil, &refusal{http.StatusBadRequest, malformed, fmt.Sprintf("line %d: only viewers report here", n)}
		}
		if !known(report.Stream) {
			return nil, &refusal{http.StatusNotFound, unknown, fmt.Sprintf("line %d: no such stream", n)}
		}
		out = append(out, reported{report.Stream, report.Session, line})
	}
	if len(out) == 0 {
		return nil, &refusal{http.StatusBadRequest, malformed, "there is no report"}
	}
	return out, nil
}
