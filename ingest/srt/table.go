package srt

import (
	"net/netip"
	"sync"
)

// table counts connections, in all and by address.
type table struct {
	mu      sync.Mutex
	max     int
	perAddr int
	n       int
	addrs   map[netip.Addr]int
}

func (t *table) init(limit, perAddr int) {
	t.max, t.perAddr, t.addrs = limit, perAddr, map[netip.Addr]int{}
}

var errFull = &Refusal{Code: Overload, Reason: "the limit of connections is reached"}

// room says whether a connection from a could enter.
func (t *table) room(a netip.Addr) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n >= t.max || t.addrs[a] >= t.perAddr {
		return errFull
	}
	return nil
}

// enter counts a connection that has been accepted: it may be refused although there
// was room during its handshake.
func (t *table) enter(a netip.Addr) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n >= t.max || t.addrs[a] >= t.perAddr {
		return errFull
	}
	t.n++
	t.addrs[a]++
	return nil
}

func (t *table) leave(a netip.Addr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.n--
	if t.addrs[a]--; t.addrs[a] == 0 {
		delete(t.addrs, a)
	}
}
