package proc

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

func TestAFailedTaskIsStartedAgainAfterAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := 0
		begun := time.Now()
		err := Supervise(t.Context(), slog.New(slog.DiscardHandler), "follow", Restart{}, func(context.Context) error {
			if runs++; runs < 4 {
				return errors.New("connection lost")
			}
			return nil
		})
		if err != nil || runs != 4 {
			t.Errorf("ran %d times and ended with %v, want 4 and nil", runs, err)
		}
		if took := time.Since(begun); took < 300*time.Millisecond {
			t.Errorf("three failures took %v: no pause between them", took)
		}
	})
}

func TestSuperviseGivesUpAtItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("no such stream")
		runs := 0
		err := Supervise(t.Context(), slog.New(slog.DiscardHandler), "follow", Restart{Limit: 3}, func(context.Context) error {
			runs++
			return broken
		})
		if !errors.Is(err, broken) || runs != 3 {
			t.Errorf("ran %d times and ended with %v", runs, err)
		}
	})
}

func TestAHealthyRunForgivesEarlierFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		runs := 0
		err := Supervise(ctx, slog.New(slog.DiscardHandler), "follow", Restart{Limit: 2}, func(context.Context) error {
			if runs++; runs == 10 {
				cancel()
			}
			<-time.After(2 * time.Minute) // a run that was healthy
			return errors.New("connection lost")
		})
		if err != nil || runs != 10 {
			t.Errorf("ran %d times and ended with %v", runs, err)
		}
	})
}

func TestSuperviseEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		err := Supervise(ctx, slog.New(slog.DiscardHandler), "follow", Restart{Min: time.Hour, Max: time.Hour}, func(context.Context) error {
			return errors.New("connection lost")
		})
		if err != nil {
			t.Errorf("ended with %v", err)
		}
	})
}
