package chdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/client_golang/prometheus"
)

// kill ends the engine's process as the kernel does when memory runs out.
func kill(t testing.TB, e *Engine) {
	t.Helper()
	if pid := int(e.watch.pid.Load()); pid > 0 {
		p, err := os.FindProcess(pid)
		if err == nil {
			err = p.Kill()
		}
		if err != nil {
			t.Error(err)
		}
	}
}

func TestABatchSentAgainAfterAKillIsThereOnce(t *testing.T) {
	e, _ := own(t)
	c := client(t, e, Owner, "default")
	for _, sql := range []string{
		"CREATE DATABASE s",
		"CREATE TABLE s.facts (batch UInt32, n UInt32) ENGINE = MergeTree ORDER BY (batch, n) SETTINGS non_replicated_deduplication_window = 1000",
		"CREATE TABLE s.sums (batch UInt32, rows UInt64) ENGINE = SummingMergeTree ORDER BY batch SETTINGS non_replicated_deduplication_window = 1000",
		"CREATE MATERIALIZED VIEW s.view TO s.sums AS SELECT batch, count() AS rows FROM s.facts GROUP BY batch",
	} {
		if err := c.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	const batches, rows, kills = 30, 2000, 3
	again := 0
	var killed sync.WaitGroup
	for i := range batches {
		if i%(batches/kills) == batches/kills/2 {
			// A little later each time, so that they meet inserts at different moments.
			killed.Add(1)
			time.AfterFunc(time.Duration(i)*100*time.Microsecond, func() {
				defer killed.Done()
				kill(t, e)
			})
		}
		for tries := 0; ; tries++ {
			err := insertBatch(t.Context(), c, uint32(i), rows)
			if err == nil {
				break
			}
			if again++; tries > 100 {
				t.Fatal(err)
			}
		}
		// Each one once more, as by a consumer that did not hear of its success.
		if i%5 == 0 {
			if err := insertBatch(t.Context(), c, uint32(i), rows); err != nil {
				again++
			}
		}
	}
	killed.Wait()
	if again == 0 {
		t.Error("no kill met an insert")
	}
	var n, wrong, sum, sums uint64
	if err := c.QueryRow(t.Context(), "SELECT count(), uniqExact(batch, n) FROM s.facts").Scan(&n, &wrong); err != nil {
		t.Fatal(err)
	}
	if n != batches*rows || wrong != batches*rows {
		t.Errorf("%d rows, %d of them different, want %d", n, wrong, batches*rows)
	}
	if err := c.QueryRow(t.Context(), "SELECT sum(rows), countIf(rows != 2000) FROM (SELECT batch, sum(rows) AS rows FROM s.sums GROUP BY batch)").Scan(&sum, &sums); err != nil {
		t.Fatal(err)
	}
	if sum != batches*rows || sums != 0 {
		t.Errorf("the view counted %d rows, %d batches wrongly; want %d", sum, sums, batches*rows)
	}
	t.Logf("%d inserts failed and were sent again", again)
}

func insertBatch(ctx context.Context, c driver.Conn, batch uint32, rows int) error {
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{
		"insert_deduplication_token": fmt.Sprint("batch-", batch), "insert_deduplicate": 1, "deduplicate_blocks_in_dependent_materialized_views": 1, "async_insert": 0,
	}))
	b, err := c.PrepareBatch(ctx, "INSERT INTO s.facts (batch, n)")
	if err != nil {
		return err
	}
	for n := range rows {
		if err := b.Append(batch, uint32(n)); err != nil {
			return err
		}
	}
	return b.Send()
}

func TestTheAddressStaysAndClientsWaitWhileTheEngineStartsAgain(t *testing.T) {
	e, _ := own(t)
	c := client(t, e, Owner, "default")
	for _, sql := range []string{"CREATE DATABASE s", "CREATE TABLE s.t (n UInt8) ENGINE = MergeTree ORDER BY n", "INSERT INTO s.t VALUES (7)"} {
		if err := c.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	dsn, pid := e.DSN(Owner, "s"), e.watch.pid.Load()
	kill(t, e)
	await(t, func() bool { return e.watch.pid.Load() != pid })
	// A new connection just waits.
	says(t, e, asked{query: url.Values{"database": {"s"}}, body: "SELECT n FROM t"}, "7\n")
	if e.DSN(Owner, "s") != dsn {
		t.Error("the address is another")
	}
	// A client that was connected before meets at most one broken connection for each.
	var n uint8
	err := c.QueryRow(t.Context(), "SELECT n FROM s.t").Scan(&n)
	if err != nil {
		err = c.QueryRow(t.Context(), "SELECT n FROM s.t").Scan(&n)
	}
	if err != nil || n != 7 {
		t.Errorf("got %d, %v", n, err)
	}
}

func TestOneDirectoryHasOneEngine(t *testing.T) {
	e, stop := own(t)
	o := EngineOptions{Library: e.options.Library, Path: e.orders.Path, Log: slog.New(slog.DiscardHandler)}
	if _, err := NewEngine(o); !errors.Is(err, ErrInUse) {
		t.Errorf("a second one: %v", err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	second, err := NewEngine(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(second.Close(), second.Close()); err != nil {
		t.Error(err)
	}
}

// runParent is a process that runs an engine and is killed.
func runParent(dir string) {
	library, err := Find(os.Getenv("SHOAL_CHDB"))
	if err != nil {
		panic(err)
	}
	e, err := NewEngine(EngineOptions{Library: library, Path: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		panic(err)
	}
	go func() { _ = e.Run(context.Background()) }()
	if err := e.Ready(context.Background()); err != nil {
		panic(err)
	}
	fmt.Println("ready")
	select {}
}

func TestTheEngineDiesWithItsParent(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "clickhouse")
	parent := exec.Command(os.Args[0], "parent", dir)
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, len("ready"))); err != nil {
		t.Fatal(err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	// The child has the lock too: it is free once both are gone.
	e, err := NewEngine(EngineOptions{Path: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

func TestWhatRunsMayFinishWhenTheEngineStops(t *testing.T) {
	e, stop := own(t)
	c := client(t, e, Owner, "default")
	answer := make(chan error, 1)
	go func() {
		var n uint8
		answer <- c.QueryRow(context.Background(), "SELECT sleep(1)").Scan(&n)
	}()
	watcher := client(t, e, Owner, "default")
	await(t, func() bool { return sleeping(t, watcher) })
	if err := stop(); err != nil {
		t.Error(err)
	}
	if err := <-answer; err != nil {
		t.Errorf("it did not finish: %v", err)
	}
}

func sleeping(t *testing.T, c driver.Conn) bool {
	t.Helper()
	var n uint64
	if err := c.QueryRow(t.Context(), "SELECT count() FROM system.processes WHERE query LIKE 'SELECT sleep%'").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n == 1
}

func TestAnEndlessStatementDoesNotHoldUpTheEnd(t *testing.T) {
	e, stop := own(t)
	c := client(t, e, Owner, "default")
	ctx := clickhouse.Context(t.Context(), clickhouse.WithSettings(clickhouse.Settings{"log_comment": "endless"}))
	ended := make(chan error, 1)
	go func() { ended <- c.Exec(ctx, "SELECT sum(number) FROM numbers(1000000000000)") }()
	watcher := client(t, e, Owner, "default")
	await(t, func() bool { return running(t, watcher, "endless") == 1 })
	begun := time.Now()
	if err := stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(begun); took > Grace+abortWait+time.Second {
		t.Errorf("the end took %v", took)
	}
	if err := <-ended; err == nil {
		t.Error("it has a result")
	}
}

func TestAnEngineThatCannotStartSaysWhy(t *testing.T) {
	library := filepath.Join(t.TempDir(), "libchdb.so")
	if err := os.WriteFile(library, []byte("no library"), 0o600); err != nil {
		t.Fatal(err)
	}
	var log logged
	e, err := NewEngine(EngineOptions{Library: library, Path: filepath.Join(t.TempDir(), "clickhouse"), Log: slog.New(slog.NewTextHandler(&log, nil)), Restart: restart(2)})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Run(t.Context()); err == nil {
		t.Error("it ran")
	}
	if !log.has("load ClickHouse's library") {
		t.Errorf("the log says %s", log.String())
	}
	if err := e.Ready(t.Context()); err == nil {
		t.Error("it is ready")
	}
}

func TestTheProcessIsMeasured(t *testing.T) {
	reg := prometheus.NewRegistry()
	w := newWatch(reg)
	w.began(os.Getpid())
	families, err := reg.Gather()
	if err != nil || len(families) != 2 {
		t.Fatalf("%v, %v", families, err)
	}
	if rss := w.resident(); rss < 1<<20 {
		t.Errorf("this process has %v bytes", rss)
	}
	w.ended()
	if w.resident() != 0 {
		t.Error("no process has memory")
	}
}
