package peer

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
	"github.com/shoalcast/shoal/swarm"
	"github.com/shoalcast/shoal/swarm/live"
	"github.com/shoalcast/shoal/swarm/metainfo"
)

// party is the viewer's part in its stream's swarm: it hands out pieces that others sent,
// asks the origin for what the swarm cannot bring in time, and announces the entries
// that come by gossip.
type party struct {
	loop      *live.Loop
	verifier  *swarm.Trusted // the loop's goroutine alone
	member    live.Membership
	origin    *origin // nil where there is none
	rendition event.Rendition
	timing    timing
	log       *slog.Logger
	fetches   chan swarm.Fetch
	toOrigin  time.Duration // slack under which the origin is asked
	refill    refill
	leaving   chan struct{} // closed when the swarm is to be left
	left      sync.Once

	mu      sync.Mutex
	changed chan struct{} // closed when something below is new
	gossip  gossip
	shelf   shelf
	inits   map[event.Root][]byte
	peers   []swarm.Peer
	given   int64
}

const (
	// headWait is how long a piece's head may take that the origin told of first.
	headWait = 250 * time.Millisecond
	// pieceWait is how long the swarm, its own origin included, has for a piece.
	pieceWait = 10 * time.Second
	// partyInits bounds the init segments that are kept.
	partyInits = 16
)

// errSwarm means that the swarm has no copy.
var errSwarm = errors.New("not to be had from peers")

// partyOptions say who takes part.
type partyOptions struct {
	trust     *manifest.Trust
	rendition event.Rendition
	origin    *origin
	trip      time.Duration // to the origin and back
	up        int64         // bit/s
	timing    timing
	log       *slog.Logger
	transport live.Transport // for the node's id
}

func newParty(o partyOptions) *party {
	p := &party{
		verifier: swarm.NewTrusted(o.trust),
		origin:   o.origin, rendition: o.rendition, timing: o.timing, log: o.log,
		fetches: make(chan swarm.Fetch, 64), changed: make(chan struct{}), leaving: make(chan struct{}),
		shelf: newShelf(), inits: map[event.Root][]byte{},
		toOrigin: originSlack(o.trip, o.origin != nil),
		refill:   refill{first: o.timing.first, most: min(o.timing.most, time.Second)},
	}
	tuning := swarm.DefaultTuning()
	tuning.ToOrigin, tuning.ToSeeds, tuning.ToPeers = p.toOrigin, p.toOrigin+seedSlack, p.toOrigin+seedSlack
	var random [4]byte
	_, _ = rand.Read(random[:]) // never fails: crypto/rand
	p.loop = live.New(live.Options{
		Node: swarm.Config{
			Stream: o.trust.ID(), ID: live.NewID(o.transport), Verifier: p.verifier, Wants: []event.Rendition{o.rendition},
			Up: o.up, NoOrigin: o.origin == nil, Random: binary.BigEndian.Uint32(random[:]), Tuning: tuning,
		},
		Handler: live.Handler{
			Head: p.onHead, Piece: p.onPiece, Init: p.onInit, Fetch: p.onFetch,
			Dial:   func(d swarm.Dial) { p.member.Dial(d) },
			Signal: func(s *swarm.Signal) { p.member.Signal(s) },
		},
		Log: o.log,
	})
	return p
}

// join joins the stream's torrent. After it succeeded, run must be called.
func (p *party) join(t live.Transport, d metainfo.Descriptor, trackers []string) error {
	member, err := t.Join(d, trackers, p.loop)
	if err != nil {
		return fmt.Errorf("join the stream's swarm: %w", err)
	}
	p.member = member
	return nil
}

// leave makes the party end all connections and look for no others; what is wanted comes
// from the origin. It may be called again.
func (p *party) leave() { p.left.Do(func() { close(p.leaving) }) }

// run takes part until ctx ends, or the swarm has evidence against the stream.
func (p *party) run(ctx context.Context) error {
	defer p.member.Close()
	var group sync.WaitGroup
	defer group.Wait()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	for range fetchers {
		group.Go(func() { p.fetcher(ctx) })
	}
	group.Go(func() { p.look(ctx, cancel) })
	group.Go(func() {
		select {
		case <-p.leaving:
			p.member.Close()
		case <-ctx.Done():
		}
	})
	if err := p.loop.Run(ctx); err != nil {
		return err
	}
	if cause := context.Cause(ctx); errors.Is(cause, ErrBroken) {
		return cause
	}
	return nil
}

// post runs fn with the node soon. After the end of the party there is no node to run
// anything with, and nobody to mind.
func (p *party) post(fn func(now swarm.Time, n *swarm.Node)) {
	if err := p.loop.Post(fn); err != nil && !errors.Is(err, live.ErrClosed) {
		p.log.Warn("the swarm does not keep up with what it is told", "error", err)
	}
}

// wake tells whoever waits that something is new; p.mu is held.
func (p *party) wake() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// look keeps the figures that others show, and ends the party with the first fork that
// others sent.
func (p *party) look(ctx context.Context, end context.CancelCauseFunc) {
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		p.post(func(_ swarm.Time, n *swarm.Node) {
			s := n.Stats()
			p.mu.Lock()
			p.peers, p.given = n.Peers(), s.Sent
			p.mu.Unlock()
			if forks := p.verifier.Forks(); len(forks) > 0 {
				end(fmt.Errorf("%w: %w", ErrBroken, &forks[0].Error))
			}
		})
	}
}

// figures returns how many peers are connected and how many bytes were given.
func (p *party) figures() (peers int, given int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.peers), p.given
}

// peersNow returns who is connected.
func (p *party) peersNow() []swarm.Peer {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.peers
}

// play tells the node that the media at pts is played at a moment, so that it knows
// how much time there is.
func (p *party) play(epoch event.Epoch, pts event.Ticks, at time.Time) {
	p.post(func(now swarm.Time, n *swarm.Node) { n.Play(now, p.rendition, epoch, pts, p.loop.TimeAt(at)) })
}

// follow tells the node from where on pieces are wanted.
func (p *party) follow(from event.Position) {
	p.post(func(now swarm.Time, n *swarm.Node) { n.Follow(now, p.rendition, from) })
}

// learn hands the node records that came from elsewhere.
func (p *party) learn(records []manifest.Envelope) {
	p.post(func(now swarm.Time, n *swarm.Node) {
		for _, env := range records {
			if err := n.AddRecord(now, env.JSON()); err != nil {
				p.log.Debug("the swarm does not take a record", "error", err)
			}
		}
	})
}

// keep hands what came from the origin to the node, so that others get it from here.
func (p *party) keep(w wanted, got delivered) {
	if w.init {
		p.post(func(now swarm.Time, n *swarm.Node) { n.AddInit(now, w.root, got.data) })
		return
	}
	h, err := swarm.HeadOf(w.entry, manifest.Leaves(got.data))
	if err != nil {
		p.log.Debug("a piece of the origin's is not passed on", "piece", w.at.String(), "error", err)
		return
	}
	p.post(func(now swarm.Time, n *swarm.Node) { n.Add(now, h, got.data, swarm.FromOrigin) })
}

func (p *party) onInit(s swarm.Segment) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.inits) >= partyInits {
		clear(p.inits)
	}
	p.inits[s.Root] = s.Data
	p.wake()
}
