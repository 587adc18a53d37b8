package analytics

import (
	"context"
	"time"

	"golang.org/x/time/rate"
)

const progressEvery = 10 * time.Second

// progress says how a backlog gets less.
func (s *Sink) progress(ctx context.Context, b *builder) error {
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	var before uint64
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
		end, err := s.o.Bus.TelemetryEnd(ctx)
		if err != nil {
			continue // the bus is away: its follower tells
		}
		now := b.seq.Load()
		left := max(end.Seq, now) - now
		s.o.Metrics.behind.Set(float64(left))
		if before > 0 && left > 2*uint64(s.o.Rows) {
			s.o.Log.Info("draining the telemetry that waited", "left", left, "per_second", int(float64(now-before)/progressEvery.Seconds()))
		}
		before = now
	}
}

const (
	deadPerSecond = 5
	deadAtOnce    = 200
)

// dropped counts reports that cannot be read, and says which may go to DEAD: who floods the bus with nonsense is not to
// fill that.
func (s *Sink) dropped() func(error) bool {
	dead := rate.NewLimiter(deadPerSecond, deadAtOnce)
	return func(error) bool {
		s.o.Metrics.poison.Inc()
		return dead.Allow()
	}
}
