package main

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/shoalcast/shoal/internal/datadir"
)

// dashed returns a node on a data directory, with a dashboard that has no ClickHouse.
func dashed(t *testing.T, data string, before func(*http.ServeMux)) *node {
	t.Helper()
	dir, err := datadir.Open(data)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dir.Close() })
	n := &node{dir: dir, mux: http.NewServeMux(), log: slog.New(slog.DiscardHandler)}
	before(n.mux)
	if err := n.addDash(nil, func() (bool, string) { return false, "--clickhouse is none" }); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestTheDashboardHasATokenFromTheFirstStartOn(t *testing.T) {
	data := t.TempDir()
	first := dashed(t, data, func(*http.ServeMux) {})
	if len(first.dashToken) != 26 {
		t.Fatalf("the first start has %q to print", first.dashToken)
	}
	if err := first.dir.Close(); err != nil {
		t.Fatal(err)
	}
	if again := dashed(t, data, func(*http.ServeMux) {}); again.dashToken != "" {
		t.Errorf("the second start has %q to print", again.dashToken)
	}
	text, err := os.ReadFile(first.dir.Path("dash-token"))
	if err != nil || strings.TrimSpace(string(text)) != first.dashToken {
		t.Errorf("the file says %q, %v", text, err)
	}
}

func TestTheDashboardSaysWhyItIsEmpty(t *testing.T) {
	for name, before := range map[string]func(*http.ServeMux){
		"alone": func(*http.ServeMux) {},
		"beside a seeder": func(m *http.ServeMux) {
			m.Handle("GET /assets/", http.NotFoundHandler())
			m.Handle("/api/", http.NotFoundHandler())
			m.HandleFunc("/", http.NotFound)
		},
	} {
		n := dashed(t, t.TempDir(), before)
		ask := func(method, path, body string, cookies []*http.Cookie) *http.Response {
			r := httptest.NewRequest(method, path, strings.NewReader(body))
			for _, c := range cookies {
				r.AddCookie(c)
			}
			w := httptest.NewRecorder()
			n.mux.ServeHTTP(w, r)
			return w.Result()
		}
		in := ask(http.MethodPost, "/api/v1/dash/login", `{"token": "`+n.dashToken+`"}`, nil)
		if in.StatusCode != http.StatusNoContent {
			t.Fatalf("%s: the login is answered %d", name, in.StatusCode)
		}
		a := ask(http.MethodGet, "/api/v1/dash/chart/viewers", "", in.Cookies())
		if text, err := io.ReadAll(a.Body); a.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(text), "Analytics is off: --clickhouse is none.") || err != nil {
			t.Errorf("%s: a chart is answered %d %s", name, a.StatusCode, text)
		}
		if a := ask(http.MethodGet, "/dash", "", nil); a.StatusCode != http.StatusOK && a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Content-Security-Policy") == "" {
			t.Errorf("%s: the page is answered %d", name, a.StatusCode)
		}
	}
}
