package netlab

import (
	"context"
	"sync"
)

// maxFlows bounds the connections or flows of one relay; more are turned away.
const maxFlows = 4096

// Relay passes what arrives at Addr on to its target, and the answers back, as its Link
// says. It is safe for concurrent use.
type Relay struct {
	addr   string
	target string
	ctx    context.Context // ends at Close
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu    sync.Mutex
	link  Link
	cut   bool
	flows map[flow]bool
	count uint64 // of flows so far: the next one's number
}

// flow is one connection or one client's datagrams.
type flow interface {
	// setCut stops what is under way, or lets it go on.
	setCut(cut bool)
	// close ends it; its goroutines end soon after.
	close()
	// reset ends it as a host does that has lost it.
	reset()
}

func newRelay(target string, l Link) (*Relay, error) {
	if err := l.validate(); err != nil {
		return nil, err
	}
	r := &Relay{target: target, link: l, flows: map[flow]bool{}}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r, nil
}

// Addr is where the relay listens: host:port.
func (r *Relay) Addr() string { return r.addr }

// Set changes the link for what comes from now on; what is under way is not affected.
// A link that cannot be is an error, and changes nothing.
func (r *Relay) Set(l Link) error {
	if err := l.validate(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.link = l
	return nil
}

// Cut stops everything in both directions, as if a cable were pulled, until Heal: streams
// stall, and lose nothing; datagrams are lost.
func (r *Relay) Cut() { r.setCut(true) }

// Heal ends a cut: streams go on where they were.
func (r *Relay) Heal() { r.setCut(false) }

func (r *Relay) setCut(cut bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cut = cut
	for f := range r.flows {
		f.setCut(cut)
	}
}

// Reset breaks all connections, so that both sides see a reset; new ones are taken. A
// relay of datagrams forgets its flows.
func (r *Relay) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for f := range r.flows {
		f.reset()
	}
}

// Close ends the relay and all that passes through it, and waits until it has ended.
func (r *Relay) Close() {
	r.cancel()
	r.mu.Lock()
	for f := range r.flows {
		f.close()
	}
	r.mu.Unlock()
	r.work.Wait()
}

func (r *Relay) now() (Link, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.link, r.cut
}

// add makes a flow known, or is false if it cannot be taken.
func (r *Relay) add(begin func(n, seed uint64, cut bool) flow) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ctx.Err() != nil || len(r.flows) >= maxFlows {
		return false
	}
	f := begin(r.count, r.link.Seed, r.cut)
	r.count++
	r.flows[f] = true
	return true
}

func (r *Relay) remove(f flow) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.flows, f)
}
