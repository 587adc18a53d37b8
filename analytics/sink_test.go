package analytics_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/shoalcast/shoal/analytics"
	"github.com/shoalcast/shoal/analytics/chdb/chdbtest"
	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/bus/bustest"
	"github.com/shoalcast/shoal/event"
)

func TestEachReportIsThereOnceHoweverOftenItCame(t *testing.T) {
	b := bustest.Start(t)
	s := shared(t)
	reg := prometheus.NewRegistry()
	var reports, bytes int64
	for n := range int64(300) {
		r := report("viewer00000000000001", n)
		for range 1 + n%2 {
			check(t, b.PublishReport(t.Context(), r))
		}
		reports, bytes = reports+1, bytes+r.PeerBytes
	}
	wrong := report("viewer00000000000002", 0)
	wrong.At = 5 // a clock of 1970
	check(t, b.PublishReport(t.Context(), wrong))
	check(t, b.PublishReportLine(t.Context(), streamA, "x", []byte(`no report', 0); DROP TABLE reports; --`)))
	foreign := report("viewer00000000000003", 0)
	foreign.Stream = "a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2"
	line, err := event.AppendReport(nil, foreign)
	check(t, err)
	check(t, b.PublishReportLine(t.Context(), streamA, "x", line))
	impostor := report("viewer00000000000006", 0)
	impostor.Reporter = event.BySeed
	line, err = event.AppendReport(nil, impostor)
	check(t, err)
	check(t, b.PublishReportLine(t.Context(), streamA, impostor.Session, line))
	check(t, b.PublishReport(t.Context(), report("viewer00000000000004", 0)))
	stop := begin(t, analytics.SinkOptions{Bus: b, Store: s, Metrics: analytics.NewMetrics(reg), Rows: 100, Wait: 100 * time.Millisecond})
	comesTo(t, s, reports+2, bytes+wrong.PeerBytes+1_000)
	// Another run repeats the last batch, and remembers what came before it.
	stop()
	check(t, b.PublishReport(t.Context(), report("viewer00000000000001", 299)))
	check(t, b.PublishReport(t.Context(), report("viewer00000000000005", 0)))
	begin(t, analytics.SinkOptions{Bus: b, Store: s, Rows: 100, Wait: 100 * time.Millisecond})
	comesTo(t, s, reports+3, bytes+wrong.PeerBytes+2_000)
	check(t, testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP shoal_analytics_clamped_total Reports with a clock or sums that no honest device has, which were put right.
# TYPE shoal_analytics_clamped_total counter
shoal_analytics_clamped_total 1
# HELP shoal_analytics_repeated_total Reports that came again, by their session and number, and were not counted.
# TYPE shoal_analytics_repeated_total counter
shoal_analytics_repeated_total 150
# HELP shoal_analytics_unreadable_total Reports that could not be read; DEAD has the first of them.
# TYPE shoal_analytics_unreadable_total counter
shoal_analytics_unreadable_total 3
`), "shoal_analytics_clamped_total", "shoal_analytics_repeated_total", "shoal_analytics_unreadable_total"))
}

func kills() int {
	if full {
		return 20
	}
	return 4
}

// planned waits until a sink has recorded so many plans more.
func planned(t testing.TB, b *bus.Bus, more uint64) {
	t.Helper()
	_, before, err := b.LastSinkState(t.Context(), "clickhouse")
	check(t, err)
	for now := before; now < before+more; pause(t, 5*time.Millisecond) {
		_, now, err = b.LastSinkState(t.Context(), "clickhouse")
		check(t, err)
	}
}

func TestASinkThatIsKilledLosesAndDoublesNothing(t *testing.T) {
	server, err := bus.StartServer(t.Context(), bus.ServerOptions{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	check(t, err)
	t.Cleanup(server.Shutdown)
	b := bustest.Connect(t, server, "test")
	check(t, b.Provision(t.Context(), bus.Limits{}))
	dsn := chdbtest.Database(t)
	s := opened(t, dsn)
	l := crowd(t, b, 8)
	for range kills() {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s %s", victimEnv, server.ClientURL(), server.CredsFile(), dsn))
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		check(t, err)
		check(t, cmd.Start())
		if !bufio.NewScanner(out).Scan() {
			t.Fatal("the sink did not start")
		}
		planned(t, b, 1+rand.Uint64N(4))
		pause(t, time.Duration(rand.IntN(150))*time.Millisecond) // anywhere between a plan and the next
		check(t, cmd.Process.Kill())
		_ = cmd.Wait() // killed
	}
	l.stop()
	begin(t, analytics.SinkOptions{Bus: b, Store: s})
	comesTo(t, s, l.reports.Load(), l.bytes.Load())
	t.Logf("%d reports over %d kills", l.reports.Load(), kills())
}

func TestAnEngineThatIsKilledLosesAndDoublesNothing(t *testing.T) {
	e := chdbtest.Own(t)
	b := bustest.Start(t)
	s := opened(t, e.DSN("shoal", "killed"))
	l := crowd(t, b, 8)
	begin(t, analytics.SinkOptions{Bus: b, Store: s, Rows: 2_000, Wait: 50 * time.Millisecond})
	for range kills() {
		planned(t, b, 1+rand.Uint64N(4))
		pause(t, time.Duration(rand.IntN(150))*time.Millisecond)
		chdbtest.Kill(t, e)
	}
	l.stop()
	comesTo(t, s, l.reports.Load(), l.bytes.Load())
	t.Logf("%d reports over %d kills", l.reports.Load(), kills())
}
