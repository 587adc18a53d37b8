package obs

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTheLogLevelChangesWhileRunning(t *testing.T) {
	var out bytes.Buffer
	level := new(slog.LevelVar)
	log, err := NewLogger(&out, FormatJSON, level)
	if err != nil {
		t.Fatal(err)
	}
	service := log.With(KeyService, "ingest") // a logger made earlier follows too
	service.Debug("hidden")
	level.Set(slog.LevelDebug)
	service.Debug("shown", KeyN, 3)
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("%v in %s", err, out.String())
	}
	if line["msg"] != "shown" || line["service"] != "ingest" || line["n"] != 3.0 {
		t.Errorf("logged %v", line)
	}
}

func TestWrongLogSettingsSayWhatIsRight(t *testing.T) {
	if _, err := NewLogger(io.Discard, "xml", slog.LevelInfo); err == nil || !strings.Contains(err.Error(), "text or json") {
		t.Errorf("format: %v", err)
	}
	if _, err := ParseLevel("loud"); err == nil || !strings.Contains(err.Error(), "debug, info, warn or error") {
		t.Errorf("level: %v", err)
	}
	for in, want := range map[string]slog.Level{"debug": slog.LevelDebug, "INFO": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError} {
		if got, err := ParseLevel(in); err != nil || got != want {
			t.Errorf("ParseLevel(%q) = %v, %v", in, got, err)
		}
	}
}

func TestALogFileIsAppendedTo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	for range 2 {
		f, err := OpenLogFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString("line\n"); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "line\nline\n" {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestMetricsTellWhichBuildRuns(t *testing.T) {
	b := BuildInfo()
	if b.Version == "" || b.Go == "" {
		t.Errorf("build is %+v", b)
	}
	b.Version = "1.2.3"
	rec := httptest.NewRecorder()
	Handler(NewRegistry(b)).ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	body := rec.Body.String()
	for _, want := range []string{`shoal_build_info{`, `version="1.2.3"`, "go_goroutines", "process_open_fds"} {
		if !strings.Contains(body, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
}

func TestOneTraceGoesFromServiceToService(t *testing.T) {
	got := make(chan []byte, 4)
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.URL.Path != "/v1/traces" {
			t.Errorf("collector: %s, %v", r.URL.Path, err)
		}
		got <- body
	}))
	defer collector.Close()
	tr, err := StartTracing(t.Context(), TraceOptions{URL: collector.URL, Build: BuildInfo()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, first := Continue(t.Context(), tr.Tracer("ingest"), "", "cut piece")
	carried := Traceparent(ctx)
	first.End()
	if len(carried) != 55 {
		t.Fatalf("traceparent is %q", carried)
	}
	ctx, second := Continue(t.Context(), tr.Tracer("packager"), carried, "sign entry")
	if a, b := first.SpanContext().TraceID(), second.SpanContext().TraceID(); a != b {
		t.Errorf("the second service began a trace of its own: %v, not %v", b, a)
	}
	if again := Traceparent(ctx); again[:35] != carried[:35] || again == carried {
		t.Errorf("%s does not continue %s", again, carried)
	}
	second.End()
	if err := tr.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	body := <-got
	for _, want := range []string{"cut piece", "sign entry", "service.name"} {
		if !bytes.Contains(body, []byte(want)) {
			t.Errorf("the collector was not told %q", want)
		}
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

func TestMalformedTraceparentsBeginANewTrace(t *testing.T) {
	tr := newTracing(discard{}, Build{})
	for _, bad := range []string{"x", "00-zz-zz-01", strings.Repeat("0", 1000)} {
		_, span := Continue(t.Context(), tr.Tracer("seeder"), bad, "serve")
		if !span.SpanContext().IsValid() {
			t.Errorf("%q: no trace at all", bad)
		}
	}
}

func TestTracingThatIsOffCostsNothing(t *testing.T) {
	var off *Tracing
	tracer := off.Tracer("ingest")
	ctx := t.Context()
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	allocs := testing.AllocsPerRun(100, func() {
		ctx, span := Continue(ctx, tracer, parent, "cut piece")
		if Traceparent(ctx) != "" {
			t.Error("a traceparent out of nothing")
		}
		span.End()
	})
	if allocs != 0 {
		t.Errorf("%v allocations a piece", allocs)
	}
	if err := off.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}

func TestAWrongTraceAddressSaysWhatIsRight(t *testing.T) {
	for _, bad := range []string{"", "localhost:4318", "ftp://x", "http://"} {
		if _, err := StartTracing(t.Context(), TraceOptions{URL: bad}); err == nil || !strings.Contains(err.Error(), "http://127.0.0.1:4318") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
