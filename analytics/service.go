package analytics

import (
	"context"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/shoalcast/shoal/analytics/store"
	"github.com/shoalcast/shoal/event"
)

// Facts is what Service needs of the bus besides what its sink does.
type Facts interface {
	Bus
	FollowStreams(ctx context.Context, caughtUp func(), fn func(id event.StreamID, seq uint64, f event.StreamFact) error) error
}

// Options configures a Service. The zero value of what has a default means it.
type Options struct {
	Bus   Facts
	Store *store.Store
	Log   *slog.Logger          // nil discards
	Reg   prometheus.Registerer // of the metrics; nil registers them nowhere
	// Instance names this run, for the lease of the schema.
	Instance string
	// Retention is how long reports are kept; sums of minutes are kept twelve times as long. Default 30 days.
	Retention time.Duration
	// Price is of 10⁹ bytes of egress, in whatever money; 0 leaves what was set.
	Price float64
}

// Service keeps ClickHouse's schema, takes telemetry there, and notes what streams are called.
type Service struct {
	o     Options
	sink  *Sink
	ready chan struct{}
}

// New returns a service that works while Run does.
func New(o Options) *Service {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Retention <= 0 {
		o.Retention = 30 * 24 * time.Hour
	}
	return &Service{
		o: o, ready: make(chan struct{}),
		sink: NewSink(SinkOptions{Bus: o.Bus, Store: o.Store, Log: o.Log, Metrics: NewMetrics(o.Reg)}),
	}
}

// Ready is closed once the schema is there, which may be never: who needs ClickHouse waits, nobody else does.
func (s *Service) Ready() <-chan struct{} { return s.ready }

// Run works until ctx ends. A ClickHouse that is away is waited for; one whose schema is newer is left alone.
func (s *Service) Run(ctx context.Context) error {
	if err := s.prepare(ctx); err != nil {
		return err
	}
	close(s.ready)
	work, ctx := errgroup.WithContext(ctx)
	work.Go(func() error { return s.sink.Run(ctx) })
	work.Go(func() error { return s.names(ctx) })
	return work.Wait()
}

// prepare brings the schema to this build's, as soon as there is a ClickHouse to do it in.
func (s *Service) prepare(ctx context.Context) error {
	var trouble grumble
	return backoff.RetryNotify(func() error {
		if err := s.o.Store.CreateDatabase(ctx); err != nil {
			return err
		}
		return underLease(ctx, s.o.Bus, s.o.Instance, func(ctx context.Context) error {
			if err := s.o.Store.Migrate(ctx); err != nil {
				return err
			}
			if err := s.o.Store.Retain(ctx, s.o.Retention); err != nil {
				return err
			}
			if s.o.Price > 0 {
				return s.o.Store.SetPrice(ctx, s.o.Price)
			}
			return nil
		})
	}, backoff.WithContext(pauses(), ctx), func(err error, _ time.Duration) {
		level := slog.LevelDebug
		if ctx.Err() == nil {
			level = trouble.level(err)
		}
		s.o.Log.Log(ctx, level, "ClickHouse is not ready; telemetry is kept on the bus", "error", err)
	})
}
