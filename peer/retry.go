package peer

import (
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/shoalcast/shoal/internal/reporting"
)

// timing holds every wait and limit of a session. Tests shorten them.
type timing struct {
	joinFor  time.Duration // how long to try to reach the origin at first
	reply    time.Duration // a small answer, from request to last byte
	poll     time.Duration // the same for a manifest that is held up to 5 s
	transfer time.Duration // a whole piece
	idle     time.Duration // without a byte
	goneFor  time.Duration // how long a piece may be 404: a restarted origin still reads its bus
	first    time.Duration // pause before the first retry; doubles
	most     time.Duration // longest pause
	again    time.Duration // between polls that brought nothing at once
	quiet    time.Duration // without gossip until the origin is asked
	silence  time.Duration // without gossip until a swarm without origin counts as offline
	report   time.Duration // that a report tells of
	tries    int           // bad copies of one piece
	cuts     int           // copies of one piece that were cut off
	records  int           // fetches of a session record that is not there
	replies  int           // manifests in a row that do not verify
}

func defaultTiming() timing {
	return timing{
		joinFor: 15 * time.Second, reply: 10 * time.Second, poll: 20 * time.Second,
		transfer: time.Minute, idle: 5 * time.Second, goneFor: 10 * time.Second,
		first: 50 * time.Millisecond, most: 2 * time.Second, again: 500 * time.Millisecond,
		quiet: 700 * time.Millisecond, silence: 10 * time.Second, report: reporting.Every,
		tries: 3, cuts: 10, records: 8, replies: 4,
	}
}

// retry returns a fresh backoff that gives up after a time, 0 for never.
func (t timing) retry(giveUp time.Duration) *backoff.ExponentialBackOff {
	return backoff.NewExponentialBackOff(backoff.WithInitialInterval(t.first), backoff.WithMultiplier(2),
		backoff.WithMaxInterval(t.most), backoff.WithMaxElapsedTime(giveUp))
}

func permanent(err error) error { return backoff.Permanent(err) }

// retry runs fn until it succeeds, fails for good, or b or ctx ends.
func retry(ctx context.Context, b backoff.BackOff, fn func() error) error {
	return backoff.Retry(func() error {
		err := fn()
		if ctx.Err() != nil || errors.Is(err, ErrBroken) {
			return permanent(err)
		}
		return err
	}, backoff.WithContext(b, ctx))
}

// pause waits for d, or returns ctx's error.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
