package rtmp

import (
	"container/list"
	"errors"
	"net"
	"sync"
)

var (
	errFull    = errors.New("all connections are publishing and the limit is reached")
	errMadeWay = errors.New("the connection made room for another: it did not publish and the limit of connections was reached")
)

// table counts connections. Those that do not publish are kept by age, so that a
// crowd of idle ones cannot keep a publisher out.
type table struct {
	mu      sync.Mutex
	max     int
	perAddr int
	n       int
	addrs   map[string]*address
	idle    list.List // of *place, oldest first
}

type address struct {
	n    int
	idle list.List // of *place, oldest first
}

// place is a connection's place in the table.
type place struct {
	wire *wire
	addr string
	all  *list.Element // in table.idle; nil while publishing or told to go
	own  *list.Element // in its address's idle
	gone bool          // told to go, no longer counted
}

func (t *table) init(limit, perAddr int) {
	t.max, t.perAddr, t.addrs = limit, perAddr, make(map[string]*address)
}

// enter takes a place for a new connection. When the limit is reached the oldest
// idle one is told to go; it still counts until it has gone, so the table may be
// over its limit by those that are going.
func (t *table) enter(w *wire) (*place, error) {
	p := &place{wire: w, addr: hostOf(w.RemoteAddr())}
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.addrs[p.addr]
	if a == nil {
		a = &address{}
	}
	switch {
	case a.n >= t.perAddr:
		if !t.evict(a.idle.Front()) {
			return nil, errFull
		}
	case t.n >= t.max:
		if !t.evict(t.idle.Front()) {
			return nil, errFull
		}
	}
	t.addrs[p.addr] = a
	t.n++
	a.n++
	t.lineUp(p, a)
	return p, nil
}

func (t *table) evict(e *list.Element) bool {
	if e == nil {
		return false
	}
	p := e.Value.(*place)
	t.stepOut(p)
	p.gone = true
	// Its goroutine frees the rest; the count is given up now, for the newcomer.
	t.n--
	t.addrs[p.addr].n--
	p.wire.end(errMadeWay)
	return true
}

func (t *table) lineUp(p *place, a *address) {
	p.all, p.own = t.idle.PushBack(p), a.idle.PushBack(p)
}

func (t *table) stepOut(p *place) {
	if p.all == nil {
		return
	}
	t.idle.Remove(p.all)
	t.addrs[p.addr].idle.Remove(p.own)
	p.all, p.own = nil, nil
}

// publishing takes the connection off the idle ones, or puts it back.
func (t *table) publishing(p *place, yes bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case p.gone:
	case yes:
		t.stepOut(p)
	case p.all == nil:
		t.lineUp(p, t.addrs[p.addr])
	}
}

// leave gives a place up.
func (t *table) leave(p *place) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !p.gone {
		t.stepOut(p)
		t.n--
		t.addrs[p.addr].n--
	}
	if a := t.addrs[p.addr]; a != nil && a.n == 0 {
		delete(t.addrs, p.addr)
	}
}

func hostOf(a net.Addr) string {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.IP.String()
	}
	return a.String()
}
