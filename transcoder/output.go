package transcoder

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/fmp4"
	"github.com/shoalcast/shoal/ingest/media"
	"github.com/shoalcast/shoal/ingest/mpegts"
	"github.com/shoalcast/shoal/internal/obs"
	"github.com/shoalcast/shoal/manifest"
)

// output is one rendition on its way from the encoder to the bus.
type output struct {
	id     event.StreamID
	step   Step
	bus    *bus.Bus
	log    *slog.Logger
	source event.TracksAnnounced // what is encoded
	known  func(event.Root) bool // tracks that were announced in this epoch
	turn   <-chan struct{}       // closed when the run before has published all of its pieces
	count  *Metrics

	ctx    context.Context // of the encoder's run
	writer *bus.PieceWriter

	mu     sync.Mutex
	mirror mirror
	ready  []made    // to be published
	oldest time.Time // when the oldest piece that waits was given to the encoder

	publishing sync.Mutex // one at a time, and what follows is theirs
	record     []byte     // of the newest configuration
	init       *fmp4.Init
	root       event.Root // announced, zero before
	asked      bool       // after is known
	after      event.Position
	joined     bool // a segment was begun
}

// open prepares for pieces, which come until close.
func (o *output) open(ctx context.Context) { o.ctx, o.writer = ctx, o.bus.NewPieceWriter() }

// close sends what was handed over, even when the run is told to stop.
func (o *output) close() error {
	limit := closeTimeout
	if o.ctx.Err() != nil {
		limit = hurried
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(o.ctx), limit)
	defer cancel()
	return o.writer.Close(ctx)
}

// add takes note of a piece before the encoder has it. It is false where there is no room.
func (o *output) add(p *event.Piece, c *fmp4.Contents) (bool, error) {
	o.mu.Lock()
	if len(o.mirror.open) == 0 {
		o.oldest = time.Now()
	}
	ready, ok := o.mirror.add(p, c)
	o.keep(ready)
	o.mu.Unlock()
	return ok, o.publish()
}

// keep has pieces published; o.mu is held.
func (o *output) keep(ready []made) {
	if len(ready) == 0 {
		return
	}
	o.oldest = time.Now()
	o.ready = append(o.ready, ready...)
	if over := len(o.ready) - maxOpen; over > 0 {
		o.ready = o.ready[over:]
	}
}

// behind is how much of the source waits for its pictures, and since when.
func (o *output) behind() (media event.Ticks, since time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	open := o.mirror.open
	if len(open) == 0 {
		return 0, time.Time{}
	}
	return open[len(open)-1].end - open[0].begin, o.oldest
}

// read takes the encoder's transport stream until it ends, and publishes what it is worth.
func (o *output) read(from io.Reader) error {
	demuxer := mpegts.New(mpegts.Options{Sink: o})
	if _, err := io.Copy(demuxer, from); err != nil {
		return fmt.Errorf("read %s: %w", o.step.Rendition, err)
	}
	if err := demuxer.Flush(); err != nil {
		return err
	}
	o.mu.Lock()
	o.keep(o.mirror.flush())
	o.mu.Unlock()
	return o.publish()
}

// Config describes the encoder's pictures, as they are to be announced.
func (o *output) Config(c media.Config) error {
	o.publishing.Lock()
	defer o.publishing.Unlock()
	if c.Codec.Kind() != media.Video || bytes.Equal(c.Record, o.record) {
		return nil
	}
	init, err := fmp4.ReplaceVideo(o.source.Init, o.source.Codecs, o.source.FrameRate, c)
	if err != nil {
		return fmt.Errorf("describe %s: %w", o.step.Rendition, err)
	}
	o.record, o.init, o.root = bytes.Clone(c.Record), init, event.Root{}
	return nil
}

// Push takes the encoder's next picture.
func (o *output) Push(u media.AccessUnit) error {
	if u.Kind != media.Video {
		return nil
	}
	o.mu.Lock()
	p := fmp4.Picture{Key: u.Key, Data: u.Data}
	if len(o.mirror.open) > 0 {
		p.PTS = unwrap(u.PTS, o.mirror.open[0].begin)
	}
	p.DTS = p.PTS // nothing is reordered
	o.keep(o.mirror.take(p))
	o.mu.Unlock()
	return o.publish()
}

// unwrap returns the time nearest to about that a transport stream's 33 bits stand for.
func unwrap(t, about event.Ticks) event.Ticks {
	const wrap = event.Ticks(1) << 33
	d := (t - about) % wrap
	switch {
	case d > wrap/2:
		d -= wrap
	case d < -wrap/2:
		d += wrap
	}
	return about + d
}

// publish sends what is ready, in order, once the run before has sent all of its own.
func (o *output) publish() error {
	o.publishing.Lock()
	defer o.publishing.Unlock()
	if o.init == nil {
		return nil // nothing is known of the pictures yet
	}
	o.mu.Lock()
	ready := o.ready
	o.ready = nil
	o.mu.Unlock()
	for _, m := range ready {
		if ok, err := o.begins(m); err != nil || !ok {
			if err != nil {
				return err
			}
			continue
		}
		if o.root.IsZero() {
			if err := o.announce(m.source.Epoch); err != nil {
				return err
			}
		}
		p := *m.source
		p.Rendition, p.Key, p.PTS, p.Init, p.Received = o.step.Rendition, m.key, m.pts, o.root, time.Now()
		p.Data, p.Size, p.Root = m.data, len(m.data), manifest.RootOf(m.data)
		if err := o.writer.Write(o.ctx, &p); err != nil {
			return fmt.Errorf("publish a piece of %s: %w", o.step.Rendition, err)
		}
		o.count.Pieces.Inc()
		o.count.Delay.Observe(p.Received.Sub(m.source.Received).Seconds())
	}
	return nil
}

// begins reports whether a piece may be published: the first is one that begins a segment, after
// all that an encoder before this one has published. Pictures of two encoders do not mix.
func (o *output) begins(m made) (bool, error) {
	if o.joined {
		return true, nil
	}
	select {
	case <-o.turn:
	case <-o.ctx.Done():
		return false, context.Cause(o.ctx)
	}
	if !o.asked {
		var err error
		if o.after, err = o.bus.LastPiece(o.ctx, o.id, o.step.Rendition); err != nil {
			return false, err
		}
		o.asked = true
	}
	o.joined = m.key && o.after.Before(m.source.Position)
	return o.joined, nil
}

// announce puts the init segment on the bus before the first piece that needs it.
func (o *output) announce(epoch event.Epoch) error {
	root := manifest.RootOf(o.init.Data)
	if !o.known(root) {
		_, err := o.bus.AppendStreamFact(o.ctx, o.id, event.TracksAnnounced{
			Epoch: epoch, Rendition: o.step.Rendition, Root: root, Init: o.init.Data,
			Codecs: o.init.Codecs, Width: o.init.Width, Height: o.init.Height, FrameRate: o.init.FrameRate,
		}, bus.AnySeq)
		if err != nil {
			return fmt.Errorf("announce %s: %w", o.step.Rendition, err)
		}
		o.log.Info("rendition", obs.KeyRendition, o.step.Rendition, "codecs", o.init.Codecs, "width", o.init.Width, "height", o.init.Height)
	}
	o.root = root
	return nil
}
