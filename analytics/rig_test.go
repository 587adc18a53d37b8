package analytics_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shoalcast/shoal/analytics"
	"github.com/shoalcast/shoal/analytics/chdb/chdbtest"
	"github.com/shoalcast/shoal/analytics/store"
	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/event"
)

const streamA event.StreamID = "k2k2k2k2k2k2k2k2k2k2k2k2k2k2k2k2"

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// full reports whether the tests' full counts are asked for.
var full = os.Getenv("SHOAL_SOAK") != ""

// opened returns a store with the schema in a database of the test's own.
func opened(t testing.TB, dsn string) *store.Store {
	t.Helper()
	s, err := store.Open(store.Options{DSN: dsn})
	check(t, err)
	t.Cleanup(func() { check(t, s.Close()) })
	check(t, s.CreateDatabase(t.Context()))
	check(t, s.Migrate(t.Context()))
	return s
}

func shared(t testing.TB) *store.Store {
	t.Helper()
	return opened(t, chdbtest.Database(t))
}

// begin runs a sink until stop is called, or the test ends.
func begin(t testing.TB, o analytics.SinkOptions) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = analytics.NewSink(o).Run(ctx)
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		<-ended
	})
	t.Cleanup(stop)
	return stop
}

// report returns the nth of a session.
func report(session string, n int64) *event.Report {
	return &event.Report{
		Stream: streamA, Session: session, N: n, At: time.Now().UnixMilli(), Event: event.OnInterval, State: event.Playing, Reporter: event.ByPage,
		Interval: 5_000, PeerBytes: 1_000 + n, Verified: 25, Wanted: 5_000, Played: 5_000, Rendition: "v0", Region: "local", Class: "chrome-desktop", Consent: "share",
	}
}

// load is a crowd that reports as fast as the bus takes it, and what the bus acknowledged of it.
type load struct {
	stop    func()
	reports atomic.Int64
	bytes   atomic.Int64
}

var crowds atomic.Int64

// visitReports is after how many a viewer of a crowd comes again.
const visitReports = 2_000

// sendOnce sends a report. A bus that was killed meanwhile does not answer, and need not be waited for long.
func sendOnce(ctx context.Context, b *bus.Bus, r *event.Report) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return b.PublishReport(ctx, r)
}

// crowd has viewers report, each over and over, until stop is called.
func crowd(t testing.TB, b *bus.Bus, viewers int) *load {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	l := &load{}
	number := crowds.Add(1)
	for i := range viewers {
		all.Go(func() {
			for n := int64(0); ctx.Err() == nil; n++ {
				// The bus keeps a session's last 21,600 alone, and a sink that is killed may be so far behind.
				r := report(fmt.Sprintf("crowd%04dviewer%03d%06d", number, i, n/visitReports), n%visitReports)
				// What is not acknowledged may be there or not: it is sent again until it is.
				for sendOnce(context.WithoutCancel(ctx), b, r) != nil {
					if t.Context().Err() != nil {
						return
					}
				}
				l.reports.Add(1)
				l.bytes.Add(r.PeerBytes)
			}
		})
	}
	l.stop = sync.OnceFunc(func() {
		cancel()
		all.Wait()
	})
	t.Cleanup(l.stop)
	return l
}

// tables are where each report must be, with sums that tell.
var tables = []string{
	`SELECT count(), sum(peer_bytes) FROM reports`,
	`SELECT sum(reports), sum(peer_bytes) FROM rollup_10s`,
	`SELECT sum(reports), sum(peer_bytes) FROM rollup_1m`,
	`SELECT sum(reports), sum(peer_bytes) FROM sessions`,
}

// comesTo waits until every table has exactly so many reports, and no more a moment later.
func comesTo(t testing.TB, s *store.Store, reports, bytes int64) {
	t.Helper()
	until := time.Now().Add(60 * time.Second)
	for {
		wrong := ""
		for _, q := range tables {
			var n, sum uint64
			if err := s.Ask(t.Context(), q, &n, &sum); err != nil {
				wrong = err.Error()
				break
			}
			if n != uint64(reports) || sum != uint64(bytes) {
				wrong = fmt.Sprintf("%s: %d reports of %d bytes, want %d of %d", q, n, sum, reports, bytes)
				if n > uint64(reports) {
					t.Fatal(wrong)
				}
				break
			}
		}
		if wrong == "" {
			return
		}
		if time.Now().After(until) {
			t.Fatal(wrong)
		}
		pause(t, 100*time.Millisecond)
	}
}

// pause waits between two looks at what another process does.
func pause(t testing.TB, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
		t.Fatal(context.Cause(t.Context()))
	}
}
