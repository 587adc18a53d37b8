package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestWhatAStreamDidIsAskedForWithSQLWhileItRunsAndAfter(t *testing.T) {
	i := up(t, "--clickhouse", "embedded")
	s := i.addStream("concert")
	stop := encoder(t, s)
	i.live("concert")
	ask := func(question string) string {
		out, stderr, code := runShoal(t, "sql", "--data", i.data, "-q", question)
		if code != 0 {
			return stderr
		}
		return strings.TrimSpace(out)
	}
	watched := background(t, binary, "watch", s.Watch, "--out", "/dev/null", "--stats", "none")
	const seen = `SELECT count() > 0, uniqExact(reporter) FROM reports WHERE stream IN (SELECT stream FROM streams WHERE name = 'concert')`
	waitFor(t, 60*time.Second, "reports of the seed and of a viewer", func() bool { return strings.HasSuffix(ask(seen), "1\t2") })
	for _, view := range []string{"metrics_1m", "visits", "piece_way_1m", "lateness_1m"} {
		if got := ask("SELECT count() >= 0 FROM " + view); !strings.HasSuffix(got, "1") {
			t.Errorf("%s says %s", view, got)
		}
	}
	if got := ask("DROP TABLE reports"); !strings.Contains(got, "read-only") {
		t.Errorf("who asks may drop tables: %s", got)
	}
	out, _, _ := runShoal(t, "sql", "--data", i.data, "--format", "csv", "-q", "SELECT 1 AS one, 'a,b' AS two")
	if out != "\"one\",\"two\"\n1,\"a,b\"\n" {
		t.Errorf("as CSV it is %q", out)
	}
	watched.kill()
	stop()
	before := ask("SELECT count() FROM reports")
	i.stop()
	waitFor(t, 10*time.Second, "the same without a running instance", func() bool { return before <= ask("SELECT count() FROM reports") })
}

func TestWithoutClickHouseTheRestRunsAndSaysWhy(t *testing.T) {
	t.Setenv("SHOAL_CHDB", "/nowhere/libchdb.so")
	i := up(t, "--clickhouse", "embedded")
	s := i.addStream("concert")
	encoder(t, s)
	i.live("concert")
	if !contains(i.log, "analytics is off") {
		t.Error("the log does not say that analytics is off")
	}
	if status, body, _ := i.get("/readyz"); status != 200 {
		t.Errorf("/readyz says %d: %s", status, body)
	}
	out, stderr, code := runShoal(t, "sql", "--data", i.data, "-q", "SELECT 1")
	if code == 0 || !strings.Contains(stderr, "takes telemetry nowhere") {
		t.Errorf("asked, it says %s", fmt.Sprint(code, out, stderr))
	}
}
