package bt

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/anacrolix/torrent"
)

const (
	// headStart is how long TCP may take where WebRTC can follow. A NAT answers nothing to
	// what comes unasked.
	headStart = 1500 * time.Millisecond
	// A peer that was tried in vain is left alone for so long at first, and at most.
	firstRest = 10 * time.Second
	maxRest   = 10 * time.Minute
	maxRests  = 1024 // places of which that is remembered
)

// Reach connects to a peer that was heard of, soon and without blocking: at its address,
// if it has one, and by WebRTC if not or where nobody answers: who listens behind a NAT is
// told of with an address at which the NAT lets nobody in. It does nothing if there is a
// connection or one is being made; ErrBanned, ErrBusy and ErrUnreachable say why it will
// not.
func (s *Swarm) Reach(id PeerID, addr netip.AddrPort) error {
	switch i := s.client.ice; {
	case !addr.IsValid():
		return s.DialSignalled(id)
	case i == nil || s.spec.Signaller == nil || id == PeerID{}:
		return s.Dial(addr)
	default:
		addr = unmap(addr)
		if err := s.mayDial(addr); err != nil || s.connected(addr) {
			return err
		}
		return s.attempt(id, addr, func(ctx context.Context, a *attempt) error {
			switch c, err := s.client.dialTCP(ctx, addr, headStart); {
			case err == nil:
				i.handOver(s, c, torrent.PeerInfo{Addr: addr, Source: torrent.PeerSourceDirect})
				return nil
			case ctx.Err() != nil:
				return fmt.Errorf("dial %v: %w", addr, ctx.Err())
			}
			return i.dial(ctx, s, a)
		})
	}
}

// attempt begins to connect to a peer, unless that is going on.
func (s *Swarm) attempt(to PeerID, addr netip.AddrPort, run func(context.Context, *attempt) error) error {
	i := s.client.ice
	if i.rests.resting(place{to, addr}, time.Now()) {
		return fmt.Errorf("connect to a peer: %w", ErrUnreachable)
	}
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		return fmt.Errorf("name an attempt to connect: %w", err)
	}
	a := &attempt{
		id: hex.EncodeToString(id[:]), peer: string(to[:]), want: &place{to, addr}, courier: throughSwarm{s.spec.Signaller, to},
		outward: true, answer: make(chan string, 1),
	}
	err := i.begin(s.ctx, a, attemptTimeout, func(ctx context.Context) error { return run(ctx, a) })
	if errors.Is(err, errUnderWay) {
		return nil
	}
	return err
}

// handOver gives a connection that was made to the library, by the way of telling it to
// dial its address.
func (i *ice) handOver(swarm *Swarm, c net.Conn, peer torrent.PeerInfo) {
	addr := peer.Addr.String()
	i.mu.Lock()
	twice := i.made[addr]
	if i.closed {
		i.mu.Unlock()
		_ = c.Close()
		return
	}
	i.made[addr] = c
	i.mu.Unlock()
	if twice != nil {
		_ = twice.Close()
	}
	// The library may not want it.
	time.AfterFunc(handshakeTimeout, func() {
		i.mu.Lock()
		unwanted := i.made[addr] == c
		if unwanted {
			delete(i.made, addr)
		}
		i.mu.Unlock()
		if unwanted {
			_ = c.Close()
		}
	})
	swarm.torrent.AddPeers([]torrent.PeerInfo{peer})
}

// place is where a peer was said to be. What others say of one must not keep it from being
// tried where it is.
type place struct {
	peer PeerID
	addr netip.AddrPort // none: by signals alone
}

// rests remembers who was tried in vain: what keeps two peers apart, such as the NATs of
// both, seldom goes away, and hints of each other go on.
type rests struct {
	mu     sync.Mutex
	places map[place]rest
}

type rest struct {
	long  time.Duration
	until time.Time
}

func (r *rests) resting(p place, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return now.Before(r.places[p].until)
}

// note takes in how an attempt ended. Each one in vain doubles the rest.
func (r *rests) note(p place, reached bool, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if reached {
		delete(r.places, p)
		return
	}
	if r.places == nil || len(r.places) >= maxRests {
		r.places = map[place]rest{} // some are tried once more than need be
	}
	long := min(max(2*r.places[p].long, firstRest), maxRest)
	r.places[p] = rest{long: long, until: now.Add(long)}
}
