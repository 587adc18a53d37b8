package chdb

import (
	"bytes"
	"context"
	"log/slog"

	"golang.org/x/time/rate"
)

// Bounds of what the child may put into the log.
const (
	maxLine  = 2 << 10 // longer lines are cut
	perSec   = 10
	perBurst = 100
)

// lines logs what is written to it, line by line.
type lines struct {
	ctx   context.Context
	log   *slog.Logger
	limit *rate.Limiter
	part  []byte // of a line that has not ended
	lost  int    // lines over the limit since the last that was logged
}

func newLines(ctx context.Context, log *slog.Logger) *lines {
	return &lines{ctx: ctx, log: log, limit: rate.NewLimiter(perSec, perBurst)}
}

func (l *lines) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		line, rest, whole := bytes.Cut(p, []byte{'\n'})
		l.part = append(l.part, line[:min(len(line), maxLine-len(l.part))]...)
		if whole {
			l.out()
		}
		p = rest
	}
	return n, nil
}

func (l *lines) out() {
	line := string(bytes.TrimSpace(l.part))
	l.part = l.part[:0]
	switch {
	case line == "":
	case !l.limit.Allow():
		l.lost++
	case l.lost > 0:
		l.log.InfoContext(l.ctx, "ClickHouse says", "line", line, "lost", l.lost)
		l.lost = 0
	default:
		l.log.InfoContext(l.ctx, "ClickHouse says", "line", line)
	}
}
