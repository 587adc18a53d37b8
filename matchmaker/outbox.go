package matchmaker

import (
	"sync"

	"github.com/shoalcast/shoal/event"
)

// outbox holds the facts that wait for the bus, the newest of them: whoever puts never
// waits.
type outbox struct {
	mu      sync.Mutex
	ring    []event.PeerFact
	first   int
	n       int
	dropped func()
	news    chan struct{}
}

func newOutbox(size int, dropped func()) *outbox {
	return &outbox{ring: make([]event.PeerFact, size), dropped: dropped, news: make(chan struct{}, 1)}
}

func (o *outbox) put(f event.PeerFact) {
	o.mu.Lock()
	if o.n == len(o.ring) {
		o.first = (o.first + 1) % len(o.ring)
		o.n--
		o.dropped()
	}
	o.ring[(o.first+o.n)%len(o.ring)] = f
	o.n++
	o.mu.Unlock()
	select {
	case o.news <- struct{}{}:
	default:
	}
}

// take returns the oldest fact; without any, it is false.
func (o *outbox) take() (event.PeerFact, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.n == 0 {
		return event.PeerFact{}, false
	}
	f := o.ring[o.first]
	o.first = (o.first + 1) % len(o.ring)
	o.n--
	return f, true
}
