package analytics

import (
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// longestPause is after how long, at most, what is away is asked again.
const longestPause = 10 * time.Second

// pauses are those between tries that never give up: what waits is safe on the bus.
func pauses() *backoff.ExponentialBackOff {
	return backoff.NewExponentialBackOff(backoff.WithInitialInterval(200*time.Millisecond), backoff.WithMaxInterval(longestPause), backoff.WithMaxElapsedTime(0))
}

// grumble says how loud a failure is told: the first of its kind as a warning, the same again for whoever debugs.
type grumble struct{ told string }

func (g *grumble) level(err error) slog.Level {
	if err.Error() == g.told {
		return slog.LevelDebug
	}
	g.told = err.Error()
	return slog.LevelWarn
}
