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
	key     event.Digest // SHA-256 of the publish key that was in force when it began
	keyless bool         // it was not admitted by a key, but by the operator
	claimed uint64       // sequence of the claim, which was made under that key

	ctx     context.Context
	stop    context.CancelCauseFunc
	unhurry func() bool
	chunker *fmp4.Chunker
	writer  *bus.PieceWriter
	n       uint64
	init    *fmp4.Init
	root    event.Root
	once    sync.Once
}

// start claims an epoch for a publisher with a key and returns the session that
// publishes into it.
func (s *Service) start(ctx context.Context, name, key, remote, encoder string) (*session, error) {
	return s.startAs(ctx, name, withKey(key), false, remote, encoder)
}

func (s *Service) startAs(ctx context.Context, name string, may permit, keyless bool, remote, encoder string) (*session, error) {
	select {
	case <-s.ready:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	streamName, err := event.ParseStreamName(name)
	if err != nil {
		return nil, refuse("%s", err)
	}
	state, err := s.authenticate(ctx, streamName, may)
	if err != nil {
		return nil, err
	}
	if !s.reserve(state.ID) {
		return nil, taken(state.Name)
	}
	if state, err = s.claim(ctx, state, may); err != nil {
		s.release(state.ID)
		return nil, err
	}
	p := s.open(ctx, state, keyless, remote)
	// The key may have been changed between the claim and now.
	if newest, ok := s.streams.Get(p.id); ok {
		s.revoke(newest)
	}
	if err := context.Cause(p.ctx); err != nil {
		p.Close(nil)
		return nil, err
	}
	p.log.Info("publishing", "encoder", encoder)
	return p, nil
}

// open returns a session that publishes into the epoch just claimed.
func (s *Service) open(ctx context.Context, state event.StreamState, keyless bool, remote string) *session {
	p := &session{
		service: s,
		log:     s.opts.Log.With(obs.KeyName, state.Name, obs.KeyEpoch, state.LastEpoch, obs.KeyRemote, remote),
		id:      state.ID,
		name:    state.Name,
		epoch:   state.LastEpoch,
		key:     state.Key,
		keyless: keyless,
		claimed: state.Seq,
		writer:  s.bus.NewPieceWriter(),
	}
	// It outlives the request, and for a moment the server: the epoch is closed on the
	// bus even when that is told to stop.
	p.ctx, p.stop = context.WithCancelCause(context.WithoutCancel(ctx))
	p.unhurry = s.hurry(func() { p.stop(errStopped) })
	p.chunker = fmp4.New(fmp4.Options{Target: s.opts.Piece, Warn: p.warn})
	s.mu.Lock()
	s.publishing[p.id] = p
	s.mu.Unlock()
	s.opts.Metrics.Publishers.Inc()
	return p
}

func (p *session) warn(w media.Warning) {
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
	return p.publish(p.ctx, chunks)
}

func (p *session) publish(ctx context.Context, chunks []fmp4.Chunk) error {
	for _, c := range chunks {
		if c.Init != p.init {
			if err := p.announce(ctx, c.Init); err != nil {
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
			piece.Trace = p.service.opts.Trace(ctx, piece)
		}
		if err := p.writer.Write(ctx, piece); err != nil {
			return publishError("publish a piece", err)
		}
		p.n++
		p.service.opts.Metrics.Pieces.Inc()
		p.service.opts.Metrics.Bytes.Add(float64(len(c.Data)))
	}
	return nil
}

// announce puts an init segment on the bus before the first piece that needs it.
func (p *session) announce(ctx context.Context, init *fmp4.Init) error {
	root := manifest.RootOf(init.Data)
	_, err := p.service.bus.AppendStreamFact(ctx, p.id, event.TracksAnnounced{
		Epoch: p.epoch, Rendition: event.Source, Root: root, Init: init.Data,
		Codecs: init.Codecs, Width: init.Width, Height: init.Height, FrameRate: init.FrameRate,
	}, bus.AnySeq)
	if err != nil {
		return publishError("announce tracks", err)
	}
	p.init, p.root = init, root
	p.log.Info("tracks", "codecs", init.Codecs, "width", init.Width, "height", init.Height, "fps", init.FrameRate)
	return nil
}

// publishError turns what the bus said into what the publisher can act on.
func publishError(action string, err error) error {
	if errors.Is(err, bus.ErrNoSpace) {
		return refuse("the server's disk is full: nothing more can be published until its operator makes room")
	}
	return fmt.Errorf("%s: %w", action, err)
}

const (
	// closeTimeout bounds each step of the end of a publish on the bus: sending what is
	// left, and closing the epoch.
	closeTimeout = 2 * time.Second
	// hurried is what is left for such a step once the server is told to stop: all of
	// them together must fit the third of two seconds that a clean shutdown gives.
	hurried = 200 * time.Millisecond
)

var errStopped = refuse("the server stopped")

// hurry calls f when a step that is under way should be over as the server stops.
func (s *Service) hurry(f func()) (stop func() bool) {
	return context.AfterFunc(s.life, func() { time.AfterFunc(hurried, f) })
}

// step is the time for one step of the end of a publish.
func (p *session) step() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.ctx), closeTimeout)
	unhurry := p.service.hurry(cancel)
	return ctx, func() {
		unhurry()
		cancel()
	}
}

// Close ends the epoch. reason is nil when the publisher said goodbye.
func (p *session) Close(reason error) {
	p.once.Do(func() { p.close(reason) })
}

func (p *session) close(reason error) {
	if cause := context.Cause(p.ctx); cause != nil {
		reason = cause
	}
	why := p.farewell(reason)
	if err := p.flush(); err != nil && !errors.Is(reason, err) {
		reason = errors.Join(reason, err)
	}
	if err := p.endEpoch(why); err != nil {
		reason = errors.Join(reason, err)
	}
	p.unhurry()
	p.stop(nil)
	p.service.release(p.id)
	p.service.opts.Metrics.Publishers.Dec()
	if reason != nil {
		p.log.Warn("publish ended", "pieces", p.n, obs.KeyReason, reason)
		return
	}
	p.log.Info("publish ended", "pieces", p.n)
}

// farewell says in the epoch's last fact why it ended.
func (p *session) farewell(reason error) string {
	var refusal *Refusal
	switch {
	case errors.As(reason, &refusal):
		return refusal.Reason
	case p.service.life.Err() != nil:
		return errStopped.Error()
	case reason != nil:
		return "the publisher went away"
	}
	return "the publisher stopped"
}

// flush puts what has come of the piece in progress on the bus, unless the publish was
// revoked, and waits for it and for what is still on its way.
func (p *session) flush() error {
	ctx, cancel := p.step()
	defer cancel()
	var err error
	if p.ctx.Err() == nil {
		err = p.publish(ctx, p.chunker.Flush())
	}
	if closed := p.writer.Close(ctx); err == nil {
		err = closed
	}
	return err
}

func (p *session) endEpoch(why string) error {
	ctx, cancel := p.step()
	defer cancel()
	_, err := p.service.bus.AppendStreamFact(ctx, p.id, event.EpochEnded{Epoch: p.epoch, Reason: why}, bus.AnySeq)
	if err != nil {
		return fmt.Errorf("close the epoch: %w", err)
	}
	return nil
}
