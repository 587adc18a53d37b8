package peer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/swarm"
)

// shelf holds the pieces that the swarm brought until they are played, and knows which
// ones are waited for.
type shelf struct {
	pieces  map[event.Position]*swarm.Piece
	bytes   int64                      // of pieces
	waited  map[event.Position]*waited // asked for and not passed
	passed  event.Position             // nothing up to here is wanted any more
	refused map[event.Position]error   // why the swarm will not bring it
	late    []time.Duration            // from head to whole piece, of the last

	rejected  int   // false blocks since they were counted last
	duplicate int64 // bytes that came again since then
}

// waited is a piece that is waited for.
type waited struct {
	pts    event.Ticks
	direct bool // the origin is asked for it by itself
}

// Bounds of what a shelf holds beyond the node's own window.
const (
	shelfPieces = 256
	shelfBytes  = 64 << 20
	shelfLate   = 50
)

func newShelf() shelf {
	return shelf{
		pieces: map[event.Position]*swarm.Piece{}, waited: map[event.Position]*waited{},
		refused: map[event.Position]error{},
	}
}

// put takes in a piece. Where there is no room, whoever waits is sent elsewhere.
func (s *shelf) put(piece *swarm.Piece) {
	s.rejected += piece.Rejected
	s.duplicate += piece.Duplicate
	pos := piece.Head.Entry.Position()
	if !s.passed.Before(pos) || s.pieces[pos] != nil {
		return
	}
	if len(s.pieces) >= shelfPieces || s.bytes+piece.Head.Entry.Size > shelfBytes {
		s.refuse(pos, fmt.Errorf("%w any more", errSwarm))
		return
	}
	s.pieces[pos] = piece
	s.bytes += piece.Head.Entry.Size
}

// arrived remembers how long a piece took.
func (s *shelf) arrived(took time.Duration) {
	if s.late = append(s.late, took); len(s.late) > shelfLate {
		s.late = append(s.late[:0], s.late[1:]...)
	}
}

func (s *shelf) refuse(pos event.Position, err error) {
	if s.passed.Before(pos) && (len(s.refused) < shelfPieces || s.waited[pos] != nil) {
		s.refused[pos] = err
	}
}

// pass lets go of everything up to pos.
func (s *shelf) pass(pos event.Position) {
	s.passed = pos
	for at, piece := range s.pieces {
		if !pos.Before(at) {
			s.bytes -= piece.Head.Entry.Size
			delete(s.pieces, at)
		}
	}
	for at := range s.waited {
		if !pos.Before(at) {
			delete(s.waited, at)
		}
	}
	for at := range s.refused {
		if !pos.Before(at) {
			delete(s.refused, at)
		}
	}
}

// next returns the first piece that is waited for.
func (s *shelf) next() (first event.Position, pts event.Ticks, ok bool) {
	for at, w := range s.waited {
		if !ok || at.Before(first) {
			first, pts, ok = at, w.pts, true
		}
	}
	return first, pts, ok
}

func (p *party) onPiece(piece *swarm.Piece) {
	e := &piece.Head.Entry
	if e.R != p.rendition || e.Gap {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if i, found := p.gossip.search(e.Position()); found && piece.Bytes[swarm.FromOrigin] == 0 {
		p.shelf.arrived(time.Since(p.gossip.heads[i].at))
	}
	p.shelf.put(piece)
	p.wake()
}

// passed says that nothing up to pos is wanted any more.
func (p *party) passed(pos event.Position) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shelf.pass(pos)
}

// next returns the piece that is waited for and stands first, and its media time.
func (p *party) next() (event.Position, event.Ticks, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.shelf.next()
}

// lead returns how far behind the pieces' arrival to play.
func (p *party) lead() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return leadOf(p.toOrigin, p.shelf.late)
}

// collect returns how many false blocks and bytes in vain came since it was called last.
func (p *party) collect() (rejected int, duplicate int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &p.shelf
	rejected, duplicate = s.rejected, s.duplicate
	s.rejected, s.duplicate = 0, 0
	return rejected, duplicate
}

// copyOf implements source. Where heads flow the first try is the swarm's, whose node
// asks the origin itself when time runs short. What came before the viewer, init
// segments and later tries are asked of the origin at once; the swarm may still be first.
func (p *party) copyOf(ctx context.Context, w wanted, try int) (delivered, error) {
	direct := p.origin != nil && (w.init || w.catchup || try > 0 || p.flowing(w.at) <= 0)
	if !w.init {
		p.mu.Lock()
		p.shelf.waited[w.at] = &waited{pts: w.entry.Entry.PTS, direct: direct}
		p.mu.Unlock()
	}
	if direct {
		return p.race(ctx, w, try)
	}
	return p.fromSwarm(ctx, w)
}

// rest implements source: it ends early when the swarm has what is wanted.
func (p *party) rest(ctx context.Context, w wanted, d time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, d, nil)
	defer cancel()
	if _, err := p.await(ctx, w, nil); err != nil && !errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		return err
	}
	return nil
}

// onShelf returns what is wanted if it is here; p.mu is held.
func (p *party) onShelf(w wanted) (delivered, bool) {
	if w.init {
		data := p.inits[w.root]
		return delivered{data: data, by: FromPeer}, data != nil
	}
	piece := p.shelf.pieces[w.at]
	if piece == nil || piece.Head.Entry.Root != w.root {
		return delivered{}, false
	}
	return delivered{by: FromPeer, piece: piece, parts: Bytes{
		Peer: piece.Bytes[swarm.FromPeer], Seed: piece.Bytes[swarm.FromSeed],
		Edge: piece.Bytes[swarm.FromEdge], Origin: piece.Bytes[swarm.FromOrigin],
	}}, true
}

// await waits until what is wanted is on the shelf. Whenever something is new, check,
// unless it is nil, may end that with an error; p.mu is held then.
func (p *party) await(ctx context.Context, w wanted, check func() error) (delivered, error) {
	for {
		p.mu.Lock()
		changed := p.changed
		got, ok := p.onShelf(w)
		var err error
		if !ok && check != nil {
			err = check()
		}
		p.mu.Unlock()
		switch {
		case ok && got.piece != nil:
			got.data = got.piece.Data()
			return got, nil
		case ok || err != nil:
			return got, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return delivered{}, context.Cause(ctx)
		}
	}
}

// fromSwarm waits for what the swarm brings: for long once it knows of the piece, or
// where there is nobody else.
func (p *party) fromSwarm(ctx context.Context, w wanted) (delivered, error) {
	none := fmt.Errorf("wait for %s: %w", w, errSwarm)
	if p.origin == nil { // nobody else will have it either
		none = fmt.Errorf("%w: %w", none, errGone)
	}
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	patience := headWait
	known := p.origin == nil
	if known {
		patience = pieceWait
	}
	timer := time.AfterFunc(patience, func() { cancel(none) })
	defer timer.Stop()
	return p.await(inner, w, func() error {
		if _, found := p.gossip.search(w.at); found && !known {
			known = true
			timer.Reset(pieceWait)
		}
		return p.shelf.refused[w.at]
	})
}

// race asks the origin, and takes what the swarm brings if that comes first.
func (p *party) race(ctx context.Context, w wanted, try int) (delivered, error) {
	asking, stop := context.WithCancel(ctx)
	defer stop()
	waiting, enough := context.WithCancel(ctx)
	defer enough()
	var got delivered
	var err error
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		got, err = p.origin.copyOf(asking, w, try)
		enough()
	}()
	swarmed, failed := p.await(waiting, w, nil)
	stop()
	<-answered
	switch {
	case failed == nil:
		return swarmed, nil
	case err == nil && w.holds(got.data):
		p.keep(w, got)
	case err != nil && !w.init && tiring(err) && p.flowing(w.at) > 0:
		// The swarm lives and goes on: what it has lost is not waited for until somebody
		// repairs the origin.
		err = fmt.Errorf("%w: %w", errGone, err)
	}
	return got, err
}
