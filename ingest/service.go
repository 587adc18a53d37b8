package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/internal/obs"
)

// Options of a Service. Zero durations and rates take the defaults named.
type Options struct {
	Bus      *bus.Bus
	Log      *slog.Logger
	Metrics  *Metrics
	Instance event.Instance
	RTMP     []net.Listener // plain and TLS; the service closes them
	Piece    time.Duration  // target length of a piece, 200 ms
	Idle     time.Duration  // silence after which a publisher is gone, 10 s
	ByteRate int            // most bytes a second from one publisher, 0 for the protocol's default
	// Trace, if set, begins a trace at each piece and returns its W3C traceparent.
	Trace func(context.Context, *event.Piece) string
}

// eventBus is what a Service uses of its Bus.
type eventBus interface {
	FollowStreams(ctx context.Context, caughtUp func(), fn func(event.StreamID, uint64, event.StreamFact) error) error
	StreamState(ctx context.Context, id event.StreamID) (event.StreamState, error)
	LastFact(ctx context.Context, id event.StreamID) (uint64, error)
	AppendStreamFact(ctx context.Context, id event.StreamID, f event.StreamFact, expectLast uint64) (uint64, error)
	LastPieceAt(ctx context.Context, id event.StreamID, r event.Rendition) (time.Time, error)
	NewPieceWriter() *bus.PieceWriter
	PublishReceiverReport(id event.StreamID, r event.ReceiverReport) error
}

// Service accepts publishers and publishes their pieces.
type Service struct {
	opts    Options
	bus     eventBus
	streams *event.Directory
	srt     []srtListener
	pulls   chan func(context.Context) // to be run by Run
	ready   chan struct{}              // closed once the facts of all streams are known
	life    context.Context            // of Run: sessions begin once it runs, and close with it

	mu         sync.Mutex
	publishing map[event.StreamID]*session // nil while its epoch is being claimed
	pulling    map[event.StreamID]context.CancelCauseFunc
}

// New returns a service that Run starts.
func New(opts Options) *Service {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Metrics == nil {
		opts.Metrics = NewMetrics(nil)
	}
	if opts.Piece == 0 {
		opts.Piece = 200 * time.Millisecond
	}
	if opts.Idle == 0 {
		opts.Idle = 10 * time.Second
	}
	return &Service{
		opts:       opts,
		bus:        opts.Bus.As("ingest"),
		streams:    event.NewDirectory(),
		pulls:      make(chan func(context.Context)),
		ready:      make(chan struct{}),
		life:       context.Background(),
		publishing: map[event.StreamID]*session{},
		pulling:    map[event.StreamID]context.CancelCauseFunc{},
	}
}

// Ready is closed once publishers can be told apart from strangers.
func (s *Service) Ready() <-chan struct{} { return s.ready }

// Run serves until ctx ends; then it stops accepting, ends every publish with its
// epoch closed, and returns.
func (s *Service) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	s.life = ctx
	group.Go(func() error {
		if err := s.bus.FollowStreams(ctx, func() { close(s.ready) }, s.apply); ctx.Err() == nil {
			return fmt.Errorf("follow streams: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		select {
		case <-s.ready:
			return s.closeAbandoned(ctx)
		case <-ctx.Done():
			return nil
		}
	})
	server := s.rtmpServer() // one, so that all listeners share its limits
	for _, l := range s.opts.RTMP {
		group.Go(func() error {
			if err := server.Serve(ctx, l); err != nil && ctx.Err() == nil {
				return fmt.Errorf("serve RTMP on %s: %w", l.Addr(), err)
			}
			return nil
		})
	}
	for _, l := range s.srt {
		group.Go(func() error { return l.serve(ctx) })
	}
	group.Go(func() error {
		for {
			select {
			case pull := <-s.pulls:
				group.Go(func() error { pull(ctx); return nil })
			case <-ctx.Done():
				return nil
			}
		}
	})
	return group.Wait()
}

func (s *Service) apply(id event.StreamID, seq uint64, f event.StreamFact) error {
	state := s.streams.Apply(id, seq, f)
	switch f.(type) {
	case event.PublishKeySet, event.StreamRemoved:
		s.revoke(state)
	}
	if state.Removed {
		s.stopPull(state)
	}
	return nil
}

// revoke ends the publish of a stream whose key was changed or that was removed.
func (s *Service) revoke(state event.StreamState) {
	s.mu.Lock()
	p := s.publishing[state.ID]
	s.mu.Unlock()
	if p == nil || state.Seq <= p.claimed || !state.Removed && (p.keyless || p.key == state.Key) {
		return
	}
	reason := "its publish key was changed"
	if state.Removed {
		reason = "the stream was removed"
	}
	p.stop(refuse("publishing %q ended: %s", state.Name, reason))
}

// closeAbandoned ends the epochs that earlier runs of this node left open, so that
// viewers see them end without waiting for a publisher.
func (s *Service) closeAbandoned(ctx context.Context) error {
	for _, state := range s.streams.All() {
		if err := s.closeLeft(ctx, state); err != nil && ctx.Err() == nil {
			s.opts.Log.Warn("an epoch left open could not be closed", obs.KeyName, state.Name, obs.KeyError, err)
		}
	}
	return nil
}

// closeLeft closes the stream's epoch as long as an earlier run holds it. Other facts
// may come meanwhile, and so may a publisher with the next epoch.
func (s *Service) closeLeft(ctx context.Context, state event.StreamState) error {
	err := bus.ErrConflict
	for try := 0; errors.Is(err, bus.ErrConflict) && try < claimTries; try++ {
		if try > 0 {
			if state, err = s.bus.StreamState(ctx, state.ID); err != nil {
				return err
			}
		}
		if !state.Live() || !s.opts.Instance.Succeeds(state.Instance) {
			return nil
		}
		_, err = s.bus.AppendStreamFact(ctx, state.ID,
			event.EpochEnded{Epoch: state.LastEpoch, Reason: errStopped.Error()}, state.Seq)
		if err == nil {
			s.opts.Log.Info("closed an epoch that an earlier run left open", obs.KeyName, state.Name, obs.KeyEpoch, state.LastEpoch)
		}
	}
	return err
}
