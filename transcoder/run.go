package transcoder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/fmp4"
)

const (
	// maxBehind is how much of the source may wait for its pictures. An encoder that is
	// slower than the camera gets whole segments less.
	maxBehind = 3 * event.Timescale
	// defaultStuck is how long the encoder may bring nothing of what it was given.
	defaultStuck = 10 * time.Second
	// closeTimeout bounds the end of a run: what the encoder still holds, and its pieces on
	// their way to the bus.
	closeTimeout = 2 * time.Second
	// hurried is what is left for it once the server is told to stop.
	hurried = 200 * time.Millisecond
)

var (
	errStuck  = errors.New("it brings nothing any more")
	errUnread = errors.New("it does not read what it is given")
)

// run is one ffmpeg: of one epoch, as long as the source's tracks are the same.
type run struct {
	source  event.TracksAnnounced
	epoch   event.Epoch
	ladder  Ladder
	outputs []*output
	count   *Metrics
	stuck   time.Duration

	interlaced bool // the source may be

	feed   chan *event.Piece
	finish func() // no more pieces come
	stop   context.CancelFunc
	ended  chan struct{} // closed after err is set
	err    error

	dropping bool // until the next keyframe that there is time for
}

// start begins a run. It ends by itself after finish, when it fails, or when ctx ends.
func (r *run) start(ctx context.Context, limits Limits) {
	ctx, r.stop = context.WithCancel(ctx)
	r.feed, r.ended = make(chan *event.Piece, maxOpen), make(chan struct{})
	r.finish = sync.OnceFunc(func() { close(r.feed) })
	go func() {
		defer close(r.ended)
		defer r.stop()
		r.count.Encoders.Inc()
		defer r.count.Encoders.Dec()
		r.err = r.encode(ctx, limits)
		<-r.outputs[0].turn // so that whose turn comes after this run's comes after all before
	}()
}

// offer hands a piece of the source to the encoder, without waiting for it: it goes in, or is
// dropped with what follows up to a keyframe. Its error is the end of the run.
func (r *run) offer(p *event.Piece) error {
	var behind event.Ticks
	for _, o := range r.outputs {
		media, since := o.behind()
		if media > 0 && time.Since(since) > r.stuck {
			return fmt.Errorf("%s: %w", o.step.Rendition, errStuck)
		}
		behind = max(behind, media)
	}
	behind += event.Ticks(len(r.feed)) * p.Duration
	if r.dropping && p.Key && behind < maxBehind/2 {
		r.dropping = false
	}
	if !r.dropping && behind < maxBehind {
		select {
		case r.feed <- p:
			return nil
		default:
		}
	}
	r.dropping = true
	r.count.Dropped.Inc()
	return nil
}

// encode runs the child until its input ends.
func (r *run) encode(ctx context.Context, limits Limits) error {
	c, err := startChild(ctx, r.ladder, r.interlaced, limits)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, c.kill)()
	work, cancel := context.WithCancel(ctx) // not the child's, whose end is to say what went wrong
	defer cancel()
	var g errgroup.Group
	try := func(what func() error) {
		g.Go(func() error {
			err := what()
			if err != nil {
				c.kill()
				cancel()
			}
			return err
		})
	}
	for _, o := range r.outputs {
		o.open(work)
	}
	try(func() error {
		defer c.closeInput()
		return r.write(work, c)
	})
	for i, o := range r.outputs {
		try(func() error { return o.read(c.outputs[i]) })
	}
	failed := g.Wait()
	for _, o := range r.outputs {
		if err := o.close(); failed == nil {
			failed = err
		}
	}
	// Where it does not take its input any more, its own words explain best what went wrong.
	if ended := c.wait(); ended != nil && (failed == nil || errors.Is(failed, syscall.EPIPE) || errors.Is(failed, os.ErrClosed)) {
		return ended
	}
	return failed
}

// write gives the child the init segment and all pieces.
func (r *run) write(ctx context.Context, c *child) error {
	if err := c.write(r.source.Init); err != nil {
		return err
	}
	for {
		select {
		case p, more := <-r.feed:
			if !more {
				return nil
			}
			contents, err := fmp4.Read(p.Data)
			if err != nil {
				return fmt.Errorf("read piece %d: %w", p.N, err)
			}
			for _, o := range r.outputs {
				if ok, err := o.add(p, contents); err != nil {
					return err
				} else if !ok {
					return errUnread
				}
			}
			if err := c.write(p.Data); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
