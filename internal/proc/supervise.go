package proc

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// Restart says how Supervise treats a task that fails. Zero fields take the defaults.
type Restart struct {
	Min     time.Duration // pause after the first failure; default 200 ms
	Max     time.Duration // longest pause; default 10 s
	Healthy time.Duration // a run this long starts the count anew; default 1 min
	Limit   int           // failures in a row after which Supervise gives up; default 20
}

func (r Restart) withDefaults() Restart {
	if r.Min <= 0 {
		r.Min = 200 * time.Millisecond
	}
	if r.Max <= 0 {
		r.Max = 10 * time.Second
	}
	if r.Healthy <= 0 {
		r.Healthy = time.Minute
	}
	if r.Limit <= 0 {
		r.Limit = 20
	}
	return r
}

// Supervise runs task until ctx ends, again after a growing pause whenever it fails.
// Each failure is logged as a warning under the task's name. It returns nil when ctx
// ended or task returned nil, and the last error after Limit failures in a row.
func Supervise(ctx context.Context, log *slog.Logger, name string, r Restart, task func(context.Context) error) error {
	r = r.withDefaults()
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval, pause.MaxElapsedTime = r.Min, r.Max, 0
	pause.Reset()
	for failures := 1; ; failures++ {
		begun := time.Now()
		err := task(ctx)
		if err == nil || ctx.Err() != nil {
			return nil //nolint:nilerr // the task failed because it was told to stop
		}
		if time.Since(begun) >= r.Healthy {
			failures = 1
			pause.Reset()
		}
		if failures >= r.Limit {
			return fmt.Errorf("%s failed %d times in a row: %w", name, failures, err)
		}
		wait := pause.NextBackOff()
		log.WarnContext(ctx, "task failed and is started again", "task", name, "error", err, "pause", wait)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}
