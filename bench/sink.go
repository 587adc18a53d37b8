package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/shoalcast/shoal/analytics"
	"github.com/shoalcast/shoal/analytics/chdb"
	"github.com/shoalcast/shoal/analytics/store"
	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/event"
)

const (
	sinkReports  = 600_000
	sinkSessions = 20_000
	sinkBlock    = 100_000 // as the sink's, where there is a backlog
	sinkRate     = 60_000  // reports/s
	sinkShare    = 0.7     // of what the engine takes of prepared blocks
	sinkMemory   = 200e6
	seenLate     = 3 * time.Second
)

// benchSink measures how fast telemetry that waits on the bus comes to ClickHouse, beside what that takes of the same rows as
// prepared blocks, and how soon a report can be seen.
func benchSink(ctx context.Context, r *report) error {
	dir, err := os.MkdirTemp("", "shoal-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	e, stop, err := startEngine(ctx, filepath.Join(dir, "clickhouse"))
	if err != nil {
		return err
	}
	defer func() { _ = stop() }()
	server, err := bus.StartServer(ctx, bus.ServerOptions{Dir: filepath.Join(dir, "nats"), Listen: free})
	if err != nil {
		return err
	}
	defer server.Shutdown()
	b, err := bus.Connect(ctx, bus.Options{Server: server, Name: "bench"})
	if err != nil {
		return err
	}
	defer b.Close()
	if err := b.Provision(ctx, bus.Limits{}); err != nil {
		return err
	}
	fmt.Printf("  publishing %d reports\n", sinkReports)
	began := time.Now()
	if err := publishReports(ctx, b, sinkReports); err != nil {
		return err
	}
	r.note("published to the bus, each acknowledged", fmt.Sprintf("%.0f reports/s", sinkReports/time.Since(began).Seconds()))

	s, err := store.Open(store.Options{DSN: e.DSN(chdb.Owner, "sink")})
	if err != nil {
		return err
	}
	defer s.Close()
	if err := errors.Join(s.CreateDatabase(ctx), s.Migrate(ctx)); err != nil {
		return err
	}
	run, stopSink := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = analytics.NewSink(analytics.SinkOptions{Bus: b, Store: s, Name: "bench"}).Run(run)
	}()
	rate, err := drained(ctx, s, sinkReports)
	if err != nil {
		stopSink()
		return err
	}
	seen, err := visible(ctx, b, s)
	stopSink()
	<-ended
	if err != nil {
		return err
	}
	direct, err := prepared(ctx, e)
	if err != nil {
		return err
	}
	apart, memory, err := alone(ctx, dir, server, e)
	if err != nil {
		return err
	}
	r.add(fmt.Sprintf("bus → ClickHouse with all views, %d reports", sinkReports), fmt.Sprintf("%.0f reports/s", rate), fmt.Sprintf("≥ %d", sinkRate), rate >= sinkRate)
	r.add(fmt.Sprintf("beside INSERT FORMAT Native of the same rows, %.0f rows/s", direct), fmt.Sprintf("%.2f ×", rate/direct), fmt.Sprintf("≥ %.1f ×", sinkShare), rate >= sinkShare*direct)
	r.note("the same by shoal analytics, a process of its own, over TCP", fmt.Sprintf("%.0f reports/s", apart))
	r.add("most memory of that process", fmt.Sprintf("%.0f MB", memory/1e6), fmt.Sprintf("≤ %.0f MB", sinkMemory/1e6), memory <= sinkMemory)
	r.add("report → to be seen in ClickHouse, p95 of 40", seen.Round(time.Millisecond).String(), "≤ "+seenLate.String(), seen <= seenLate)
	return nil
}

// alone has shoal analytics do the same, and returns its rate and the most memory that it had.
func alone(ctx context.Context, dir string, server *bus.Server, e *chdb.Engine) (rate, memory float64, err error) {
	s, err := store.Open(store.Options{DSN: e.DSN(chdb.Owner, "alone")})
	if err != nil {
		return 0, 0, err
	}
	defer s.Close()
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return 0, 0, err
	}
	defer log.Close()
	cmd := exec.CommandContext(ctx, "bin/shoal", "analytics", "--data", filepath.Join(dir, "data"), "--http", free, "--nats", server.ClientURL(), "--nats-creds", server.CredsFile())
	cmd.Env = append(os.Environ(), "SHOAL_CLICKHOUSE="+e.DSN(chdb.Owner, "alone"))
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		return 0, 0, fmt.Errorf("start bin/shoal analytics: %w", err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	if rate, err = drained(ctx, s, sinkReports); err != nil {
		said, _ := os.ReadFile(log.Name())
		return 0, 0, fmt.Errorf("%w: %s", err, said)
	}
	return rate, peakResident(cmd.Process.Pid), nil
}

// startEngine runs an embedded ClickHouse, whose process is bin/shoal.
func startEngine(ctx context.Context, dir string) (*chdb.Engine, func() error, error) {
	library, err := chdb.Find(os.Getenv("SHOAL_CHDB"))
	if err != nil {
		return nil, nil, err
	}
	return chdb.Start(ctx, chdb.EngineOptions{Library: library, Path: dir, Command: []string{"bin/shoal", "chdb"}, Log: slog.New(slog.DiscardHandler)})
}

// usualReport is what a viewer reports, of a session and the nth time.
func usualReport(session, n int) *event.Report {
	return &event.Report{
		Stream: event.StreamID(strings.Repeat(string(rune('a'+session%8)), 32)), Session: fmt.Sprintf("session%014d", session), N: int64(n), At: time.Now().UnixMilli(),
		Event: event.OnInterval, State: event.Playing, Format: "h", Type: "ll", Bitrate: 904, Buffer: 300 + int64(session%90), Measured: 8_250, Delay: 600 + int64((session*7+n)%300), Slack: 240,
		Reporter: event.ByPage, Interval: 5_000, PeerBytes: 500_000 + int64(session), SeedBytes: 43_456, Verified: 25, LeastSlack: 120, Played: 5_000, Wanted: 5_000,
		Given: 398_123, Peers: 5, Here50: 80 + int64(session%30), Here95: 190, Consent: "share", Rendition: "v0",
		Region: []string{"local", "eu-west", "us-east"}[session%3], Class: []string{"chrome-desktop", "firefox-desktop", "safari-phone", "chrome-phone"}[session%4],
		Neighbours: []event.Neighbour{{ID: "1a2b3c4d", Kind: "peer", RTT: 12, Goodput: 820}, {ID: fmt.Sprintf("%08x", session%16), Kind: "seed", RTT: 31, Goodput: 70}},
	}
}

// publishReports publishes as a crowd does: many at once, each waiting for its answer.
func publishReports(ctx context.Context, b *bus.Bus, count int) error {
	const hands = 64
	errs := make(chan error, hands)
	var all sync.WaitGroup
	for hand := range hands {
		all.Go(func() {
			for i := hand; i < count; i += hands {
				if err := b.PublishReport(ctx, usualReport(i%sinkSessions, i/sinkSessions)); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	all.Wait()
	close(errs)
	return <-errs
}

// drained waits until all are there, and returns how many came in a second, after the first of them did.
func drained(ctx context.Context, s *store.Store, want uint64) (float64, error) {
	var first uint64
	var firstAt time.Time
	for deadline := time.Now().Add(5 * time.Minute); time.Now().Before(deadline); {
		var n uint64
		if err := s.Ask(ctx, "SELECT count() FROM reports", &n); err != nil {
			n = 0 // no schema yet
		}
		now := time.Now()
		switch {
		case n == 0:
		case first == 0:
			first, firstAt = n, now
		case n >= want:
			return float64(n-first) / now.Sub(firstAt).Seconds(), nil
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return 0, err
		}
	}
	return 0, errors.New("not all reports came within 5 minutes")
}

// visible returns after how long reports can be asked for, 19 of 20 at most.
func visible(ctx context.Context, b *bus.Bus, s *store.Store) (time.Duration, error) {
	var took []time.Duration
	for i := range 40 {
		if err := pause(ctx, time.Duration(i*37%500)*time.Millisecond); err != nil {
			return 0, err
		}
		r := usualReport(sinkSessions+i, 0)
		began := time.Now()
		if err := b.PublishReport(ctx, r); err != nil {
			return 0, err
		}
		for n := uint64(0); n == 0; {
			if err := s.Ask(ctx, "SELECT sum(reports) FROM sessions WHERE session = '"+r.Session+"'", &n); err != nil {
				return 0, err
			}
			if err := pause(ctx, 20*time.Millisecond); err != nil {
				return 0, err
			}
		}
		took = append(took, time.Since(began))
	}
	return quantile(took, 0.95), nil
}

// prepared returns how many rows the engine takes in a second of blocks that were made before, with the same views.
func prepared(ctx context.Context, e *chdb.Engine) (float64, error) {
	s, err := store.Open(store.Options{DSN: e.DSN(chdb.Owner, "direct")})
	if err != nil {
		return 0, err
	}
	defer s.Close()
	if err := errors.Join(s.CreateDatabase(ctx), s.Migrate(ctx)); err != nil {
		return 0, err
	}
	var blocks [][]byte
	for from := 0; from < sinkReports; from += sinkBlock {
		b, err := ask(ctx, e, "sink", fmt.Sprintf("SELECT * FROM reports WHERE seq > %d AND seq <= %d ORDER BY seq SETTINGS max_block_size = 1000000, preferred_block_size_bytes = 0 FORMAT Native", from, from+sinkBlock), nil)
		if err != nil {
			return 0, err
		}
		blocks = append(blocks, b)
	}
	began := time.Now()
	for i, b := range blocks {
		if _, err := ask(ctx, e, "direct", "INSERT INTO reports FORMAT Native", b); err != nil {
			return 0, fmt.Errorf("insert block %d: %w", i, err)
		}
	}
	took := time.Since(began)
	var n uint64
	if err := s.Ask(ctx, "SELECT count() FROM reports", &n); err != nil {
		return 0, err
	}
	if n != sinkReports {
		return 0, fmt.Errorf("%d rows came of %d", n, sinkReports)
	}
	return float64(n) / took.Seconds(), nil
}

// ask speaks to the engine's HTTP interface itself.
func ask(ctx context.Context, e *chdb.Engine, database, query string, body []byte) ([]byte, error) {
	at, err := url.Parse(e.DSN(chdb.Owner, database))
	if err != nil {
		return nil, err
	}
	q := url.Values{"query": {query}, "database": {database}, "async_insert": {"0"}, "deduplicate_blocks_in_dependent_materialized_views": {"1"}}
	to := url.URL{Scheme: "http", Host: at.Host, Path: "/", RawQuery: q.Encode()}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	password, _ := at.User.Password()
	req.SetBasicAuth(at.User.Username(), password)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	out, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", res.Status, out)
	}
	return out, err
}

// peakResident is the most memory that a process had, in bytes.
func peakResident(pid int) float64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if kb, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, _ := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(kb), " kB"), 64)
			return n * 1024
		}
	}
	return 0
}
