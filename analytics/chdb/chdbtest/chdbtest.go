// Package chdbtest gives tests an embedded ClickHouse: the real one.
package chdbtest

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shoalcast/shoal/analytics/chdb"
	"github.com/shoalcast/shoal/internal/proc"
)

// Main runs a package's tests and returns what to exit with. Engines are processes of the tests' own program: one that is told to
// be such serves, and runs no tests.
func Main(m *testing.M) int {
	if len(os.Args) == 2 && os.Args[1] == "chdb" {
		if err := chdb.Child(context.Background(), slog.New(slog.NewTextHandler(os.Stderr, nil))); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	}
	defer func() {
		if shared.stop != nil {
			shared.stop()
		}
	}()
	return m.Run()
}

var shared struct {
	sync.Mutex
	engine *chdb.Engine
	stop   func()
}

// Engine returns the engine that a package's tests share.
func Engine(t testing.TB) *chdb.Engine {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.engine == nil {
		dir, err := os.MkdirTemp("", "chdb-test-*") //nolint:usetesting // it outlives the test that asks first
		if err != nil {
			t.Fatal(err)
		}
		e, stop := Start(t, dir)
		shared.engine, shared.stop = e, func() { stop(); _ = os.RemoveAll(dir) }
	}
	return shared.engine
}

// Database makes a database of the test's own in the shared engine, and returns where it is.
func Database(t testing.TB) (dsn string) {
	t.Helper()
	return Engine(t).DSN(chdb.Owner, strings.NewReplacer("/", "_", "#", "_").Replace(t.Name()))
}

// Own starts an engine for one test alone.
func Own(t testing.TB) *chdb.Engine {
	t.Helper()
	e, stop := Start(t, filepath.Join(t.TempDir(), "clickhouse"))
	t.Cleanup(stop)
	return e
}

// Start starts an engine on a directory and waits until it answers.
func Start(t testing.TB, dir string) (e *chdb.Engine, stop func()) {
	t.Helper()
	library, err := chdb.Find(os.Getenv("SHOAL_CHDB"))
	if err != nil {
		t.Fatal(err)
	}
	wait, over := context.WithTimeout(context.Background(), time.Minute)
	defer over()
	often := proc.Restart{Max: time.Second, Limit: 100} // as tests kill it
	e, ended, err := chdb.Start(wait, chdb.EngineOptions{Library: library, Path: dir, Memory: 2 << 30, Restart: often, Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	if err != nil {
		t.Fatal(err)
	}
	return e, func() { _ = ended() }
}

// Kill kills an engine's process, which is then started again, with SIGKILL. It waits for one to kill.
func Kill(t testing.TB, e *chdb.Engine) {
	t.Helper()
	for e.PID() == 0 {
		select {
		case <-t.Context().Done():
			t.Fatal(context.Cause(t.Context()))
		case <-time.After(10 * time.Millisecond):
		}
	}
	p, err := os.FindProcess(e.PID())
	if err == nil {
		err = p.Kill()
	}
	if err != nil {
		t.Fatal(err)
	}
}
