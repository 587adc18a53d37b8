package chdb

import (
	"bytes"
	"strings"
	"sync"
	"time"

	"github.com/shoalcast/shoal/internal/proc"
)

// logged is a log that may be read while it is written.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logged) has(s string) bool { return strings.Contains(l.String(), s) }

func restart(limit int) proc.Restart {
	return proc.Restart{Min: time.Millisecond, Max: time.Millisecond, Limit: limit}
}
