package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/shoalcast/shoal/analytics/chdb/chdbtest"
	"github.com/shoalcast/shoal/analytics/store"
	"github.com/shoalcast/shoal/event"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// opened returns a store with this build's schema in a database of the test's own.
func opened(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.Open(store.Options{DSN: chdbtest.Database(t)})
	check(t, err)
	t.Cleanup(func() { check(t, s.Close()) })
	check(t, s.CreateDatabase(t.Context()))
	check(t, s.Migrate(t.Context()))
	return s
}

var began = time.Date(2026, 11, 28, 9, 59, 58, 0, time.UTC)

// rowsOf makes rows of so many sessions, n each.
func rowsOf(sessions, n int) *store.Rows {
	rows := &store.Rows{}
	for i := range sessions {
		for j := range n {
			r := store.Row{Received: began.Add(time.Duration(j) * 5 * time.Second), Seq: uint64(i*n + j + 1)}
			r.Report = event.Report{
				Stream: "k2k2k2k2k2k2k2k2k2k2k2k2k2k2k2k2", Session: fmt.Sprintf("session%016d", i), N: int64(j), At: r.Received.UnixMilli(),
				Event: event.OnInterval, State: event.Playing, Reporter: event.ByPage, Interval: 5_000, PeerBytes: 300, SeedBytes: 60, EdgeBytes: 30, OriginBytes: 10,
				Verified: 25, Wanted: 5_000, Played: 4_900, DryMs: 100, Delay: 600 + int64(i), Slack: -5, LeastSlack: -40, Here50: 40, Here95: 90, Consent: "share", Rendition: "v0", Region: "local", Class: "chrome-desktop",
				Neighbours: []event.Neighbour{{ID: "1a2b3c4d", Kind: "peer", RTT: 12, Goodput: 800}, {ID: "deadbeef", Kind: "edge", RTT: 8, Goodput: 300, Late: 2}},
			}
			if j == 0 {
				r.Start = 700
			}
			rows.Add(&r)
		}
	}
	return rows
}

func TestTheSchemaGoesUpAndDownAndUp(t *testing.T) {
	s := opened(t)
	check(t, s.Migrate(t.Context()))
	check(t, s.Unmigrate(t.Context()))
	check(t, s.Migrate(t.Context()))
	check(t, s.Insert(t.Context(), rowsOf(3, 2), "a"))
}

func TestBothProtocolsWriteTheSame(t *testing.T) {
	all := rowsOf(50, 5)
	all.Add(&store.Row{Received: time.UnixMilli(1_790_000_000_123), Seq: 1 << 40, Clamped: true, Day: time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC), Report: event.Report{
		Stream: "abc", Session: "alone", N: 1 << 31, At: 1_790_000_000_001, Slack: -7, Hidden: true, PeerBytes: 1 << 40, Region: "nowhere", Class: "",
	}})
	s := opened(t)
	check(t, s.Insert(t.Context(), all, "a"))
	check(t, s.InsertBatch(t.Context(), all))
	got, err := s.Line(t.Context(), "SELECT count(), uniqExact(cityHash64(*)), max(seq), min(slack_ms), countIf(hidden), min(day), max(length(neighbour_id)) FROM reports")
	check(t, err)
	if got != "502 251 1099511627776 -7 2 2026-11-02 2" {
		t.Errorf("together they are %s", got)
	}
}

func TestReportsAreInEveryTableAndViewOnce(t *testing.T) {
	s := opened(t)
	rows := rowsOf(100, 4)
	check(t, s.Insert(t.Context(), rows, "a"))
	check(t, s.Insert(t.Context(), rows, "a")) // an answer was lost
	check(t, s.Insert(t.Context(), rowsOf(1, 1), "b"))
	for question, want := range map[string]string{
		`SELECT count(), sum(peer_bytes), countIf(slack_ms = -5), uniqExact(session) FROM reports`:                                                       "401 120300 401 100",
		`SELECT sum(reports), sum(peer_bytes), uniqCombinedMerge(14)(sessions) FROM rollup_10s`:                                                          "401 120300 100",
		`SELECT sum(reports), sum(peer_bytes), uniqCombinedMerge(14)(sessions) FROM rollup_1m`:                                                           "401 120300 100",
		`SELECT sum(reports), sum(peer_bytes), uniqCombinedMerge(14)(sessions) FROM rollup_10m`:                                                          "401 120300 100",
		`SELECT sum(reports), sum(peer_bytes), uniqCombinedMerge(14)(sessions) FROM rollup_1h`:                                                           "401 120300 100",
		`SELECT count(), sum(reports), sum(dry_ms) FROM (SELECT session, sum(reports) AS reports, sum(dry_ms) AS dry_ms FROM sessions GROUP BY session)`: "100 401 40100",
		`SELECT sum(told), sum(late), any(kind) FROM servers_1m`:                                                                                         "401 802 edge",
		`SELECT count(), sum(bytes), round(avg(offload), 3), round(avg(rebuffering_ratio), 3), round(max(startup_p50_ms), -1) FROM metrics_1m`:           "2 160400 0.75 0.02 700",
		`SELECT count(), any(state), max(left_before_start), any(startup_ms) FROM visits`:                                                                "100 playing 0 700",
		`SELECT round(max(viewed_p50_ms), -1), round(max(viewed_p95_ms), -1) FROM piece_way_1m`:                                                          "40 90",
		`SELECT countIf(startup_p50_ms IS NULL), countIf(delay_p95_ms IS NULL) FROM metrics_1m`:                                                          "1 0",
		`SELECT sum(blocks_late), avg(rtt_mean_ms) FROM lateness_1m`:                                                                                     "802 8",
	} {
		got, err := s.Line(t.Context(), question)
		check(t, err)
		if got != want {
			t.Errorf("%s\ngives %s, want %s", question, got, want)
		}
	}
}

func TestRetentionIsSetAndChanged(t *testing.T) {
	s := opened(t)
	for _, d := range []time.Duration{30 * 24 * time.Hour, 30 * 24 * time.Hour, 7 * 24 * time.Hour} {
		check(t, s.Retain(t.Context(), d))
		got, err := s.Line(t.Context(), `SELECT extract(create_table_query, 'toIntervalSecond\\((\\d+)\\)') FROM system.tables WHERE database = currentDatabase() AND name = 'rollup_1m'`)
		check(t, err)
		if want := fmt.Sprint(12 * int64(d.Seconds())); got != want {
			t.Errorf("sums are kept for %s s, want %s", got, want)
		}
	}
}

func BenchmarkInsert(b *testing.B) {
	s := opened(b)
	rows := rowsOf(10_000, 2)
	i := 0
	for b.Loop() {
		i++
		check(b, s.Insert(b.Context(), rows, fmt.Sprint(i)))
	}
	b.ReportMetric(float64(rows.Len()*b.N)/b.Elapsed().Seconds(), "reports/s")
}
