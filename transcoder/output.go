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

	ctx    context.Context // of the encoder's run, while it is read
	writer *bus.PieceWriter
	record []byte // of the newest configuration
	init   *fmp4.Init
	root   event.Root // announced, zero before

	mu     sync.Mutex
	mirror mirror
	oldest time.Time // when the oldest piece that waits was given to the encoder
}

// add takes note of a piece before the encoder has it.
func (o *output) add(p *event.Piece, c *fmp4.Contents) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.mirror.open) == 0 {
		o.oldest = time.Now()
	}
	_, ok := o.mirror.add(p, c)
	return ok
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
func (o *output) read(ctx context.Context, from io.Reader) (err error) {
	o.ctx, o.writer = ctx, o.bus.NewPieceWriter()
	defer func() {
		// What was handed over is sent, even when the run is told to stop.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		if closed := o.writer.Close(ctx); err == nil {
			err = closed
		}
	}()
	demuxer := mpegts.New(mpegts.Options{Sink: o})
	if _, err := io.Copy(demuxer, from); err != nil {
		return fmt.Errorf("read %s: %w", o.step.Rendition, err)
	}
	if err := demuxer.Flush(); err != nil {
		return err
	}
	o.mu.Lock()
	rest := o.mirror.flush()
	o.mu.Unlock()
	return o.publish(rest)
}

// Config describes the encoder's pictures, as they are to be announced.
func (o *output) Config(c media.Config) error {
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
	before := len(o.mirror.open)
	p := fmp4.Picture{Key: u.Key, Data: u.Data}
	if before > 0 {
		p.PTS = unwrap(u.PTS, o.mirror.open[0].begin)
	}
	p.DTS = p.PTS // nothing is reordered
	ready := o.mirror.take(p)
	if len(o.mirror.open) < before {
		o.oldest = time.Now()
	}
	o.mu.Unlock()
	return o.publish(ready)
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

func (o *output) publish(pieces []made) error {
	for _, m := range pieces {
		if o.init == nil {
			continue // cannot be: pictures come after their configuration
		}
		select {
		case <-o.turn:
		case <-o.ctx.Done():
			return context.Cause(o.ctx)
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
