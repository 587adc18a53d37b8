package analytics_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shoalcast/shoal/analytics"
	"github.com/shoalcast/shoal/analytics/chdb"
	"github.com/shoalcast/shoal/analytics/chdb/chdbtest"
	"github.com/shoalcast/shoal/analytics/store"
	"github.com/shoalcast/shoal/bus/bustest"
)

// journal is a log that tests read while it is written.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) says(what string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Contains(j.text.String(), what)
}

func (j *journal) until(t testing.TB, what string) {
	t.Helper()
	for until := time.Now().Add(30 * time.Second); !j.says(what); pause(t, 10*time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("the log does not say %q:\n%s", what, j.text.String())
		}
	}
}

func (j *journal) log() *slog.Logger { return slog.New(slog.NewTextHandler(j, nil)) }

// door is a port that leads to another, while it is open.
type door struct {
	at string
	l  net.Listener
}

func newDoor(t testing.TB) *door {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	d := &door{at: l.Addr().String()}
	check(t, l.Close())
	t.Cleanup(func() {
		if d.l != nil {
			_ = d.l.Close()
		}
	})
	return d
}

func (d *door) open(t testing.TB, to string) {
	t.Helper()
	var err error
	d.l, err = net.Listen("tcp", d.at)
	check(t, err)
	go func() {
		for {
			in, err := d.l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			go func() { _, _ = io.Copy(out, in); _ = out.Close() }()
			go func() { _, _ = io.Copy(in, out); _ = in.Close() }()
		}
	}()
}

func serve(t testing.TB, o analytics.Options) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = analytics.New(o).Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
}

func TestWhatWasReportedWhileClickHouseWasAwayIsThereWhenItIsBack(t *testing.T) {
	e := chdbtest.Engine(t)
	b := bustest.Start(t)
	d := newDoor(t)
	dsn := strings.Replace(e.DSN(chdb.Owner, "away"), e.Addr(), d.at, 1)
	s, err := store.Open(store.Options{DSN: dsn})
	check(t, err)
	t.Cleanup(func() { _ = s.Close() })
	var j journal
	serve(t, analytics.Options{Bus: b, Store: s, Log: j.log(), Instance: "a"})
	l := crowd(t, b, 8)
	j.until(t, "ClickHouse is not ready; telemetry is kept on the bus")
	pause(t, time.Second)
	l.stop()
	d.open(t, e.Addr())
	comesTo(t, s, l.reports.Load(), l.bytes.Load())
	t.Logf("%d reports had waited", l.reports.Load())
}

func TestAWrongPasswordIsSaidSo(t *testing.T) {
	e := chdbtest.Engine(t)
	var j journal
	s, err := store.Open(store.Options{DSN: "http://shoal:wrong@" + e.Addr() + "/nobody"})
	check(t, err)
	t.Cleanup(func() { _ = s.Close() })
	serve(t, analytics.Options{Bus: bustest.Start(t), Store: s, Log: j.log(), Instance: "a"})
	j.until(t, store.ErrRefused.Error())
}

func TestASchemaThatIsNewerIsLeftAloneAndSaidSo(t *testing.T) {
	s := shared(t)
	check(t, s.Do(t.Context(), "INSERT INTO schema_version (version_id, is_applied) VALUES (99, 1)"))
	if err := s.Migrate(t.Context()); !errors.Is(err, store.ErrNewer) {
		t.Errorf("a newer schema gives %v", err)
	}
	var j journal
	serve(t, analytics.Options{Bus: bustest.Start(t), Store: s, Log: j.log(), Instance: "a"})
	j.until(t, store.ErrNewer.Error())
}

func TestTwoThatStartAtOnceMakeTheSchemaOnce(t *testing.T) {
	dsn := chdbtest.Database(t)
	server, b := bustest.StartServer(t)
	ready := make([]<-chan struct{}, 2)
	for i := range ready {
		s, err := store.Open(store.Options{DSN: dsn})
		check(t, err)
		t.Cleanup(func() { _ = s.Close() })
		a := analytics.New(analytics.Options{Bus: bustest.Connect(t, server, fmt.Sprintf("a%d", i)), Store: s, Instance: fmt.Sprint(i)})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = a.Run(ctx)
		}()
		t.Cleanup(func() { cancel(); <-ended })
		ready[i] = a.Ready()
	}
	for _, r := range ready {
		select {
		case <-r:
		case <-time.After(30 * time.Second):
			t.Fatal("one of them is not ready")
		}
	}
	check(t, b.PublishReport(t.Context(), report("viewer00000000000001", 0)))
	s, err := store.Open(store.Options{DSN: dsn})
	check(t, err)
	t.Cleanup(func() { _ = s.Close() })
	comesTo(t, s, 1, 1_000)
}

func TestNonsenseCostsOthersNothing(t *testing.T) {
	b := bustest.Start(t)
	s := shared(t)
	begin(t, analytics.SinkOptions{Bus: b, Store: s, Wait: 50 * time.Millisecond})
	for i := range 2_000 {
		check(t, b.PublishReportLine(t.Context(), streamA, "x", fmt.Appendf(nil, "nonsense %d'; DROP TABLE reports; --", i)))
	}
	check(t, b.PublishReport(t.Context(), report("viewer00000000000001", 0)))
	comesTo(t, s, 1, 1_000)
	long := bytes.Repeat([]byte("x"), 8<<10)
	if err := b.PublishReportLine(t.Context(), streamA, "x", long); err == nil {
		t.Error("the bus takes a report of 8 KB")
	}
}

func TestQuestionsThatTakeLongHoldNoReportsUp(t *testing.T) {
	b := bustest.Start(t)
	s := shared(t)
	begin(t, analytics.SinkOptions{Bus: b, Store: s, Wait: 50 * time.Millisecond})
	slow, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			_ = s.Do(slow, "SELECT sum(sipHash64(number)) FROM numbers(100000000000) SETTINGS max_threads = 1")
		})
	}
	check(t, b.PublishReport(t.Context(), report("viewer00000000000001", 0)))
	comesTo(t, s, 1, 1_000)
	cancel()
	all.Wait()
}

func TestADiskThatIsFullLosesNothing(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=96m"); err != nil {
		t.Fatalf("this test makes a small disk, which needs root: %v", err)
	}
	t.Cleanup(func() { check(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	e, stop := chdbtest.Start(t, filepath.Join(dir, "clickhouse"))
	t.Cleanup(stop)
	b := bustest.Start(t)
	s := opened(t, e.DSN(chdb.Owner, "crowded"))
	var j journal
	begin(t, analytics.SinkOptions{Bus: b, Store: s, Log: j.log(), Rows: 500, Wait: 50 * time.Millisecond})
	check(t, b.PublishReport(t.Context(), report("viewer00000000000001", 0)))
	comesTo(t, s, 1, 1_000)
	ballast := filepath.Join(dir, "ballast")
	fill(t, ballast)
	l := crowd(t, b, 4)
	j.until(t, "telemetry waits on the bus until ClickHouse takes it")
	l.stop()
	check(t, os.Remove(ballast))
	comesTo(t, s, l.reports.Load()+1, l.bytes.Load()+1_000)
}

// fill writes until there is no room.
func fill(t testing.TB, path string) {
	t.Helper()
	f, err := os.Create(path)
	check(t, err)
	block := make([]byte, 1<<16)
	for err == nil {
		_, err = f.Write(block)
	}
	_ = f.Close()
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
}
