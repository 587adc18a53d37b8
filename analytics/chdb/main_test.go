package chdb

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"go.uber.org/goleak"
)

// TestMain is also what an engine's process runs in tests: they start themselves, as
// shoal does. One engine serves all tests that do not need their own.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "chdb" {
		if err := Child(context.Background(), slog.New(slog.NewTextHandler(os.Stderr, nil))); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if len(os.Args) == 3 && os.Args[1] == "parent" {
		runParent(os.Args[2])
	}
	code := m.Run()
	if err := closeShared(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

var shared struct {
	sync.Mutex
	engine *Engine
	stop   func() error
}

// engine returns the engine that tests share.
func engine(t testing.TB) *Engine {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.engine != nil {
		return shared.engine
	}
	dir, err := os.MkdirTemp("", "chdb-test-*") //nolint:usetesting // it outlives the test that came first
	if err != nil {
		t.Fatal(err)
	}
	e, stop := launch(t, EngineOptions{Path: dir, Memory: 1 << 30, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	shared.engine = e
	shared.stop = func() error { return errorsJoin(stop(), os.RemoveAll(dir)) }
	return e
}

func errorsJoin(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func closeShared() error {
	if shared.stop == nil {
		return nil
	}
	return shared.stop()
}

// launch starts an engine and waits until it answers.
func launch(t testing.TB, o EngineOptions) (*Engine, func() error) {
	t.Helper()
	library, err := Find(os.Getenv("SHOAL_CHDB"))
	if err != nil {
		t.Fatal(err)
	}
	o.Library = library
	wait, over := context.WithTimeout(context.Background(), time.Minute)
	defer over()
	e, stop, err := Start(wait, o)
	if err != nil {
		t.Fatal(err)
	}
	return e, stop
}

// own starts an engine for one test alone.
func own(t testing.TB) (*Engine, func() error) {
	t.Helper()
	e, stop := launch(t, EngineOptions{Path: filepath.Join(t.TempDir(), "clickhouse"), Memory: 1 << 30, Log: slog.New(slog.DiscardHandler)})
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return e, stop
}

// database makes a database of the test's own in the shared engine.
func database(t testing.TB, e *Engine) string {
	t.Helper()
	name := strings.NewReplacer("/", "_", "#", "_").Replace(t.Name())
	c := client(t, e, Owner, "default")
	if err := c.Exec(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	return name
}

// client opens clickhouse-go as anybody would.
func client(t testing.TB, e *Engine, user, database string) driver.Conn {
	t.Helper()
	o, err := clickhouse.ParseDSN(e.DSN(user, database))
	if err != nil {
		t.Fatal(err)
	}
	c, err := clickhouse.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func httpServer(t testing.TB, serve http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(serve)
	t.Cleanup(s.Close)
	return s
}
