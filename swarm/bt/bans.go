package bt

import (
	"net/netip"
	"sync"
	"time"
)

// How long bans last, and how many are remembered of each kind.
const (
	banTime    = time.Hour
	ipBanTime  = 10 * time.Minute
	maxBans    = 4096
	ipBanCount = 2
)

// bans remembers who is not to be talked to: peers by their address and id, and an IP
// for a while once two of its peers were banned within that while. Loopback is spared
// the latter: everybody on one machine shares it.
type bans struct {
	now func() time.Time

	mu    sync.Mutex
	addrs map[netip.AddrPort]time.Time
	ids   map[peerID]time.Time
	ips   map[netip.Addr]ipBan
}

// ipBan is when an IP's first ban that still counts was, how many there were, and until
// when all of it is banned.
type ipBan struct {
	first time.Time
	count int
	until time.Time
}

func newBans() *bans {
	return &bans{
		now: time.Now, addrs: map[netip.AddrPort]time.Time{},
		ids: map[peerID]time.Time{}, ips: map[netip.Addr]ipBan{},
	}
}

// add bans a peer, by what is known of it: zero values are left out.
func (b *bans) add(addr netip.AddrPort, ip netip.Addr, id peerID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	again := false
	if addr.IsValid() {
		again = now.Before(b.addrs[addr])
		remember(b.addrs, addr, now.Add(banTime), now)
	}
	if id != (peerID{}) {
		again = again || now.Before(b.ids[id])
		remember(b.ids, id, now.Add(banTime), now)
	}
	if !ip.IsValid() || ip.IsLoopback() || again {
		return
	}
	r := b.ips[ip]
	if now.Sub(r.first) > ipBanTime {
		r = ipBan{first: now}
	}
	if r.count++; r.count >= ipBanCount {
		r.until = now.Add(ipBanTime)
	}
	if _, known := b.ips[ip]; !known && len(b.ips) >= maxBans {
		forgetOldest(b.ips, func(r ipBan) time.Time { return r.first })
	}
	b.ips[ip] = r
}

func remember[K comparable](m map[K]time.Time, k K, until, now time.Time) {
	if _, known := m[k]; !known && len(m) >= maxBans {
		for k, t := range m {
			if !now.Before(t) {
				delete(m, k)
			}
		}
		if len(m) >= maxBans {
			forgetOldest(m, func(t time.Time) time.Time { return t })
		}
	}
	m[k] = until
}

func forgetOldest[K comparable, V any](m map[K]V, at func(V) time.Time) {
	var oldest K
	var when time.Time
	for k, v := range m {
		if t := at(v); when.IsZero() || t.Before(when) {
			oldest, when = k, t
		}
	}
	delete(m, oldest)
}

func (b *bans) addr(a netip.AddrPort) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	return now.Before(b.addrs[a]) || now.Before(b.ips[a.Addr()].until)
}

func (b *bans) ip(a netip.Addr) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now().Before(b.ips[a].until)
}

func (b *bans) id(id peerID) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now().Before(b.ids[id])
}
