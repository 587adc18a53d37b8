package archtest

import (
	"strings"
	"testing"
)

func module(t *testing.T) *Tree {
	t.Helper()
	tree, err := Load("../..")
	if err != nil {
		t.Fatal(err)
	}
	if len(tree.files) < 20 {
		t.Fatalf("found only %d Go files: is this the module's root?", len(tree.files))
	}
	return tree
}

func report(t *testing.T, breaches []Breach) {
	t.Helper()
	for _, b := range breaches {
		t.Error(b)
	}
}

func TestPackagesImportOnlyWhatTheyMay(t *testing.T)      { report(t, module(t).Imports()) }
func TestReservedFunctionsAreUsedAtHomeOnly(t *testing.T) { report(t, module(t).Calls()) }
func TestFilesOweTheirReader(t *testing.T)                { report(t, module(t).Files()) }

// TestEveryLawCatchesItsBreach breaks each law once, and tells it from its neighbour
// that is allowed.
func TestEveryLawCatchesItsBreach(t *testing.T) {
	const m = Module
	for _, c := range []struct {
		name  string
		files map[string]string
		want  string // part of the one breach; "" when all is well
	}{
		{"event imports ours", map[string]string{"event/a.go": `package event; import _ "` + m + `/manifest"`}, "imports nothing of the project"},
		{"manifest imports event", map[string]string{"manifest/a.go": `package manifest; import _ "` + m + `/event"`}, ""},
		{"manifest imports bus", map[string]string{"manifest/a.go": `package manifest; import _ "` + m + `/bus"`}, "imports event and nothing else"},
		{"packager imports nats", map[string]string{"packager/a.go": `package packager; import _ "github.com/nats-io/nats.go"`}, "depend on NATS"},
		{"the collector imports limits", map[string]string{"analytics/collect/a.go": `package collect; import _ "` + m + `/internal/limit"`}, ""},
		{"the collector imports bus", map[string]string{"analytics/collect/a.go": `package collect; import _ "` + m + `/bus"`}, "through little code"},
		{"a test imports nats", map[string]string{"packager/a_test.go": `package packager; import _ "github.com/nats-io/nats.go"`}, "depend on NATS"},
		{"bus imports nats", map[string]string{"bus/bustest/a.go": `package bustest; import _ "github.com/nats-io/nats.go"`}, ""},
		{"services meet", map[string]string{"seeder/a.go": `package seeder; import _ "` + m + `/ingest/rtmp"`}, "meet only through facts"},
		{"services meet by a detour", map[string]string{
			"packager/a.go":   `package packager; import _ "` + m + `/internal/x"`,
			"internal/x/a.go": `package x; import _ "` + m + `/keyring"`,
		}, "packager imports internal/x imports keyring"},
		{"a test sets services side by side", map[string]string{"seeder/a_test.go": `package seeder; import _ "` + m + `/packager"`}, ""},
		{"a service's own parts", map[string]string{"ingest/a.go": `package ingest; import _ "` + m + `/ingest/rtmp"`}, ""},
		{"peer reaches bus", map[string]string{"peer/a.go": `package peer; import _ "` + m + `/bus"`}, "a viewer has no bus"},
		{"peer imports a service", map[string]string{"peer/a.go": `package peer; import _ "` + m + `/seeder"`}, "a viewer has no bus"},
		{"bus imports a service", map[string]string{"bus/a.go": `package bus; import _ "` + m + `/ingest"`}, "not the other way round"},
		{"proc knows a service", map[string]string{"internal/proc/a.go": `package proc; import _ "` + m + `/event"`}, "knows nothing of what runs"},
		{"a command is imported", map[string]string{"e2e/a.go": `package e2e; import _ "` + m + `/cmd/shoal"`}, "nothing imports them"},
		{"a helper in the program", map[string]string{"bus/a.go": `package bus; import _ "` + m + `/bus/bustest"`}, "stay out of the program"},
		{"testing in the program", map[string]string{"bus/a.go": `package bus; import _ "testing"`}, "name ends in test"},
		{"kong outside cmd", map[string]string{"ingest/a.go": `package ingest; import _ "github.com/alecthomas/kong"`}, "only commands read flags"},
		{"koanf outside cmd", map[string]string{"ingest/a.go": `package ingest; import _ "github.com/knadh/koanf/v2"`}, "only commands read configuration"},
		{"flag outside cmd", map[string]string{"ingest/a.go": `package ingest; import _ "flag"`}, "only commands read flags"},
		{"the sdk outside obs", map[string]string{"ingest/a.go": `package ingest; import _ "go.opentelemetry.io/otel/sdk/trace"`}, "handed a trace.Tracer"},
		{"the trace API anywhere", map[string]string{"ingest/a.go": `package ingest; import _ "go.opentelemetry.io/otel/trace"`}, ""},
		{"an exporter outside obs", map[string]string{"ingest/a.go": `package ingest; import _ "go.opentelemetry.io/otel/exporters/otlp/otlptrace"`}, "handed a trace.Tracer"},
		{"promhttp outside obs", map[string]string{"seeder/a.go": `package seeder; import _ "github.com/prometheus/client_golang/prometheus/promhttp"`}, "serves metrics"},
		{"a C library outside its wrapper", map[string]string{"analytics/a.go": `package analytics; import _ "github.com/ebitengine/purego"`}, "has one wrapper"},
		{"the wrapper's C library", map[string]string{"analytics/chdb/a.go": `package chdb; import _ "github.com/ebitengine/purego"`}, ""},
		{"clickhouse outside analytics", map[string]string{"seeder/a.go": `package seeder; import _ "github.com/ClickHouse/clickhouse-go/v2"`}, "knows ClickHouse"},
		{"the store imports clickhouse", map[string]string{"analytics/store/a.go": `package store; import _ "github.com/ClickHouse/clickhouse-go/v2"`}, ""},
		{"analytics imports its engine", map[string]string{"analytics/a.go": `package analytics; import _ "` + m + `/analytics/chdb"`}, ""},
		{"the engine starts shoal itself", map[string]string{"analytics/chdb/a.go": `package chdb; import _ "os/exec"`}, ""},
		{"run outside proc", map[string]string{"cmd/shoal/a.go": `package main; import _ "github.com/oklog/run"`}, "order in which things stop"},
		{"programs started", map[string]string{"ingest/a.go": `package ingest; import _ "os/exec"`}, "needs no other program"},
		{"programs started by a test", map[string]string{"ingest/a_test.go": `package ingest; import _ "os/exec"`}, ""},
		{"the log package", map[string]string{"cmd/shoal/a.go": `package main; import _ "log"`}, "*slog.Logger"},
		{"slog is not log", map[string]string{"cmd/shoal/a.go": `package main; import _ "log/slog"`}, ""},
		{"environment", map[string]string{"ingest/a.go": `package ingest; import "os"; var _ = os.Getenv("X")`}, "only commands read arguments"},
		{"environment, renamed", map[string]string{"ingest/a.go": `package ingest; import sys "os"; var _ = sys.Args`}, "only commands read arguments"},
		{"environment in a command", map[string]string{"cmd/shoal/a.go": `package main; import "os"; var _ = os.Args`}, ""},
		{"exit", map[string]string{"ingest/a.go": `package ingest; import "os"; func f() { os.Exit(1) }`}, "only a command ends the process"},
		{"signals", map[string]string{"ingest/a.go": `package ingest; import "os/signal"; func f() { signal.Notify(nil) }`}, "what a signal means"},
		{"the global logger", map[string]string{"ingest/a.go": `package ingest; import "log/slog"; func f() { slog.Info("x") }`}, "has its own"},
		{"the global registry", map[string]string{"ingest/a.go": `package ingest; import "github.com/prometheus/client_golang/prometheus"; var _ = prometheus.DefaultRegisterer`}, "two instances"},
		{"promauto registers globally", map[string]string{"ingest/a.go": `package ingest; import "github.com/prometheus/client_golang/prometheus/promauto"; var _ = promauto.NewGauge`}, "promauto.With"},
		{"the global mux", map[string]string{"seeder/a.go": `package seeder; import "net/http"; var _ = http.DefaultServeMux`}, "a mux that somebody owns"},
		{"a sleeping test", map[string]string{"bus/a_test.go": `package bus; import "time"; func f() { time.Sleep(1) }`}, "wait for the condition"},
		{"a sleeping helper", map[string]string{"bus/bustest/a.go": `package bustest; import "time"; func f() { time.Sleep(1) }`}, "wait for the condition"},
		{"a virtual sleep", map[string]string{"bus/a_test.go": `package bus; import ("time"; "testing/synctest"); func f() { synctest.Test(nil, func() { time.Sleep(1) }) }`}, ""},
		{"a sleeping program", map[string]string{"bus/a.go": `package bus; import "time"; func f() { time.Sleep(1) }`}, ""},
		{"a skipped test", map[string]string{"bus/a_test.go": `package bus; import "testing"; func TestX(t *testing.T) { t.Skip() }`}, "a promise nobody keeps"},
		{"a package without a comment", map[string]string{"bus/a.go": "package bus\n", "seeder/a.go": "// Package seeder seeds.\npackage seeder\n"}, `starts "Package bus "`},
		{"a command without a comment", map[string]string{"cmd/shoal/a.go": "// Package main runs.\npackage main\n"}, `starts "Command shoal "`},
		{"a long file", map[string]string{"bus/a.go": "// Package bus carries.\npackage bus\n" + strings.Repeat("\n", 600)}, "wants to be two files"},
		{"a long test", map[string]string{"bus/a_test.go": "package bus\n" + strings.Repeat("\n", 900)}, ""},
		{"a note to self", map[string]string{"bus/a_test.go": "package bus\n\n// TODO: later\n"}, "issue tracker"},
		{"an issue's number", map[string]string{"bus/a_test.go": "package bus\n\n// See issue 12.\n"}, "issue tracker"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tree := NewTree()
			for name, text := range c.files {
				if err := tree.Add(name, text); err != nil {
					t.Fatal(err)
				}
			}
			got := append(tree.Imports(), tree.Calls()...)
			// Package comments are asked for only where they are the case at hand.
			if strings.Contains(c.name, "comment") || got == nil {
				for _, b := range tree.Files() {
					if strings.Contains(c.name, "comment") || !strings.Contains(b.What, "package comment") {
						got = append(got, b)
					}
				}
			}
			switch {
			case c.want == "" && len(got) > 0:
				t.Errorf("allowed, but reported: %v", got)
			case c.want != "" && (len(got) != 1 || !strings.Contains(got[0].String(), c.want)):
				t.Errorf("reported %v, want one breach with %q", got, c.want)
			}
		})
	}
}
