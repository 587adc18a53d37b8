package matchmaker

import (
	"net/netip"
	"time"
)

// rates bounds how often addresses may ask. It keeps one time for each: when the address
// will have been quiet for long enough to have a full burst again (the generic cell rate
// algorithm).
type rates struct {
	period time.Duration // between two, in the long run
	burst  time.Duration // how far ahead of that one may be
	max    int           // addresses known at once
	full   map[netip.Prefix]time.Time
}

func newRates(perSecond float64, addresses int) *rates {
	return &rates{
		period: time.Duration(float64(time.Second) / perSecond),
		burst:  burst * time.Second,
		max:    addresses,
		full:   map[netip.Prefix]time.Time{},
	}
}

// allow reports whether an address may ask at now, and counts it if so.
func (r *rates) allow(a netip.Addr, now time.Time) bool {
	if a.IsLoopback() {
		return true
	}
	n := network(a)
	full, known := r.full[n]
	if full.Before(now) {
		full = now
	}
	if full.Sub(now) > r.burst-r.period {
		return false
	}
	if !known && len(r.full) >= r.max {
		for any := range r.full { // whichever comes: nobody can choose whom to displace
			delete(r.full, any)
			break
		}
	}
	r.full[n] = full.Add(r.period)
	return true
}

// forget drops the addresses that have a full burst again.
func (r *rates) forget(now time.Time) {
	for n, full := range r.full {
		if !full.After(now) {
			delete(r.full, n)
		}
	}
}
