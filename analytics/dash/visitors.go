package dash

import (
	"crypto/rand"
	"crypto/sha256"
	"sync"
	"time"
)

const (
	// lasts is how long a login does.
	lasts = 12 * time.Hour
	// maxVisitors bounds how many are logged in at once: of more, whoever logged in first has to do it again.
	maxVisitors = 64
)

// visitors are who is logged in: the hash of what their cookie says, and until when. It is safe for concurrent use.
type visitors struct {
	mu    sync.Mutex
	until map[[sha256.Size]byte]time.Time
}

// admit returns a new cookie's value.
func (v *visitors) admit(now time.Time) string {
	id := rand.Text()
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.until == nil {
		v.until = map[[sha256.Size]byte]time.Time{}
	}
	for len(v.until) >= maxVisitors {
		v.forgetFirst()
	}
	v.until[sha256.Sum256([]byte(id))] = now.Add(lasts)
	return id
}

func (v *visitors) forgetFirst() {
	var first [sha256.Size]byte
	var ends time.Time
	for id, until := range v.until {
		if ends.IsZero() || until.Before(ends) {
			first, ends = id, until
		}
	}
	delete(v.until, first)
}

// knows reports whether a cookie's value is of somebody who is logged in.
func (v *visitors) knows(id string, now time.Time) bool {
	key := sha256.Sum256([]byte(id)) // so that a search in the map tells nothing about ids
	v.mu.Lock()
	defer v.mu.Unlock()
	until, ok := v.until[key]
	if ok && !now.Before(until) {
		delete(v.until, key)
		return false
	}
	return ok
}

func (v *visitors) forget(id string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.until, sha256.Sum256([]byte(id)))
}
