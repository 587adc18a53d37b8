package matchmaker

import (
	"net/netip"
	"time"

	"github.com/shoalcast/shoal/internal/limit"
)

// newRates bounds what one address may announce, scrape and open in a second, after a burst
// of some seconds' worth.
func newRates(perSecond float64, addresses int) *limit.Rates {
	return limit.NewRates(perSecond, int(perSecond*burst), addresses)
}

// allows reports whether an address may ask at now, and counts it if so.
func allows(r *limit.Rates, a netip.Addr, now time.Time) bool {
	n, free := limit.Network(a)
	return free || r.Allow(n, now)
}

// network is what counts as one address.
func network(a netip.Addr) netip.Prefix {
	n, _ := limit.Network(a)
	return n
}
