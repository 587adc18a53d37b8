package analytics_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/shoalcast/shoal/analytics"
	"github.com/shoalcast/shoal/analytics/chdb/chdbtest"
	"github.com/shoalcast/shoal/bus"
)

// mortal is a bus in a process of its own, that can be killed and started again.
type mortal struct {
	dir, at string
	cmd     *exec.Cmd
}

func newMortal(t testing.TB) (*mortal, *bus.Bus) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	m := &mortal{dir: t.TempDir(), at: l.Addr().String()}
	check(t, l.Close())
	m.start(t)
	t.Cleanup(func() { m.kill(t) })
	creds, err := filepath.Glob(filepath.Join(m.dir, "*", "services.creds"))
	check(t, err)
	if len(creds) == 0 {
		creds, err = filepath.Glob(filepath.Join(m.dir, "services.creds"))
		check(t, err)
	}
	b, err := bus.Connect(t.Context(), bus.Options{URL: "nats://" + m.at, Creds: creds[0], Name: "test"})
	check(t, err)
	t.Cleanup(b.Close)
	check(t, b.Provision(t.Context(), bus.Limits{}))
	return m, b
}

func (m *mortal) start(t testing.TB) {
	t.Helper()
	m.cmd = exec.Command(os.Args[0])
	m.cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s", busEnv, m.dir, m.at))
	m.cmd.Stderr = os.Stderr
	out, err := m.cmd.StdoutPipe()
	check(t, err)
	check(t, m.cmd.Start())
	if !bufio.NewScanner(out).Scan() {
		t.Fatal("the bus did not start")
	}
}

func (m *mortal) kill(t testing.TB) {
	t.Helper()
	check(t, m.cmd.Process.Kill())
	_ = m.cmd.Wait() // killed
}

// held counts what TELEMETRY holds.
func held(t testing.TB, b *bus.Bus) (reports, bytes int64) {
	t.Helper()
	end, err := b.TelemetryEnd(t.Context())
	check(t, err)
	if end.Seq == 0 {
		return 0, 0
	}
	seen := map[string]bool{}
	err = b.FollowReports(t.Context(), bus.Place{}, nil, func(_ context.Context, r *bus.Reported) error {
		if key := fmt.Sprint(r.Session, r.N); !seen[key] {
			seen[key] = true
			reports, bytes = reports+1, bytes+r.PeerBytes
		}
		if r.Place.Seq >= end.Seq {
			return bus.ErrStop
		}
		return nil
	})
	if !errors.Is(err, bus.ErrStop) {
		t.Fatal(err)
	}
	return reports, bytes
}

func TestOfABusThatIsKilledClickHouseHasWhatTheBusHas(t *testing.T) {
	m, b := newMortal(t)
	s := opened(t, chdbtest.Database(t))
	begin(t, analytics.SinkOptions{Bus: b, Store: s, Rows: 1_000, Wait: 50 * time.Millisecond})
	var before int64
	var lost time.Duration // of traffic
	for range kills() {
		began := time.Now()
		l := crowd(t, b, 4)
		planned(t, b, 3)
		m.kill(t)
		ran, told := time.Since(began), l.reports.Load()
		m.start(t)
		l.stop()
		reports, bytes := held(t, b)
		comesTo(t, s, reports, bytes)
		gone := l.reports.Load() - (reports - before)
		before = reports
		lost = max(lost, time.Duration(gone)*ran/time.Duration(told))
		t.Logf("%d acknowledged reports lost, at %.0f a second", gone, float64(told)/ran.Seconds())
	}
	if lost > 250*time.Millisecond {
		t.Errorf("a kill of the bus lost %v of traffic", lost)
	}
}

// A power cut may take more than the last moments of TELEMETRY. Here it is put back by hand to what it was before.
func TestReportsThatComeAfterABusLostItsTailAreTaken(t *testing.T) {
	dir := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	at := l.Addr().String()
	check(t, l.Close())
	var server *bus.Server
	start := func() {
		server, err = bus.StartServer(t.Context(), bus.ServerOptions{Dir: dir, Listen: at})
		check(t, err)
	}
	start()
	t.Cleanup(func() { server.Shutdown() })
	b, err := bus.Connect(t.Context(), bus.Options{URL: server.ClientURL(), Creds: server.CredsFile(), Name: "test"})
	check(t, err)
	t.Cleanup(b.Close)
	check(t, b.Provision(t.Context(), bus.Limits{}))
	s := opened(t, chdbtest.Database(t))
	o := analytics.SinkOptions{Bus: b, Store: s, Wait: 20 * time.Millisecond, Settle: time.Millisecond}
	stop := begin(t, o)
	var reports, bytes int64
	publish := func(session string, count int64) {
		for n := range count {
			r := report(session, n)
			for b.PublishReport(t.Context(), r) != nil { // it is just back
				pause(t, 20*time.Millisecond)
			}
			reports, bytes = reports+1, bytes+r.PeerBytes
		}
		comesTo(t, s, reports, bytes)
	}
	publish("viewer00000000000001", 100)
	telemetry := func() string {
		m, err := filepath.Glob(filepath.Join(dir, "jetstream", "*", "streams", "TELEMETRY"))
		check(t, err)
		return m[0]
	}
	server.Shutdown()
	copied := filepath.Join(t.TempDir(), "TELEMETRY")
	check(t, os.CopyFS(copied, os.DirFS(telemetry())))
	start()
	publish("viewer00000000000002", 50)
	server.Shutdown()
	path := telemetry()
	check(t, os.RemoveAll(path))
	check(t, os.CopyFS(path, os.DirFS(copied)))
	start()
	publish("viewer00000000000003", 80) // under sequences that others had
	// A sink that starts anew finds its way as well.
	stop()
	begin(t, o)
	publish("viewer00000000000004", 10)
}
