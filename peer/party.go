package peer

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
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
	origin    *origin // nil where there is none
	rendition event.Rendition
	timing    timing
	log       *slog.Logger
	fetches   chan swarm.Fetch

	mu      sync.Mutex
	heads   []*swarm.Head // by position, newest last; at most partyHeads
	news    chan struct{} // closed when heads grew
	pieces  map[event.Position]*swarm.Piece
	kept    []event.Position // of pieces, oldest first
	waiters map[event.Position]chan result
	inits   map[event.Root][]byte
	initNew chan struct{} // closed when inits grew
	peers   int
	given   int64

	member atomic.Pointer[live.Membership] // nil before the swarm is joined
}

// result is a piece, or why the swarm has none.
type result struct {
	piece *swarm.Piece
	err   error
}

// Bounds of what a party remembers beyond the node's own window.
const (
	partyHeads  = 1024
	partyPieces = 512
	// headWait is how long a piece's head may take that the origin told of first.
	headWait = 250 * time.Millisecond
	// pieceWait is how long the swarm, its own origin included, has for a piece.
	pieceWait = 10 * time.Second
	// fetchers is how many questions to the origin run at once.
	fetchers = 4
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
}

func newParty(o partyOptions) *party {
	p := &party{
		origin: o.origin, rendition: o.rendition, timing: o.timing, log: o.log,
		fetches: make(chan swarm.Fetch, 64), news: make(chan struct{}), initNew: make(chan struct{}),
		pieces: map[event.Position]*swarm.Piece{}, waiters: map[event.Position]chan result{}, inits: map[event.Root][]byte{},
	}
	tuning := swarm.DefaultTuning()
	tuning.ToOrigin = min(max(100*time.Millisecond+3*o.trip, 150*time.Millisecond), 400*time.Millisecond)
	var id swarm.PeerID
	var random [4]byte
	_, _ = rand.Read(id[:]) // never fails: crypto/rand
	_, _ = rand.Read(random[:])
	p.loop = live.New(live.Options{
		Node: swarm.Config{
			Stream: o.trust.ID(), ID: id, Verifier: swarm.NewTrusted(o.trust), Wants: []event.Rendition{o.rendition},
			Up: o.up, NoOrigin: o.origin == nil, Random: binary.BigEndian.Uint32(random[:]), Tuning: tuning,
		},
		Handler: live.Handler{
			Head: p.onHead, Piece: p.onPiece, Init: p.onInit,
			Dial:   func(d swarm.Dial) { p.withMember(func(m live.Membership) { m.Dial(d) }) },
			Signal: func(s *swarm.Signal) { p.withMember(func(m live.Membership) { m.Signal(s) }) },
			Fetch: func(f swarm.Fetch) {
				select {
				case p.fetches <- f:
				default: // the node asks again
					p.post(func(now swarm.Time, n *swarm.Node) { n.FetchFailed(now, f.Head.Key()) })
				}
			},
		},
		Log: o.log,
	})
	return p
}

// withMember calls fn once the swarm was joined.
func (p *party) withMember(fn func(live.Membership)) {
	if m := p.member.Load(); m != nil {
		fn(*m)
	}
}

// run joins the stream's torrent and takes part until ctx ends.
func (p *party) run(ctx context.Context, t live.Transport, d metainfo.Descriptor, trackers []string) error {
	member, err := t.Join(d, trackers, p.loop)
	if err != nil {
		return fmt.Errorf("join the stream's swarm: %w", err)
	}
	defer member.Close()
	p.member.Store(&member)
	var group sync.WaitGroup
	defer group.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for range fetchers {
		group.Go(func() { p.fetcher(ctx) })
	}
	group.Go(func() { p.count(ctx) })
	return p.loop.Run(ctx)
}

// post runs fn with the node soon. After the end of the party there is no node to run
// anything with, and nobody to mind.
func (p *party) post(fn func(now swarm.Time, n *swarm.Node)) { _ = p.loop.Post(fn) }

// count keeps the figures that others show.
func (p *party) count(ctx context.Context) {
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
			p.peers, p.given = s.Conns, s.Sent
			p.mu.Unlock()
		})
	}
}

// figures returns how many peers are connected and how many bytes were given.
func (p *party) figures() (peers int, given int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.peers, p.given
}

func (p *party) onHead(h *swarm.Head) {
	if h.Entry.R != p.rendition {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	pos := h.Entry.Position()
	i, found := slices.BinarySearchFunc(p.heads, pos, func(h *swarm.Head, pos event.Position) int {
		switch q := h.Entry.Position(); {
		case q.Before(pos):
			return -1
		case pos.Before(q):
			return 1
		}
		return 0
	})
	if found {
		return
	}
	p.heads = slices.Insert(p.heads, i, h)
	if len(p.heads) > partyHeads {
		p.heads = slices.Delete(p.heads, 0, len(p.heads)-partyHeads)
	}
	close(p.news)
	p.news = make(chan struct{})
}

func (p *party) onPiece(piece *swarm.Piece) {
	if piece.Head.Entry.R != p.rendition || piece.Head.Entry.Gap {
		return
	}
	pos := piece.Head.Entry.Position()
	p.mu.Lock()
	defer p.mu.Unlock()
	if w := p.waiters[pos]; w != nil {
		delete(p.waiters, pos)
		w <- result{piece: piece}
		return
	}
	p.pieces[pos] = piece
	if p.kept = append(p.kept, pos); len(p.kept) > partyPieces {
		delete(p.pieces, p.kept[0])
		p.kept = slices.Delete(p.kept, 0, 1)
	}
}

func (p *party) onInit(s swarm.Segment) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.inits) > 16 {
		clear(p.inits)
	}
	p.inits[s.Root] = s.Data
	close(p.initNew)
	p.initNew = make(chan struct{})
}

// after returns the envelopes of the entries that follow pos without a hole, waiting up
// to quiet for the first of them. It returns none if there is none by then.
func (p *party) after(ctx context.Context, pos event.Position, quiet time.Duration) []manifest.Envelope {
	timer := time.NewTimer(quiet)
	defer timer.Stop()
	for {
		p.mu.Lock()
		news := p.news
		out := p.entriesAfter(pos)
		p.mu.Unlock()
		if len(out) > 0 {
			return out
		}
		select {
		case <-news:
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// entriesAfter returns the known run of entries after pos, or, of a viewer that has
// none, from the newest keyframe on; p.mu is held.
func (p *party) entriesAfter(pos event.Position) []manifest.Envelope {
	heads := p.heads
	if pos == (event.Position{}) {
		heads = newestRun(heads)
	}
	var out []manifest.Envelope
	for _, h := range heads {
		e := &h.Entry
		if !pos.Before(e.Position()) {
			continue
		}
		if pos != (event.Position{}) && (e.Epoch == pos.Epoch && e.N != pos.N+1 || e.Epoch != pos.Epoch && e.N != 0) {
			break
		}
		out = append(out, h.Envelope())
		pos = e.Position()
	}
	return out
}

// newestRun returns the heads without a hole from the last keyframe on.
func newestRun(heads []*swarm.Head) []*swarm.Head {
	for i, h := range slices.Backward(heads) {
		e := &h.Entry
		if e.Key && e.StartsSegment() {
			return heads[i:]
		}
		if i == 0 || heads[i-1].Entry.Epoch != e.Epoch || heads[i-1].Entry.N+1 != e.N {
			return nil
		}
	}
	return nil
}

// copyOf implements source. The first try goes to the swarm, whose node asks the
// origin itself when time runs short; what came before the viewer, and later tries, are
// the origin's.
func (p *party) copyOf(ctx context.Context, w wanted, try int) (delivered, error) {
	switch {
	case w.init && p.origin != nil && try%2 == 0, p.origin != nil && (try > 0 || w.catchup):
		got, err := p.origin.copyOf(ctx, w, try)
		if err == nil && w.holds(got.data) {
			p.keep(w, got)
		}
		return got, err
	case w.init:
		return p.initFrom(ctx, w)
	}
	got, err := p.await(ctx, w)
	if err != nil {
		return delivered{}, err
	}
	d := delivered{data: got.Data(), by: FromPeer, rejected: got.Rejected, duplicate: got.Duplicate}
	d.parts = Bytes{
		Peer: got.Bytes[swarm.FromPeer], Seed: got.Bytes[swarm.FromSeed], Edge: got.Bytes[swarm.FromEdge], Origin: got.Bytes[swarm.FromOrigin],
	}
	return d, nil
}

// await waits for a piece to become whole.
func (p *party) await(ctx context.Context, w wanted) (*swarm.Piece, error) {
	p.mu.Lock()
	if piece := p.pieces[w.at]; piece != nil {
		delete(p.pieces, w.at)
		p.mu.Unlock()
		return piece, nil
	}
	done := make(chan result, 1)
	p.waiters[w.at] = done
	known := p.knows(w.at)
	news := p.news
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		if p.waiters[w.at] == done {
			delete(p.waiters, w.at)
		}
		p.mu.Unlock()
	}()
	patience := headWait
	if known || p.origin == nil {
		patience = pieceWait
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		select {
		case r := <-done:
			return r.piece, r.err
		case <-news:
			p.mu.Lock()
			news = p.news
			if !known && p.knows(w.at) {
				known = true
				timer.Reset(pieceWait)
			}
			p.mu.Unlock()
		case <-timer.C:
			return nil, fmt.Errorf("wait for %s: %w", w, errSwarm)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// knows reports whether the swarm has the head of a piece; p.mu is held.
func (p *party) knows(pos event.Position) bool {
	return slices.ContainsFunc(p.heads, func(h *swarm.Head) bool { return h.Entry.Position() == pos })
}

func (p *party) initFrom(ctx context.Context, w wanted) (delivered, error) {
	timer := time.NewTimer(pieceWait)
	defer timer.Stop()
	for {
		p.mu.Lock()
		data, news := p.inits[w.root], p.initNew
		p.mu.Unlock()
		if data != nil {
			return delivered{data: data, by: FromPeer}, nil
		}
		select {
		case <-news:
		case <-timer.C:
			return delivered{}, fmt.Errorf("wait for %s: %w", w, errSwarm)
		case <-ctx.Done():
			return delivered{}, ctx.Err()
		}
	}
}

// keep hands what came from the origin to the node, so that others get it from here.
func (p *party) keep(w wanted, got delivered) {
	if w.init {
		p.post(func(now swarm.Time, n *swarm.Node) { n.AddInit(now, w.root, got.data) })
		return
	}
	if w.envelope.Payload == nil {
		return
	}
	entry, err := manifest.DecodeEntry(w.envelope)
	if err != nil {
		return // it was verified, and decoded, before
	}
	h, err := swarm.HeadOf(manifest.Signed{Entry: entry, Envelope: w.envelope}, manifest.Leaves(got.data))
	if err != nil {
		return
	}
	p.post(func(now swarm.Time, n *swarm.Node) { n.Add(now, h, got.data, swarm.FromOrigin) })
}

// fetcher asks the origin for what the node wants of it.
func (p *party) fetcher(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case f := <-p.fetches:
			p.fetch(ctx, f)
		}
	}
}

func (p *party) fetch(ctx context.Context, f swarm.Fetch) {
	k := f.Head.Key()
	from := f.First * event.BlockSize
	to := min((f.Last+1)*event.BlockSize, int(f.Head.Entry.Size))
	data, err := p.origin.part(ctx, f.Head.Entry.Root, from, to-from)
	if err == nil {
		p.post(func(now swarm.Time, n *swarm.Node) { n.Fetched(now, k, f.First, data) })
		return
	}
	if ctx.Err() == nil {
		p.log.Debug("the origin has not what the swarm lacks", "piece", k.String(), "error", err)
	}
	p.post(func(now swarm.Time, n *swarm.Node) { n.FetchFailed(now, k) })
	p.mu.Lock()
	defer p.mu.Unlock()
	if w := p.waiters[k.Position]; w != nil {
		delete(p.waiters, k.Position)
		w <- result{err: err}
	}
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
