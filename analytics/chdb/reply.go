package chdb

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/compress"
)

// An answer is held back until it is this long, or whole: until then an error has a
// status of its own.
const (
	holdSome = 64 << 10
	holdMost = 16 << 20 // what wait_end_of_query may ask for
)

// reply is the answer to one statement.
type reply struct {
	w     http.ResponseWriter
	rc    *http.ResponseController
	hold  int
	held  []byte
	sent  bool // the status
	tag   string
	block *compress.Writer // nil for none
}

func newReply(w http.ResponseWriter, r *request) *reply {
	a := &reply{w: w, rc: http.NewResponseController(w), hold: holdSome, tag: strings.ToLower(rand.Text()[:16])}
	if r.whole {
		a.hold = holdMost
	}
	if r.packed {
		method := compress.LZ4
		if r.zstd {
			method = compress.ZSTD
		}
		a.block = compress.NewWriter(1, method)
	}
	return a
}

// answers sets the headers that say what is coming.
func (a *reply) answers(id, format, timezone string) {
	h := a.w.Header()
	h.Set("Content-Type", contentType(format))
	h.Set("X-ClickHouse-Format", format)
	h.Set("X-ClickHouse-Query-Id", id)
	h.Set("X-ClickHouse-Timezone", timezone)
	h.Set("X-ClickHouse-Exception-Tag", a.tag)
}

// Write takes a part of the result.
func (a *reply) give(part []byte) error {
	if len(part) == 0 {
		return nil
	}
	if a.block != nil {
		if err := a.block.Compress(part); err != nil {
			return failed(codeEngine, "Compress the answer: %v", err)
		}
		part = a.block.Data
	}
	if !a.sent && len(a.held)+len(part) <= a.hold {
		a.held = append(a.held, part...)
		return nil
	}
	if err := a.flush(); err != nil {
		return err
	}
	return a.write(part)
}

// errGone means that the client takes no more.
var errGone = errors.New("the client went away")

func (a *reply) write(part []byte) error {
	if err := a.rc.SetWriteDeadline(time.Now().Add(stall)); err != nil {
		return fmt.Errorf("%w: %w", errGone, err)
	}
	if _, err := a.w.Write(part); err != nil {
		return fmt.Errorf("%w: %w", errGone, err)
	}
	return nil
}

// flush sends what was held back, and with it that all went well.
func (a *reply) flush() error {
	if a.sent {
		return nil
	}
	a.sent = true
	held := a.held
	a.held = nil
	return a.write(held)
}

// done ends an answer that is whole.
func (a *reply) done(c counts) error {
	if !a.sent {
		a.w.Header().Set("X-ClickHouse-Summary", c.String())
	}
	return a.flush()
}

// fail ends an answer with an error: by its status, or where that is out, by the text in
// the frame that clients look for, and a connection that breaks.
func (a *reply) fail(e *exception) {
	msg := e.text + "\n"
	if !a.sent {
		h := a.w.Header()
		h.Set("Content-Type", "text/plain; charset=UTF-8")
		h.Set("X-ClickHouse-Exception-Code", fmt.Sprint(int(e.code)))
		if e.code == codeTooMany {
			h.Set("Retry-After", "1")
		}
		a.w.WriteHeader(e.status())
		_ = a.write([]byte(msg)) // nobody is left to tell
		return
	}
	const frame = "\r\n__exception__\r\n"
	_ = a.write(fmt.Appendf(nil, "%s%s\r\n%s%d %s%s", frame, a.tag, msg, len(msg), a.tag, frame))
	_ = a.rc.Flush()
	panic(http.ErrAbortHandler)
}

// contentType is what browsers and tools go by.
func contentType(format string) string {
	switch {
	case strings.HasPrefix(format, "JSONEachRow"), strings.HasPrefix(format, "JSONCompactEachRow"):
		return "application/x-ndjson; charset=UTF-8"
	case strings.HasPrefix(format, "JSON"):
		return "application/json; charset=UTF-8"
	case strings.HasPrefix(format, "CSV"):
		return "text/csv; charset=UTF-8; header=absent"
	case strings.HasPrefix(format, "TabSeparated"), strings.HasPrefix(format, "TSV"):
		return "text/tab-separated-values; charset=UTF-8"
	case strings.HasPrefix(format, "Pretty"), format == "Vertical", format == "Values", format == "Markdown":
		return "text/plain; charset=UTF-8"
	}
	return "application/octet-stream"
}
