package packager

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/internal/obs"
	"github.com/shoalcast/shoal/manifest"
)

const (
	// rewind is how far before the last signed piece a worker reads again: clocks of
	// ingest and bus may differ, and what is signed is passed over.
	rewind = 10 * time.Second
	// idleAfter is how long a rendition of a stream that is not live keeps its worker.
	idleAfter = time.Minute
)

var (
	errIdle      = errors.New("nothing to sign")
	errNoSession = errors.New("no session record is in force yet")
	errTooLate   = errors.New("the session of this epoch is over, and so is the epoch")
	errNoSource  = errors.New("what it was made of is not signed")
)

// worker signs the pieces of one rendition, in order. One goroutine runs it.
type worker struct {
	view
	opts    *Options
	chain   manifest.Chain
	last    uint64   // sequence of the chain's newest entry on the bus
	sources *sources // of a rendition that is made of the source; nil for the source
}

func newWorker(opts *Options, r event.Rendition, state event.StreamState) *worker {
	return &worker{view: newView(opts, r, state), opts: opts}
}

// reaches waits until the facts up to the claim of an epoch are known: a session that
// begins with that epoch may be among them. Facts and pieces come by different ways.
func (w *worker) reaches(ctx context.Context, epoch event.Epoch) error {
	for {
		w.mu.Lock()
		known, changed := w.state.LastEpoch >= epoch, w.changed
		w.mu.Unlock()
		if known {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// run folds the chain and signs what follows it, until ctx ends, signing fails, or
// the stream has been idle for long.
func (w *worker) run(ctx context.Context) error {
	since, err := w.restore(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	idle := time.AfterFunc(idleAfter, func() { cancel(errIdle) })
	defer idle.Stop()
	if w.rendition != event.Source {
		following := w.followSources(ctx, since, cancel)
		defer func() {
			cancel(nil)
			following.Wait()
		}()
	}
	err = w.opts.Bus.FollowPieceHeaders(ctx, w.id, w.rendition, since, func(ctx context.Context, p *event.Piece) error {
		idle.Reset(idleAfter)
		err := w.sign(ctx, p)
		switch {
		case err == nil, errors.Is(err, bus.ErrGiveUp):
			return err
		}
		// Whatever fails here and now, the piece is good: to pass over it would sign a
		// gap in its place. It waits on the bus instead.
		return fmt.Errorf("%w: %w", bus.ErrStop, err)
	})
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return fmt.Errorf("follow pieces: %w", err)
}

// followSources knows the source's entries from some time before since on, until ctx ends;
// failed is told if that fails.
func (w *worker) followSources(ctx context.Context, since time.Time, failed context.CancelCauseFunc) *sync.WaitGroup {
	w.sources = newSources()
	if oldest := time.Now().Add(-sourcesBefore); since.Before(oldest) {
		since = oldest
	}
	var following sync.WaitGroup
	following.Go(func() {
		if err := w.sources.follow(ctx, w.opts.Bus, w.id, since.Add(-rewind)); ctx.Err() == nil {
			failed(fmt.Errorf("follow the source's entries: %w", err))
		}
	})
	return &following
}

// next returns the entry to sign on the way to piece p: see manifest.Chain.
func (w *worker) next(ctx context.Context, p *event.Piece) (e manifest.Entry, more bool, err error) {
	if w.sources == nil {
		return w.chain.Next(p)
	}
	known, err := w.sources.await(ctx, p.Position)
	switch {
	case err != nil:
		return e, false, err
	case !known:
		return e, false, errNoSource
	}
	return w.chain.NextBeside(p, w.sources.at)
}

// restore folds the newest entries on the bus into the chain, and returns the time
// from which pieces may be unsigned.
func (w *worker) restore(ctx context.Context) (since time.Time, err error) {
	if err := w.refresh(); err != nil {
		return since, err
	}
	payloads, last, err := w.opts.Bus.LastEntries(ctx, w.id, w.rendition, manifest.MaxParts)
	if err != nil {
		return since, fmt.Errorf("read the newest entries: %w", err)
	}
	newest := make([]manifest.Signed, 0, len(payloads))
	for _, b := range payloads {
		// Sessions of long ago may be forgotten; what stands on the bus was checked
		// before it was put there.
		env, err := manifest.ParseEnvelope(b)
		if err != nil {
			return since, fmt.Errorf("read an entry back: %w", err)
		}
		e, err := manifest.DecodeEntry(env)
		if err != nil {
			return since, fmt.Errorf("read an entry back: %w", err)
		}
		newest = append(newest, manifest.Signed{Entry: e, Envelope: env})
	}
	if err := w.chain.Restore(newest); err != nil {
		return since, fmt.Errorf("fold the newest entries: %w", err)
	}
	w.last = last
	if e, _, ok := w.chain.Newest(); ok {
		since = time.UnixMilli(e.At).Add(-rewind)
	}
	return since, nil
}

// sign records the entries up to and including the piece's own. Its error is
// bus.ErrGiveUp when the piece itself is at fault.
func (w *worker) sign(ctx context.Context, p *event.Piece) error {
	if err := w.reaches(ctx, p.Epoch); err != nil {
		return err
	}
	trace := p.Trace
	if w.opts.Trace != nil && trace != "" {
		handOn, end := w.opts.Trace(ctx, p)
		defer end()
		trace = handOn
	}
	for {
		e, more, err := w.next(ctx, p)
		switch {
		case errors.Is(err, manifest.ErrSigned):
			return nil
		case errors.Is(err, manifest.ErrNoPlace), errors.Is(err, errNoSource):
			w.opts.Metrics.Skipped.Inc()
			w.log.Debug("a piece is left out", obs.KeyEpoch, p.Epoch, obs.KeyN, p.N, obs.KeyReason, err)
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return fmt.Errorf("continue the chain: %w: %w", bus.ErrGiveUp, err)
		}
		err = w.append(ctx, e, trace)
		switch {
		case errors.Is(err, errTooLate):
			w.log.Warn("a piece of an epoch that is over can no longer be signed", obs.KeyEpoch, p.Epoch, obs.KeyN, p.N)
			return nil
		case errors.Is(err, bus.ErrConflict):
			// Another packager was faster: what it signed is the chain now.
			w.opts.Metrics.Conflicts.Inc()
			if _, err := w.restore(ctx); err != nil {
				return err
			}
			continue
		case err != nil:
			return err
		}
		if e.Gap {
			w.opts.Metrics.Gaps.Inc()
			w.log.Warn("a piece was lost and is signed as a gap", obs.KeyEpoch, e.Epoch, obs.KeyN, e.N)
		}
		if !more {
			w.opts.Metrics.Signed.Inc()
			w.opts.Metrics.Delay.Observe(time.Since(p.Received).Seconds())
			return nil
		}
	}
}

// append seals an entry in the session in force, and records it as the successor of
// the newest. Nothing signed leaves before that is acknowledged.
func (w *worker) append(ctx context.Context, e manifest.Entry, trace string) error {
	if err := w.refresh(); err != nil {
		return err
	}
	now := time.Now()
	session, digest, ok := w.trust.SessionAt(e.Position())
	if !ok {
		return errNoSession
	}
	if !session.Covers(now.UnixMilli()) {
		if w.current().LastEpoch > e.Epoch {
			return errTooLate
		}
		return fmt.Errorf("session record %d does not cover this moment: is the keyring running, is the clock right?", session.Serial)
	}
	key, err := w.opts.Keys.Key(w.id, manifest.KeyID(session.Key))
	if err != nil {
		return fmt.Errorf("find session key %d: %w", session.Serial, err)
	}
	e = e.Seal(now, digest)
	env, err := manifest.SignEntry(key, e)
	if err != nil {
		return fmt.Errorf("sign entry %s: %w: %w", e.Position(), bus.ErrGiveUp, err)
	}
	// The message is named by what was signed, not by its address: another packager's
	// entry at the same address must be a conflict, never taken for a repetition.
	seq, err := w.opts.Bus.AppendEntry(ctx, w.id, w.rendition, env.JSON(), w.last, w.opts.Retention,
		trace, event.DigestOf(env.Payload).String())
	if err != nil {
		return fmt.Errorf("record entry %s: %w", e.Position(), err)
	}
	if err := w.chain.Check(e, env.Payload); err != nil {
		return fmt.Errorf("take in entry %s: %w", e.Position(), err)
	}
	w.last = seq
	return nil
}
