package proc

import (
	"context"
	"errors"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// journal notes what happened in order.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) note(s string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, s)
}

// until is an actor that stops when told to, after working for d.
func (j *journal) until(name string, d time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		<-ctx.Done()
		select {
		case <-time.After(d):
			j.note(name + " finished")
		case <-Hard(ctx).Done():
			j.note(name + " aborted")
		}
		return ctx.Err()
	}
}

func TestAServiceThatFailsStopsTheOthersAndIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		broken := errors.New("disk is gone")
		var g Group
		g.Add(Base, "bus", j.until("bus", 0))
		g.Add(Intake, "ingest", j.until("ingest", 0))
		g.Add(Service, "packager", func(context.Context) error { return broken })
		err := g.Run(t.Context())
		var stop *StopError
		if !errors.As(err, &stop) || stop.Name != "packager" || !errors.Is(err, broken) {
			t.Errorf("Run returned %v, want it to name the packager and its error", err)
		}
		if want := []string{"ingest finished", "bus finished"}; !slices.Equal(j.lines, want) {
			t.Errorf("stopped as %q, want %q", j.lines, want)
		}
	})
}

func TestAServiceThatReturnsUnaskedIsNamedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Group
		g.Add(Service, "seeder", func(context.Context) error { return nil })
		err := g.Run(t.Context())
		if err == nil || err.Error() != "seeder stopped by itself" {
			t.Errorf("Run returned %v", err)
		}
	})
}

func TestASignalStopsIntakeBeforeServicesBeforeTheBus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		signals := make(chan os.Signal, 1)
		g := Group{Signals: signals, Stopping: func(error) { j.note("not ready") }}
		g.Add(Base, "bus", j.until("bus", 10*time.Millisecond))
		g.Add(Service, "packager", j.until("packager", 100*time.Millisecond))
		g.Add(Intake, "ingest", j.until("ingest", 200*time.Millisecond))
		signals <- syscall.SIGINT
		if err := g.Run(t.Context()); err != nil {
			t.Errorf("a stop that was asked for ended with %v", err)
		}
		want := []string{"not ready", "ingest finished", "packager finished", "bus finished"}
		if !slices.Equal(j.lines, want) {
			t.Errorf("stopped as %q, want %q", j.lines, want)
		}
	})
}

func TestSlowActorsAreAbortedWhenTheirTimeIsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		ctx, cancel := context.WithCancel(t.Context())
		g := Group{Grace: 3 * time.Second}
		g.Add(Intake, "ingest", j.until("ingest", time.Hour))
		g.Add(Base, "bus", j.until("bus", 0))
		cancel()
		begun := time.Now()
		if err := g.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
		if took := time.Since(begun); took != time.Second {
			t.Errorf("took %v, want the intake's share, one second", took)
		}
		if want := []string{"ingest aborted", "bus finished"}; !slices.Equal(j.lines, want) {
			t.Errorf("stopped as %q, want %q", j.lines, want)
		}
	})
}

func TestAnActorThatNeverStopsIsGivenUpOnAndNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		release := make(chan struct{})
		var g Group
		g.Add(Service, "packager", func(context.Context) error { <-release; return nil })
		cancel()
		begun := time.Now()
		err := g.Run(ctx)
		var stuck *StuckError
		if !errors.As(err, &stuck) || !slices.Equal(stuck.Names, []string{"packager"}) {
			t.Errorf("Run returned %v, want the packager named as stuck", err)
		}
		if took := time.Since(begun); took >= 3*time.Second {
			t.Errorf("gave up after %v, want less than 3 s", took)
		}
		close(release)
	})
}

func TestASecondSignalAbortsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		signals := make(chan os.Signal, 2)
		g := Group{Signals: signals, Grace: time.Minute}
		g.Add(Intake, "ingest", j.until("ingest", time.Hour))
		g.Add(Service, "packager", j.until("packager", time.Hour))
		signals <- syscall.SIGINT
		signals <- syscall.SIGINT
		begun := time.Now()
		if err := g.Run(t.Context()); !errors.Is(err, ErrAborted) {
			t.Errorf("Run returned %v, want ErrAborted", err)
		}
		if took := time.Since(begun); took > 100*time.Millisecond {
			t.Errorf("took %v after the second signal", took)
		}
		if want := []string{"ingest aborted", "packager aborted"}; !slices.Equal(j.lines, want) {
			t.Errorf("stopped as %q, want %q", j.lines, want)
		}
	})
}

func TestErrorsWhileStoppingAreReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		broken := errors.New("flush: no space")
		var g Group
		g.Add(Intake, "ingest", func(ctx context.Context) error { <-ctx.Done(); return broken })
		cancel()
		if err := g.Run(ctx); !errors.Is(err, broken) || err.Error() != "stop ingest: flush: no space" {
			t.Errorf("Run returned %v", err)
		}
	})
}

func TestHardOutsideAGroupIsTheContextItself(t *testing.T) {
	if ctx := t.Context(); Hard(ctx) != ctx {
		t.Error("Hard made up a context")
	}
}
