package packager

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"
	"golang.org/x/sync/errgroup"

	"github.com/shoalcast/shoal/archive"
	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/internal/obs"
	"github.com/shoalcast/shoal/manifest"
)

const (
	// beforeFirst is how far back a closer looks that has closed nothing yet; the bus
	// keeps pieces for less.
	beforeFirst = 10 * time.Minute
	// settle is how long nothing may come after the end of an epoch before its files
	// are closed: facts, pieces and entries come by different ways.
	settle = 5 * time.Second
)

// closer signs the close records of one rendition's archive files. It has a follow of
// its own, with the pieces' bytes, so that the signing of entries never waits for it.
// One goroutine owns it.
type closer struct {
	view
	opts *Options

	cutter *archive.Cutter
	next   event.Position // what is before is closed
	last   uint64         // sequence of the newest close record on the bus
	lost   int            // as counted in the metrics

	head  *manifest.Entry // the oldest entry that was not taken
	piece *event.Piece    // the oldest piece that was not taken
	asked event.Root      // the init segment that was waited for last
}

func newCloser(opts *Options, r event.Rendition, state event.StreamState) *closer {
	return &closer{view: newView(opts, r, state), opts: opts}
}

// run goes on after the newest close record until ctx ends, another packager closes a
// file first, or the stream has been idle for long.
func (c *closer) run(ctx context.Context) error {
	since, err := c.restore(ctx)
	if err != nil {
		return err
	}
	entries, pieces := make(chan manifest.Entry), make(chan *event.Piece)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return c.opts.Bus.FollowEntries(ctx, c.id, c.rendition, since, func(ctx context.Context, _ uint64, b []byte, _ string) error {
			e, err := c.read(b)
			if err != nil {
				return fmt.Errorf("read an entry back: %w: %w", bus.ErrGiveUp, err)
			}
			return hand(ctx, entries, e)
		})
	})
	g.Go(func() error {
		return c.opts.Bus.FollowPieces(ctx, c.id, c.rendition, since, func(ctx context.Context, p *event.Piece) error {
			return hand(ctx, pieces, p)
		})
	})
	g.Go(func() error { return c.join(ctx, entries, pieces) })
	return g.Wait()
}

func hand[T any](ctx context.Context, to chan<- T, v T) error {
	select {
	case to <- v:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// read decodes an entry that was checked before it was put on the bus.
func (c *closer) read(b []byte) (manifest.Entry, error) {
	env, err := manifest.ParseEnvelope(b)
	if err != nil {
		return manifest.Entry{}, err
	}
	return manifest.DecodeEntry(env)
}

// restore folds the newest close record, and returns the time from which entries and
// pieces are not in any file yet.
func (c *closer) restore(ctx context.Context) (since time.Time, err error) {
	if err := c.refresh(); err != nil {
		return since, err
	}
	c.cutter = archive.NewCutter(c.trust.Name(), c.rendition, c.opts.Archive, func(root event.Root) ([]byte, bool) {
		t, ok := c.tracks(root)
		return t.Init, ok
	})
	c.next, c.lost, c.head, c.piece = event.Position{}, 0, nil, nil
	closed, seq, err := c.opts.Bus.LastClose(ctx, c.id, c.rendition)
	if err != nil {
		return since, err
	}
	if c.last = seq; seq == 0 {
		return time.Now().Add(-beforeFirst), nil
	}
	env, err := manifest.ParseEnvelope(closed.Envelope)
	if err != nil {
		return since, fmt.Errorf("read the last close record back: %w", err)
	}
	rec, err := manifest.DecodeClose(env)
	if err != nil {
		return since, fmt.Errorf("read the last close record back: %w", err)
	}
	if len(closed.Resume) > 0 {
		if err := c.cutter.Restore(closed.Resume); err != nil {
			// Another version wrote it: the epoch's file begins again here.
			c.log.Warn("the file of the whole epoch begins after this window", obs.KeyError, err)
		}
	}
	c.next = event.Position{Epoch: rec.Epoch, N: rec.Last + 1}
	return time.UnixMilli(rec.At).Add(rec.Dur.Duration() - rewind), nil
}

// tracks returns an init segment whose bytes are what its root says.
func (c *closer) tracks(root event.Root) (event.TracksAnnounced, bool) {
	state := c.current()
	t, ok := state.Init(root)
	return t, ok && manifest.RootOf(t.Init) == root
}

// join puts entries and pieces together, both in their order, until ctx ends.
func (c *closer) join(ctx context.Context, entries <-chan manifest.Entry, pieces <-chan *event.Piece) error {
	quiet := time.NewTimer(settle)
	defer quiet.Stop()
	idle := time.NewTimer(idleAfter)
	defer idle.Stop()
	for {
		es, ps := entries, pieces
		if c.head != nil {
			es = nil
		}
		if c.piece != nil {
			ps = nil
		}
		select {
		case e := <-es:
			if e.Position().Before(c.next) {
				continue
			}
			c.head = &e
		case p := <-ps:
			if p.Position.Before(c.next) {
				continue
			}
			c.piece = p
		case <-quiet.C:
			quiet.Reset(settle)
			if err := c.settled(ctx); err != nil {
				return err
			}
			continue
		case <-idle.C:
			if _, open := c.cutter.Open(); !open {
				return errIdle
			}
			idle.Reset(idleAfter)
			continue
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		quiet.Reset(settle)
		idle.Reset(idleAfter)
		if err := c.match(ctx); err != nil {
			return err
		}
	}
}

// match takes the entry that is next as soon as it is known what became of its piece.
func (c *closer) match(ctx context.Context) error {
	for c.head != nil {
		e := c.head
		if e.StartsSegment() {
			if _, ok := c.tracks(e.Init); !ok && c.asked != e.Init {
				c.asked = e.Init
				if err := c.facts(ctx, e.Epoch); err != nil {
					return err
				}
			}
		}
		switch {
		case e.Gap:
			if err := c.take(ctx, nil); err != nil {
				return err
			}
			continue
		case c.piece == nil:
			return nil
		case c.piece.Position.Before(e.Position()):
		case c.piece.Position != e.Position(): // what the entry signed is not on the bus any more
			if err := c.take(ctx, nil); err != nil {
				return err
			}
			continue
		case e.Holds(c.piece.Data):
			if err := c.take(ctx, c.piece.Data); err != nil {
				return err
			}
		default:
			c.log.Warn("the bus holds other bytes than were signed", obs.KeyEpoch, e.Epoch, obs.KeyN, e.N)
		}
		c.piece = nil
	}
	return nil
}

// facts waits a little for the facts that an epoch's first segment needs: they come by
// another way.
func (c *closer) facts(ctx context.Context, epoch event.Epoch) error {
	news := c.news()
	if c.current().LastEpoch > epoch {
		return nil
	}
	t := time.NewTimer(settle)
	defer t.Stop()
	select {
	case <-news:
	case <-t.C:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// settled closes the files of an epoch that is over.
func (c *closer) settled(ctx context.Context) error {
	state := c.current()
	over := func(e event.Epoch) bool { return state.LastEpoch > e || state.LastEpoch == e && state.Ended }
	if c.head != nil && over(c.head.Epoch) { // its piece does not come
		if err := c.take(ctx, nil); err != nil {
			return err
		}
		return c.match(ctx)
	}
	if epoch, open := c.cutter.Open(); open && over(epoch) {
		return c.record(ctx, c.cutter.End())
	}
	return nil
}

// take moves the next entry into the files, and records those that it ends.
func (c *closer) take(ctx context.Context, data []byte) error {
	e := *c.head
	c.head = nil
	err := c.record(ctx, c.cutter.Take(e, data))
	if n := c.cutter.Lost() - c.lost; n > 0 {
		c.lost += n
		c.opts.Metrics.ArchiveLost.Add(float64(n))
		c.log.Warn("a segment is missing in the archive: its pieces are not on the bus any more", obs.KeyEpoch, e.Epoch, obs.KeyN, e.N)
	}
	return err
}

// record signs the close records of files, one after the other, and puts them on the
// bus. What fails now is tried again: the hashes of a file cannot be had a second time
// once its pieces are gone. Its error is bus.ErrConflict when another packager was first.
func (c *closer) record(ctx context.Context, cuts []archive.Cut) error {
	for _, cut := range cuts {
		pause := backoff.NewExponentialBackOff(backoff.WithInitialInterval(firstPause),
			backoff.WithMaxInterval(maxPause), backoff.WithMaxElapsedTime(0))
		for {
			err := c.seal(ctx, cut)
			if err == nil {
				break
			}
			if ctx.Err() != nil || errors.Is(err, bus.ErrConflict) || errors.Is(err, bus.ErrClosed) || errors.Is(err, manifest.ErrMalformed) {
				return err
			}
			wait := pause.NextBackOff()
			c.log.Warn("an archive file could not be closed yet", "in", wait.Round(time.Millisecond), obs.KeyError, err)
			news := c.news()
			select {
			case <-time.After(wait):
			case <-news:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		c.opts.Metrics.ArchiveFiles.WithLabelValues(string(cut.Kind)).Inc()
	}
	return nil
}

// seal signs one record and appends it behind the newest.
func (c *closer) seal(ctx context.Context, cut archive.Cut) error {
	if err := c.refresh(); err != nil {
		return err
	}
	now := time.Now()
	rec := cut.Close(c.id, c.rendition)
	rec.Issued = now.UnixMilli()
	session, ok := c.trust.CloserAt(rec.LastPosition(), rec.Issued)
	if !ok {
		return errNoSession
	}
	key, err := c.opts.Keys.Key(c.id, manifest.KeyID(session.Key))
	if err != nil {
		return fmt.Errorf("find session key %d: %w", session.Serial, err)
	}
	env, err := manifest.SignClose(key, rec)
	if err != nil {
		return err
	}
	seq, err := c.opts.Bus.AppendClose(ctx, c.id, c.rendition, event.FileClosed{Envelope: env.JSON(), Resume: cut.Resume},
		c.last, c.opts.Retention, event.DigestOf(env.Payload).String())
	if err != nil {
		return err
	}
	c.last = seq
	return nil
}
