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
	Instance Instance
	RTMP     []net.Listener // plain and TLS; the service closes them
	Piece    time.Duration  // target length of a piece, 200 ms
	Idle     time.Duration  // silence after which a publisher is gone, 10 s
	ByteRate int            // most bytes a second from one publisher, 0 for the protocol's default
	// Trace, if set, begins a trace at each piece and returns its W3C traceparent.
	Trace func(context.Context, *event.Piece) string
}

// Service accepts publishers and publishes their pieces.
type Service struct {
	opts    Options
	streams *event.Directory
	ready   chan struct{} // closed once the facts of all streams are known

	mu         sync.Mutex
	publishing map[event.StreamID]*session
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
		streams:    event.NewDirectory(),
		ready:      make(chan struct{}),
		publishing: map[event.StreamID]*session{},
	}
}

// Ready is closed once publishers can be told apart from strangers.
func (s *Service) Ready() <-chan struct{} { return s.ready }

// Run serves until ctx ends; then it stops accepting, ends every publish with its
// epoch closed, and returns.
func (s *Service) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := s.opts.Bus.FollowStreams(ctx, func() { close(s.ready) }, s.apply); ctx.Err() == nil {
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
	return group.Wait()
}

func (s *Service) apply(id event.StreamID, seq uint64, f event.StreamFact) error {
	state := s.streams.Apply(id, seq, f)
	switch f.(type) {
	case event.PublishKeySet, event.StreamRemoved:
		s.revoke(state)
	}
	return nil
}

// revoke ends the publish of a stream whose key was changed or that was removed.
func (s *Service) revoke(state event.StreamState) {
	s.mu.Lock()
	p := s.publishing[state.ID]
	s.mu.Unlock()
	if p == nil || !state.Removed && p.key == state.Key {
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
		if !state.Live() || !s.opts.Instance.succeeds(state.Instance) {
			continue
		}
		_, err := s.opts.Bus.AppendStreamFact(ctx, state.ID,
			event.EpochEnded{Epoch: state.LastEpoch, Reason: "the server stopped"}, state.Seq)
		switch {
		case errors.Is(err, bus.ErrConflict), ctx.Err() != nil:
			// A publisher was faster and has the next epoch.
		case err != nil:
			s.opts.Log.Warn("an epoch left open could not be closed", obs.KeyName, state.Name, obs.KeyError, err)
		default:
			s.opts.Log.Info("closed an epoch that an earlier run left open", obs.KeyName, state.Name, obs.KeyEpoch, state.LastEpoch)
		}
	}
	return nil
}
