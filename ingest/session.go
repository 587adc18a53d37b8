package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/fmp4"
	"github.com/shoalcast/shoal/ingest/media"
	"github.com/shoalcast/shoal/internal/obs"
	"github.com/shoalcast/shoal/manifest"
)

// session is one publish: a connection's access units on their way to the bus. Its
// Sink methods are called from that connection alone.
type session struct {
	service *Service
	log     *slog.Logger
	id      event.StreamID
	name    event.StreamName
	epoch   event.Epoch
	key     event.Digest // SHA-256 of the publish key it was admitted by

	ctx     context.Context
	stop    context.CancelCauseFunc
	chunker *fmp4.Chunker
	writer  *bus.PieceWriter
	n       uint64
	init    *fmp4.Init
	root    event.Root
	once    sync.Once
}

// start claims an epoch and returns the session that publishes into it.
func (s *Service) start(ctx context.Context, name, key, remote, encoder string) (*session, error) {
	select {
	case <-s.ready:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	streamName, err := event.ParseStreamName(name)
	if err != nil {
		return nil, refuse("%s", err)
	}
	state, err := s.claim(ctx, streamName, key)
	if err != nil {
		return nil, err
	}
	p := &session{
		service: s,
		log:     s.opts.Log.With(obs.KeyName, state.Name, obs.KeyEpoch, state.LastEpoch, obs.KeyRemote, remote),
		id:      state.ID,
		name:    state.Name,
		epoch:   state.LastEpoch,
		key:     state.Key,
		writer:  s.opts.Bus.NewPieceWriter(),
	}
	// The epoch is closed on the bus even when the server is told to stop.
	p.ctx, p.stop = context.WithCancelCause(context.WithoutCancel(ctx))
	p.chunker = fmp4.New(fmp4.Options{Target: s.opts.Piece, Warn: p.warn})
	s.mu.Lock()
	s.publishing[p.id] = p
	s.mu.Unlock()
	s.opts.Metrics.Publishers.Inc()
	p.log.Info("publishing", "encoder", encoder)
	return p, nil
}

func (p *session) warn(w fmp4.Warning) {
	p.service.opts.Metrics.Warnings.Inc()
	p.log.Warn(w.Message, "code", w.Code, "repeated", w.Repeated)
}

// Config sets or changes a track.
func (p *session) Config(c media.Config) error {
	if err := p.chunker.Config(c); err != nil {
		return fmt.Errorf("read the %s configuration: %w", c.Codec, err)
	}
	return nil
}

// Push takes the next access unit and publishes the pieces it completes.
func (p *session) Push(u media.AccessUnit) error {
	if err := context.Cause(p.ctx); err != nil {
		return err
	}
	chunks, err := p.chunker.Push(u)
	if err != nil {
		return fmt.Errorf("cut pieces: %w", err)
	}
	return p.publish(chunks)
}

func (p *session) publish(chunks []fmp4.Chunk) error {
	for _, c := range chunks {
		if c.Init != p.init {
			if err := p.announce(c.Init); err != nil {
				return err
			}
		}
		piece := &event.Piece{
			Address: event.Address{
				Stream: p.id, Rendition: event.Source,
				Position: event.Position{Epoch: p.epoch, N: p.n},
			},
			Segment: c.Segment, Key: c.Key, PTS: c.PTS, Duration: c.Duration, Target: c.Target,
			Init: p.root, Root: manifest.RootOf(c.Data), Size: len(c.Data),
			Arrived: c.Arrived, Received: c.Received, Data: c.Data,
		}
		if p.service.opts.Trace != nil {
			piece.Trace = p.service.opts.Trace(p.ctx, piece)
		}
		if err := p.writer.Write(p.ctx, piece); err != nil {
			return publishError(err)
		}
		p.n++
		p.service.opts.Metrics.Pieces.Inc()
		p.service.opts.Metrics.Bytes.Add(float64(len(c.Data)))
	}
	return nil
}

// announce puts an init segment on the bus before the first piece that needs it.
func (p *session) announce(init *fmp4.Init) error {
	root := manifest.RootOf(init.Data)
	_, err := p.service.opts.Bus.AppendStreamFact(p.ctx, p.id, event.TracksAnnounced{
		Epoch: p.epoch, Rendition: event.Source, Root: root, Init: init.Data,
		Codecs: init.Codecs, Width: init.Width, Height: init.Height, FrameRate: init.FrameRate,
	}, bus.AnySeq)
	if err != nil {
		return publishError(fmt.Errorf("announce tracks: %w", err))
	}
	p.init, p.root = init, root
	p.log.Info("tracks", "codecs", init.Codecs, "width", init.Width, "height", init.Height, "fps", init.FrameRate)
	return nil
}

// publishError turns what the bus said into what the publisher can act on.
func publishError(err error) error {
	if errors.Is(err, bus.ErrNoSpace) {
		return refuse("the server's disk is full: nothing more can be published until its operator makes room")
	}
	return fmt.Errorf("publish a piece: %w", err)
}

// closeTimeout bounds what the end of a publish may take on the bus.
const closeTimeout = 2 * time.Second

// Close ends the epoch. reason is nil when the publisher said goodbye.
func (p *session) Close(reason error) {
	p.once.Do(func() { p.close(reason) })
}

func (p *session) close(reason error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.ctx), closeTimeout)
	defer cancel()
	why := "the publisher stopped"
	if cause := context.Cause(p.ctx); cause != nil {
		reason = cause
	}
	var refusal *Refusal
	switch {
	case errors.As(reason, &refusal):
		why = refusal.Reason
	case reason != nil:
		why = "the publisher went away"
	}
	if context.Cause(p.ctx) == nil {
		if err := p.publish(p.chunker.Flush()); err != nil {
			reason = errors.Join(reason, err)
		}
	}
	if err := p.writer.Close(ctx); err != nil && !errors.Is(reason, err) {
		reason = errors.Join(reason, err)
	}
	_, err := p.service.opts.Bus.AppendStreamFact(ctx, p.id, event.EpochEnded{Epoch: p.epoch, Reason: why}, bus.AnySeq)
	if err != nil {
		reason = errors.Join(reason, fmt.Errorf("close the epoch: %w", err))
	}
	p.stop(nil)
	p.service.mu.Lock()
	if p.service.publishing[p.id] == p {
		delete(p.service.publishing, p.id)
	}
	p.service.mu.Unlock()
	p.service.opts.Metrics.Publishers.Dec()
	if reason != nil {
		p.log.Warn("publish ended", "pieces", p.n, obs.KeyReason, reason)
		return
	}
	p.log.Info("publish ended", "pieces", p.n)
}
