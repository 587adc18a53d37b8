package bus

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// pageGate reads what a page sends (the NATS client protocol) on its way to the server,
// and refuses what no page needs. Who may use which subject is the server's to decide;
// here is what its permissions do not cover: how much a page may send, and parts of
// messages that others would act on. An answer address makes JetStream publish where the
// page could not, so that the only one is where the page hears advice; headers steer streams, and of a queue group each message reaches one
// page only.
//
// It is stricter than the server about spelling, so that both see the same operations.
type pageGate struct {
	ops, bytes *rate.Limiter
	line       []byte // of the operation that is incomplete
	payload    int    // bytes of a message still to come, its line end included
	connected  bool
}

const (
	pageOps      = 20      // operations a second
	pageOpsBurst = 100     // at once: a page subscribes, and reports what it kept while away
	pageBytes    = 8 << 10 // bytes a second
	pageBurst    = 64 << 10
	maxPageLine  = 4 << 10 // the server's own bound of a line, CONNECT included
)

func newPageGate() *pageGate {
	return &pageGate{ops: rate.NewLimiter(pageOps, pageOpsBurst), bytes: rate.NewLimiter(pageBytes, pageBurst)}
}

var (
	errTooManyBytes = fmt.Errorf("more than %d bytes a second", pageBytes)
	errTooManyOps   = fmt.Errorf("more than %d operations a second", pageOps)
	errTooLongLine  = fmt.Errorf("a line of more than %d bytes", maxPageLine)
)

// admit takes what came next, in pieces however cut. An error, of a sentence that may
// be told to the page, says why the connection must end before any of b goes on.
func (g *pageGate) admit(b []byte, now time.Time) error {
	if !g.bytes.AllowN(now, len(b)) {
		return errTooManyBytes
	}
	for len(b) > 0 {
		if g.payload > 0 {
			n := min(g.payload, len(b))
			g.payload -= n
			b = b[n:]
			continue
		}
		end := bytes.IndexByte(b, '\n')
		if end < 0 {
			end = len(b) - 1
		}
		if g.line = append(g.line, b[:end+1]...); len(g.line) > maxPageLine {
			return errTooLongLine
		}
		b = b[end+1:]
		line, whole := bytes.CutSuffix(g.line, []byte("\n"))
		if !whole {
			return nil
		}
		if !g.ops.AllowN(now, 1) {
			return errTooManyOps
		}
		if err := g.operation(string(bytes.TrimSuffix(line, []byte("\r")))); err != nil {
			return err
		}
		g.line = g.line[:0]
	}
	return nil
}

func (g *pageGate) operation(line string) error {
	if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' }) {
		return errors.New("a control character in an operation")
	}
	verb, rest, _ := strings.Cut(line, " ")
	if !g.connected && verb != "CONNECT" {
		return errors.New("CONNECT must come first")
	}
	args := strings.Fields(rest)
	switch verb {
	case "CONNECT":
		if g.connected {
			return errors.New("a second CONNECT")
		}
		g.connected = true
	case "PING", "PONG":
		if rest != "" {
			return fmt.Errorf("%s says nothing more", verb)
		}
	case "SUB":
		if len(args) != 2 {
			return errors.New("SUB is for a subject and an id; pages have no queue groups")
		}
	case "UNSUB":
		if len(args) == 0 || len(args) > 2 {
			return errors.New("UNSUB is for an id")
		}
	case "PUB":
		if len(args) == 3 && args[1] != answersTo(args[0]) || len(args) < 2 || len(args) > 3 {
			return errors.New("PUB is for a subject and a size; pages ask for no answers but those to their reports, where advice comes")
		}
		size, err := strconv.ParseUint(args[len(args)-1], 10, 31)
		if err != nil {
			return errors.New("the size of a message is no number")
		}
		if size > pagePayload {
			return fmt.Errorf("a message of more than %d bytes", pagePayload)
		}
		g.payload = int(size) + len("\r\n")
	default:
		return errors.New("only CONNECT, PING, PONG, SUB, UNSUB and PUB are for pages")
	}
	return nil
}

// answersTo is where JetStream may answer a page that reports: nobody else hears what comes there.
func answersTo(subject string) string {
	rest, ok := strings.CutPrefix(subject, subjectRoot+".telemetry.")
	if !ok {
		return ""
	}
	return subjectRoot + ".control." + rest
}
