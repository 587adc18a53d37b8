package analytics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v4"
	"golang.org/x/sync/errgroup"

	"github.com/shoalcast/shoal/analytics/store"
	"github.com/shoalcast/shoal/bus"
)

// Bus is what a sink needs of the bus.
type Bus interface {
	FollowReports(ctx context.Context, after bus.Place, dropped func(error) (keep bool), fn func(context.Context, *bus.Reported) error) error
	TelemetryEnd(ctx context.Context) (bus.Place, error)
	Ahead(ctx context.Context) (time.Duration, error)
	LastSinkState(ctx context.Context, name string) (state []byte, seq uint64, err error)
	AppendSinkState(ctx context.Context, name string, state []byte, expectLast uint64, messageID string) (uint64, error)
}

// Store is where a sink puts reports.
type Store interface {
	// Insert writes rows under a token: not again what it wrote under it before.
	Insert(ctx context.Context, rows *store.Rows, token string) error
	// Recent tells which reports came from since to until, each with the day of its visit.
	Recent(ctx context.Context, since, until time.Time, fn func(session string, n uint32, day time.Time)) error
}

// SinkOptions configures a Sink. The zero value of what has a default means it.
type SinkOptions struct {
	Bus     Bus
	Store   Store
	Log     *slog.Logger // nil discards
	Metrics *Metrics     // nil counts for nobody
	// Name of the sink: who takes reports to another place has another. Default clickhouse.
	Name string
	// Rows is the most in a batch. Default 100,000: five of 20,000 cost the engine three times as much.
	Rows int
	// Wait is how long the first of a batch waits for others, where there is no backlog. Default 500 ms.
	Wait time.Duration
	// Settle is how old a report must be before it is inserted: a bus that is killed loses what is younger, and what it
	// lost must not have been counted. Default 1 s: a bus on a busy machine writes late.
	Settle time.Duration
}

// Sink takes reports from the bus into a store, each once.
type Sink struct {
	o SinkOptions
}

const (
	// standBy is after how long without a word from another sink of the same name its work is taken over.
	standBy = 30 * time.Second
	look    = 3 * time.Second
)

// NewSink returns a sink that works while Run does.
func NewSink(o SinkOptions) *Sink {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = NewMetrics(nil)
	}
	if o.Name == "" {
		o.Name = "clickhouse"
	}
	if o.Rows <= 0 {
		o.Rows = 100_000
	}
	if o.Wait <= 0 {
		o.Wait = 500 * time.Millisecond
	}
	if o.Settle <= 0 {
		o.Settle = time.Second
	}
	return &Sink{o: o}
}

// Run works until ctx ends. What fails, the bus and the store among it, is tried again.
func (s *Sink) Run(ctx context.Context) error {
	pause := pauses()
	var trouble grumble
	for ctx.Err() == nil {
		began := time.Now()
		err := s.session(ctx)
		if ctx.Err() != nil {
			break
		}
		if time.Since(began) > longestPause {
			pause.Reset()
			trouble = grumble{}
		}
		if errors.Is(err, bus.ErrConflict) {
			s.o.Log.Info("another sink of that name is at work: this one stands by", "sink", s.o.Name)
			if err = s.standBy(ctx); err == nil {
				continue
			}
		}
		s.o.Log.Log(ctx, trouble.level(err), "telemetry is not taken to ClickHouse for now; it is kept on the bus", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(pause.NextBackOff()):
		}
	}
	return context.Cause(ctx)
}

// standBy returns when the other sink said nothing for long.
func (s *Sink) standBy(ctx context.Context) error {
	_, before, err := s.o.Bus.LastSinkState(ctx, s.o.Name)
	if err != nil {
		return err
	}
	changed := time.Now()
	for time.Since(changed) < standBy {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(look):
		}
		_, now, err := s.o.Bus.LastSinkState(ctx, s.o.Name)
		if err != nil {
			return err
		}
		if now != before {
			before, changed = now, time.Now()
		}
	}
	return nil
}

// session goes on from what was recorded last until something fails.
func (s *Sink) session(ctx context.Context) error {
	state, seq, err := s.o.Bus.LastSinkState(ctx, s.o.Name)
	if err != nil {
		return err
	}
	var last plan
	if seq != 0 {
		if last, err = decodePlan(state); err != nil {
			return err
		}
	}
	known := newSeen()
	if !last.From.At.IsZero() {
		err := s.o.Store.Recent(ctx, last.From.At.Add(-remembered), last.From.At, func(session string, n uint32, day time.Time) {
			known.first(session, int64(n), last.From.At, dayOf(day))
		})
		if err != nil {
			return err
		}
	}
	ahead, err := s.o.Bus.Ahead(ctx)
	if err != nil {
		return err
	}
	b := newBuilder(s, known)
	if b.redo, err = s.toRepeat(ctx, last); err != nil {
		return err
	}
	b.from = last.To
	start := last.To
	if b.redo != nil {
		start = last.From
	}
	work, ctx := errgroup.WithContext(ctx)
	work.Go(func() error {
		return s.o.Bus.FollowReports(ctx, start, s.dropped(), b.add)
	})
	work.Go(func() error { return b.run(ctx) })
	work.Go(func() error { return s.write(ctx, b, seq, ahead) })
	work.Go(func() error { return s.progress(ctx, b) })
	return work.Wait()
}

// toRepeat returns the plan that may not have been carried out, as far as the bus still has its reports; nil where there is nothing to
// repeat. Whether it was carried out, nobody needs to know: its token keeps it from being done twice.
func (s *Sink) toRepeat(ctx context.Context, last plan) (*plan, error) {
	if last.To.Seq == 0 {
		return nil, nil
	}
	end, err := s.o.Bus.TelemetryEnd(ctx)
	if err != nil {
		return nil, err
	}
	if !end.At.After(last.From.At) {
		return nil, nil // a crash of the bus took all of it
	}
	return &last, nil
}

// write carries plans out.
func (s *Sink) write(ctx context.Context, b *builder, seq uint64, ahead time.Duration) error {
	for {
		var f *full
		select {
		case f = <-b.out:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := s.settle(ctx, f.plan.To.At.Add(-ahead)); err != nil {
			return err
		}
		if !f.again {
			state, err := f.plan.encode()
			if err != nil {
				return err
			}
			if seq, err = s.o.Bus.AppendSinkState(ctx, s.o.Name, state, seq, f.plan.token()); err != nil {
				return err
			}
		}
		if err := s.insert(ctx, f); err != nil {
			return err
		}
		b.give(f.rows)
	}
}

// settle waits until a batch is old enough to outlive the bus.
func (s *Sink) settle(ctx context.Context, newest time.Time) error {
	left := min(s.o.Settle-time.Since(newest), s.o.Settle)
	if left <= 0 {
		return nil
	}
	select {
	case <-time.After(left):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// insert tries until the store has the batch.
func (s *Sink) insert(ctx context.Context, f *full) error {
	m := s.o.Metrics
	began := time.Now()
	away := false
	err := backoff.RetryNotify(func() error {
		return s.o.Store.Insert(ctx, f.rows, f.plan.token())
	}, backoff.WithContext(pauses(), ctx), func(err error, _ time.Duration) {
		m.failed.Inc()
		if !away && ctx.Err() == nil {
			away = true
			s.o.Log.Warn("telemetry waits on the bus until ClickHouse takes it", "error", err)
		}
	})
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("insert a batch: %w", err)
	}
	if away {
		s.o.Log.Info("ClickHouse takes telemetry again", "after", time.Since(began).Round(time.Second))
	}
	m.inserted.Add(float64(f.rows.Len()))
	m.took.Observe(time.Since(began).Seconds())
	m.age.Set(time.Since(f.plan.To.At).Seconds())
	return nil
}
