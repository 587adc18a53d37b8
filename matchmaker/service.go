package matchmaker

import (
	"context"
	crand "crypto/rand"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/internal/limit"
	"github.com/shoalcast/shoal/internal/obs"
)

// Service is one tracker.
type Service struct {
	opts   Options
	ready  atomic.Bool
	secret [32]byte // of UDP connection ids
	queue  *outbox
	// instance tells what this run put on the bus from what others did.
	instance string
	rates    *limit.Rates

	mu    sync.Mutex
	state *state
	rng   *rand.Rand

	sockets   map[*socket]struct{}
	socketsAt map[netip.Prefix]int // how many of them each address has
	stopped   bool                 // no more are taken
	serving   sync.WaitGroup
}

// New returns a tracker. It answers at once; Run restores and keeps what it knows.
func New(opts Options) *Service {
	opts = opts.withDefaults()
	s := &Service{
		opts: opts, instance: crand.Text(), rates: newRates(opts.AddressRate, maxAddresses),
		sockets: map[*socket]struct{}{}, socketsAt: map[netip.Prefix]int{},
	}
	var seed [32]byte
	// Read never fails: it ends the program where there is no randomness.
	_, _ = crand.Read(s.secret[:])
	_, _ = crand.Read(seed[:])
	s.rng = rand.New(rand.NewChaCha8(seed))
	s.state = newState(limits{
		torrents: opts.Torrents, peers: opts.Peers, all: opts.AllPeers, address: opts.AddressPeers,
		silence: 2 * opts.Interval,
	}, s.rng)
	s.queue = newOutbox(opts.Queue, opts.Metrics.Facts.WithLabelValues("dropped").Inc)
	return s
}

// Ready reports whether what an earlier run learnt has been read, so that who asks now
// is told of all that are there.
func (s *Service) Ready() bool { return s.ready.Load() }

// SwarmSize returns how many peers a torrent has now.
func (s *Service) SwarmSize(infohash [20]byte) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	complete, incomplete, _ := s.state.count(infohash)
	return complete + incomplete
}

// Run keeps facts on the bus, follows those that are there, and forgets peers that fell
// silent, until ctx ends; then it closes all WebSockets. It can be called once.
func (s *Service) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		<-ctx.Done()
		s.closeSockets()
		return nil
	})
	g.Go(func() error {
		s.sweep(ctx)
		return nil
	})
	if s.opts.Reports != nil {
		g.Go(func() error { return s.hearReports(ctx) })
	}
	if s.opts.Bus == nil {
		s.ready.Store(true)
		g.Go(func() error {
			s.publish(ctx, func(event.PeerFact) error { return nil })
			return nil
		})
		return g.Wait()
	}
	g.Go(func() error {
		s.publish(ctx, func(f event.PeerFact) error {
			return s.opts.Bus.AppendPeerFact(ctx, s.opts.Region, s.swarm(f.InfoHash), f)
		})
		return nil
	})
	g.Go(func() error {
		if err := s.opts.Bus.FollowPeers(ctx, s.opts.Region, func() { s.ready.Store(true) }, s.apply); ctx.Err() == nil {
			return fmt.Errorf("follow peers: %w", err)
		}
		return nil
	})
	return g.Wait()
}

// apply folds a fact from the bus, of an earlier run or another tracker: what this run
// learnt it knows already, and may know better by now. What a limit keeps out is left
// out, as it is of an announce.
func (s *Service) apply(f event.PeerFact) error {
	if f.Instance == s.instance {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.state.apply(f, time.Now()); err == nil {
		if p := s.state.find(f.InfoHash, contact{addr: f.Addr}); p != nil && p.told.Before(f.Time()) {
			p.told = f.Time()
		}
		s.gauge()
	}
	return nil
}

// swarm is the token under which the facts about a torrent's peers stand.
func (s *Service) swarm(h event.InfoHash) string {
	if s.opts.Stream != nil {
		if id, ok := s.opts.Stream(h); ok {
			return string(id)
		}
	}
	return h.String()
}

// publish hands facts to append, one by one, until ctx ends.
func (s *Service) publish(ctx context.Context, appendFact func(event.PeerFact) error) {
	var failing bool
	for {
		f, ok := s.queue.take()
		if !ok {
			select {
			case <-s.queue.news:
				continue
			case <-ctx.Done():
				return
			}
		}
		err := appendFact(f)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			s.opts.Metrics.Facts.WithLabelValues("kept").Inc()
			failing = false
		default:
			// Peers announce again, so a fact is not worth a second try.
			s.opts.Metrics.Facts.WithLabelValues("failed").Inc()
			if !failing {
				s.opts.Log.Warn("facts about peers are not kept: a restart would forget them until they announce again", obs.KeyError, err)
			}
			failing = true
		}
	}
}

// sweep forgets who fell silent, until ctx ends.
func (s *Service) sweep(ctx context.Context) {
	t := time.NewTicker(max(s.opts.Interval/16, time.Millisecond))
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-t.C:
			s.mu.Lock()
			hashes := make([]event.InfoHash, 0, len(s.state.torrents))
			for h := range s.state.torrents {
				hashes = append(hashes, h)
			}
			s.mu.Unlock()
			for _, h := range hashes { // one at a time, so that nobody waits for all
				s.mu.Lock()
				s.opts.Metrics.Expired.Add(float64(s.state.expire(h, now)))
				s.gauge()
				s.mu.Unlock()
			}
		}
	}
}

// gauge shows what the state has become; s.mu is held.
func (s *Service) gauge() {
	s.opts.Metrics.Torrents.Set(float64(len(s.state.torrents)))
	s.opts.Metrics.Peers.Set(float64(s.state.peers))
	s.opts.Metrics.Sockets.Set(float64(len(s.sockets)))
	s.opts.Metrics.Evicted.Add(float64(s.state.evicted))
	s.state.evicted = 0
}
