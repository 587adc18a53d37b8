package collect_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/shoalcast/shoal/analytics/collect"
	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/bus/bustest"
	"github.com/shoalcast/shoal/event"
)

const (
	ours    = event.StreamID("k2k2k2k2k2k2k2k2k2k2k2k2k2k2k2k2")
	foreign = event.StreamID("f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3")
	visit   = "abcdefghij0123456789klmnop"
)

// report is a page's nth.
func report(n int64) event.Report {
	return event.Report{
		Stream: ours, Session: visit, N: n, At: 1_732_780_000_123, Event: event.OnInterval, State: event.Playing,
		Reporter: event.ByPage, Interval: 5_000, PeerBytes: 512_345, Verified: 25, Played: 5_000, Wanted: 5_000, Class: "chrome-desktop",
	}
}

func line(t testing.TB, r event.Report) string {
	t.Helper()
	b, err := event.AppendReport(nil, &r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

type rig struct {
	t   testing.TB
	bus *bus.Bus
	reg *prometheus.Registry
	log *bytes.Buffer
	*collect.Handler
}

func start(t testing.TB, change func(*collect.Options)) *rig {
	r := &rig{t: t, bus: bustest.Start(t), reg: prometheus.NewRegistry(), log: &bytes.Buffer{}}
	o := collect.Options{
		Bus: r.bus, Known: func(id event.StreamID) bool { return id == ours }, Reg: r.reg, Log: slog.New(slog.NewTextHandler(r.log, nil)),
	}
	if change != nil {
		change(&o)
	}
	r.Handler = collect.New(o)
	return r
}

// send posts a body as a browser does that is somewhere else.
func (r *rig) send(body string, change func(*http.Request)) *http.Response {
	r.t.Helper()
	q := httptest.NewRequest(http.MethodPost, "/api/v1/telemetry", strings.NewReader(body))
	q.Header.Set("Content-Type", "text/plain;charset=UTF-8")
	q.RemoteAddr = "192.0.2.7:4000"
	if change != nil {
		change(q)
	}
	w := httptest.NewRecorder()
	r.ServeHTTP(w, q)
	res := w.Result()
	if got := res.Header.Get("Access-Control-Allow-Origin"); got != "*" {
		r.t.Errorf("other sites' pages are told %q", got)
	}
	return res
}

// sentence is what an answer says is wrong.
func sentence(t testing.TB, res *http.Response) string {
	t.Helper()
	var said struct{ Error string }
	if err := json.NewDecoder(res.Body).Decode(&said); err != nil || said.Error == "" {
		t.Errorf("status %d says nothing: %v", res.StatusCode, err)
	}
	return said.Error
}

// counted returns what a metric has, by name or name{label's value}.
func (r *rig) counted(name string) float64 {
	r.t.Helper()
	families, err := r.reg.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			called := f.GetName()
			for _, l := range m.GetLabel() {
				called += "{" + l.GetValue() + "}"
			}
			if called == name {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

// onBus returns the first n reports that are there.
func (r *rig) onBus(n int) []event.Report {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 10*time.Second)
	defer cancel()
	var out []event.Report
	err := r.bus.FollowReports(ctx, bus.Place{}, nil, func(_ context.Context, got *bus.Reported) error {
		if out = append(out, got.Report); len(out) == n {
			return bus.ErrStop
		}
		return nil
	})
	if !errors.Is(err, bus.ErrStop) {
		r.t.Fatalf("%d of %d reports are on the bus: %v", len(out), n, err)
	}
	return out
}

// empty reports whether no report came to the bus.
func (r *rig) empty() bool {
	r.t.Helper()
	end, err := r.bus.TelemetryEnd(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	return end.Seq == 0
}

func TestReportsOverHTTPAreOnTheBusAsTheyWereWritten(t *testing.T) {
	r := start(t, nil)
	var want []event.Report
	var lines []string
	for n := range int64(6) {
		want = append(want, report(n))
		lines = append(lines, line(t, report(n)))
	}
	if res := r.send(strings.Join(lines, "\n"), nil); res.StatusCode != http.StatusAccepted {
		t.Fatalf("answered %d: %s", res.StatusCode, sentence(t, res))
	}
	if got := r.onBus(6); !reflect.DeepEqual(got, want) {
		t.Errorf("on the bus:\n%+v\nwant\n%+v", got, want)
	}
	if got := r.counted("shoal_telemetry_http_reports_total"); got != 6 {
		t.Errorf("%v reports were counted", got)
	}
}

func TestWhatIsNoReportIsRefusedWithItsLine(t *testing.T) {
	r := start(t, nil)
	good := line(t, report(1))
	strange := report(2)
	strange.Stream = foreign
	for what, c := range map[string]struct {
		body   string
		status int
		says   string
	}{
		"nothing":                         {"", http.StatusBadRequest, "there is no report"},
		"empty lines":                     {"\n\r\n\n", http.StatusBadRequest, "there is no report"},
		"no dictionary":                   {good + "\nhello, \"world", http.StatusBadRequest, "line 2: "},
		"bytes":                           {"\x00\xff\xfe", http.StatusBadRequest, "line 1: "},
		"JSON":                            {`{"cid":"` + string(ours) + `"}`, http.StatusBadRequest, "line 1: "},
		"another version":                 {strings.Replace(good, "=page;v=1", "=page;v=2", 1), http.StatusBadRequest, "line 1: "},
		"a viewer that says it serves":    {strings.Replace(good, "=page;v=1", "=seed;v=1", 1), http.StatusBadRequest, "line 1: only viewers report here"},
		"a name for a session":            {strings.Replace(good, visit, "'; DROP TABLE reports; --", 1), http.StatusBadRequest, "line 1: "},
		"a subject for a session":         {strings.Replace(good, visit, "abcdefghij0123456789.>", 1), http.StatusBadRequest, "line 1: "},
		"SQL for a stream":                {strings.Replace(good, string(ours), "x' OR '1'='1", 1), http.StatusBadRequest, "line 1: "},
		"SQL for a class":                 {strings.Replace(good, "chrome-desktop", `"x'); DROP TABLE reports; --"`, 1), http.StatusBadRequest, "line 1: "},
		"a line that is too long":         {good + "," + strings.Repeat("x", event.MaxReport) + "=1", http.StatusBadRequest, "line 1: "},
		"a stream that is not ours":       {good + "\n" + line(t, strange), http.StatusNotFound, "line 2: no such stream"},
		"more lines than may be":          {strings.Repeat(good+"\n", 17), http.StatusRequestEntityTooLarge, "at most 16 reports"},
		"more bytes than may be":          {strings.Repeat("\n", 33<<10), http.StatusRequestEntityTooLarge, "at most 32768 bytes"},
		"a good report before a bad one ": {good + "\n" + strings.Replace(good, ";ok=25", ";ok=-25", 1), http.StatusBadRequest, "line 2: "},
	} {
		t.Run(what, func(t *testing.T) {
			res := r.send(c.body, nil)
			if says := sentence(t, res); res.StatusCode != c.status || !strings.Contains(says, c.says) {
				t.Errorf("answered %d: %s; want %d: …%s…", res.StatusCode, says, c.status, c.says)
			}
		})
	}
	if !r.empty() {
		t.Error("something of it is on the bus")
	}
}

func TestOnlyTextIsTaken(t *testing.T) {
	r := start(t, nil)
	for kind, want := range map[string]int{
		"text/plain": http.StatusAccepted, "application/cmcd": http.StatusAccepted, "Text/Plain; charset=utf-8": http.StatusAccepted,
		"": http.StatusUnsupportedMediaType, "application/json": http.StatusUnsupportedMediaType, "text/html": http.StatusUnsupportedMediaType,
		"multipart/form-data; boundary=x": http.StatusUnsupportedMediaType, ";;": http.StatusUnsupportedMediaType,
	} {
		res := r.send(line(t, report(1)), func(q *http.Request) { q.Header.Set("Content-Type", kind) })
		if res.StatusCode != want {
			t.Errorf("%q is answered with %d, want %d", kind, res.StatusCode, want)
		}
	}
}

func TestPagesOfOtherSitesMayAskFirst(t *testing.T) {
	r := start(t, nil)
	res := r.send("", func(q *http.Request) { q.Method = http.MethodOptions })
	if res.StatusCode != http.StatusNoContent || res.Header.Get("Access-Control-Allow-Methods") != "POST" ||
		res.Header.Get("Access-Control-Allow-Headers") != "Content-Type" {
		t.Errorf("answered %d with %v", res.StatusCode, res.Header)
	}
	res = r.send("", func(q *http.Request) { q.Method = http.MethodGet })
	if res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != "POST, OPTIONS" {
		t.Errorf("GET is answered with %d, %v", res.StatusCode, res.Header)
	}
}

func TestOneAddressCannotSendWithoutEnd(t *testing.T) {
	r := start(t, func(o *collect.Options) { o.AddressRate = 0.1 })
	from := func(addr string) int {
		res := r.send(line(t, report(1)), func(q *http.Request) { q.RemoteAddr = addr })
		if res.StatusCode == http.StatusTooManyRequests && res.Header.Get("Retry-After") == "" {
			t.Error("it is not told when to try again")
		}
		return res.StatusCode
	}
	for range 2 {
		if got := from("192.0.2.1:5"); got != http.StatusAccepted {
			t.Fatalf("within its burst: %d", got)
		}
	}
	if got := from("192.0.2.1:6"); got != http.StatusTooManyRequests {
		t.Errorf("beyond its burst: %d", got)
	}
	if got := from("192.0.2.2:5"); got != http.StatusAccepted {
		t.Errorf("another address pays for it: %d", got)
	}
	for range 5 {
		if got := from("127.0.0.1:5"); got != http.StatusAccepted {
			t.Errorf("this machine: %d", got)
		}
	}
}

// full is a bus that takes so many reports, and no more.
type full struct{ left int }

func (f *full) PublishReportLine(context.Context, event.StreamID, string, []byte) error {
	if f.left--; f.left < 0 {
		return fmt.Errorf("publish: %w", errors.New("no space left"))
	}
	return nil
}

func TestWhereTheBusIsFullReportsAreToBeSentAgain(t *testing.T) {
	r := start(t, func(o *collect.Options) { o.Bus = &full{left: 1} })
	body := line(t, report(1)) + "\n" + line(t, report(2))
	res := r.send(body, nil)
	if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
		t.Errorf("answered %d, %v", res.StatusCode, res.Header)
	}
	if says := sentence(t, res); !strings.Contains(says, "send them again later") {
		t.Errorf("it says: %s", says)
	}
	if got := r.counted("shoal_telemetry_requests_total{failed}"); got != 1 {
		t.Errorf("%v requests were counted as failed", got)
	}
}

func TestNobodysAddressIsKept(t *testing.T) {
	r := start(t, func(o *collect.Options) { o.Bus, o.AddressRate = &full{}, 0.05 })
	for range 3 {
		r.send(line(t, report(1)), func(q *http.Request) {
			q.RemoteAddr = "198.51.100.77:1234"
			q.Header.Set("User-Agent", "Mozilla/5.0 (X11)")
			q.Header.Set("X-Forwarded-For", "203.0.113.9")
		})
	}
	for _, secret := range []string{"198.51.100.77", "203.0.113.9", "Mozilla", visit} {
		if strings.Contains(r.log.String(), secret) {
			t.Errorf("the log has %s:\n%s", secret, r.log)
		}
	}
	if r.log.Len() == 0 {
		t.Error("the operator hears nothing of a bus that is full")
	}
}
