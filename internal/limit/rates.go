package limit

import (
	"net/netip"
	"sync"
	"time"
)

// Rates bounds how often addresses may ask. It keeps one time for each: when the address
// will have been quiet for long enough to have a full burst again (the generic cell rate
// algorithm). It is safe for concurrent use.
type Rates struct {
	period, burst time.Duration
	most          int // addresses known at once

	mu    sync.Mutex
	full  map[netip.Prefix]time.Time
	swept time.Time
}

// NewRates allows each address perSecond requests in the long run, and burst of them at
// once. Of more than most addresses at a time, some start afresh.
func NewRates(perSecond float64, burst, most int) *Rates {
	period := time.Duration(float64(time.Second) / perSecond)
	return &Rates{period: period, burst: time.Duration(burst) * period, most: most, full: map[netip.Prefix]time.Time{}}
}

// Allow reports whether an address may ask at now, and counts it if so.
func (r *Rates) Allow(n netip.Prefix, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.swept) > r.burst { // by then, all that were here have a full burst, or came again
		for n, full := range r.full {
			if !full.After(now) {
				delete(r.full, n)
			}
		}
		r.swept = now
	}
	full, known := r.full[n]
	if full.Before(now) {
		full = now
	}
	if full.Sub(now) > r.burst-r.period {
		return false
	}
	if !known && len(r.full) >= r.most {
		for any := range r.full { // whichever comes: nobody can choose whom to displace
			delete(r.full, any)
			break
		}
	}
	r.full[n] = full.Add(r.period)
	return true
}
