package ffmpeg

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// What is kept of what a child says.
const (
	maxLines = 16
	maxLine  = 500 // bytes
)

// tail keeps the last lines of what is written to it. It is safe for concurrent use.
type tail struct {
	mu   sync.Mutex
	kept []string
	open []byte // the line that is not complete
}

// Write implements io.Writer. It always takes all of p.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for rest := p; len(rest) > 0; {
		end := bytes.IndexAny(rest, "\r\n")
		part := rest
		if end >= 0 {
			part = rest[:end]
		}
		t.open = append(t.open, part[:min(len(part), maxLine-len(t.open))]...)
		if end < 0 {
			break
		}
		t.complete()
		rest = rest[end+1:]
	}
	return len(p), nil
}

func (t *tail) complete() {
	if line := words(string(t.open)); line != "" {
		t.kept = append(t.kept[max(0, len(t.kept)-maxLines+1):], line)
	}
	t.open = t.open[:0]
}

// lines returns what is kept, the newest last.
func (t *tail) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := slices.Clone(t.kept)
	if line := words(string(t.open)); line != "" {
		out = append(out, line)
	}
	return out
}

// origin is who says a line within ffmpeg, and how loud: "[rtmp @ 0x55d0c8] [error] ".
var origin = regexp.MustCompile(`^(\[[^\]]* @ 0x[0-9a-f]+\] |\[(quiet|panic|fatal|error|warning|info|verbose|debug|trace)\] )+`)

// words are what a line says to a person.
func words(line string) string {
	line = strings.ToValidUTF8(origin.ReplaceAllString(line, ""), "\uFFFD")
	return strings.TrimSpace(line)
}

// joinLast writes the last n lines as one.
func joinLast(lines []string, n int) string {
	return strings.Join(lines[max(0, len(lines)-n):], "; ")
}
