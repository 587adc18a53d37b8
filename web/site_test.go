package web

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

func site() *Site {
	return New(fstest.MapFS{
		"index.html":           {Data: []byte("<title>list</title>")},
		"live.html":            {Data: []byte("<title>player</title>")},
		"embed.html":           {Data: []byte("<title>frame</title>")},
		"dash.html":            {Data: []byte("<title>figures</title>")},
		"player.js":            {Data: []byte("export const shoal = 1;\n")},
		"404.html":             {Data: []byte("<title>nothing</title>")},
		"assets/live-abc12.js": {Data: []byte(strings.Repeat("let fish = 1;\n", 500))},
		".gitkeep":             {},
	})
}

func get(t *testing.T, s *Site, path string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestEveryAddressShowsItsPageUnderTheSamePolicy(t *testing.T) {
	for path, want := range map[string]struct {
		status int
		text   string
		cache  string
	}{
		"/":                     {200, "list", "no-cache"},
		"/live/demo":            {200, "player", "no-cache"},
		"/embed/demo":           {200, "frame", "no-cache"},
		"/dash":                 {200, "figures", "no-cache"},
		"/dash/x":               {404, "nothing", "no-cache"},
		"/player.js":            {200, "shoal", "no-cache"},
		"/assets/live-abc12.js": {200, "fish", "public, max-age=31536000, immutable"},
		"/nowhere":              {404, "nothing", "no-cache"},
		"/live/demo/x":          {404, "nothing", "no-cache"},
		"/assets/gone.js":       {404, "nothing", "no-cache"},
		"/assets/../index.html": {307, "", ""}, // the mux cleans the path; the page is then found
		"/index.html":           {404, "nothing", "no-cache"},
		"/assets/.gitkeep":      {404, "nothing", "no-cache"},
	} {
		r := get(t, site(), path)
		if want.status == 307 {
			if r.StatusCode < 300 || r.StatusCode > 399 {
				t.Errorf("%s: status %d, a redirect is wanted", path, r.StatusCode)
			}
			continue
		}
		if got := body(t, r); r.StatusCode != want.status || !strings.Contains(got, want.text) {
			t.Errorf("%s: status %d and %.40q, want %d and %q", path, r.StatusCode, got, want.status, want.text)
		}
		if got := r.Header.Get("Cache-Control"); got != want.cache {
			t.Errorf("%s: Cache-Control %q, want %q", path, got, want.cache)
		}
		csp := r.Header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: policy %q", path, csp)
		}
		if r.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s may be sniffed", path)
		}
	}
}

func TestABuildWithoutPagesSaysWhatToDo(t *testing.T) {
	r := get(t, New(fstest.MapFS{".gitkeep": {}}), "/live/demo")
	if r.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body(t, r), "make build") {
		t.Errorf("status %d, without the sentence", r.StatusCode)
	}
}

func TestScriptsTravelCompressedWhereTheBrowserTakesIt(t *testing.T) {
	const path = "/assets/live-abc12.js"
	packed := get(t, site(), path, "Accept-Encoding", "br, gzip;q=0.8")
	if packed.Header.Get("Content-Encoding") != "gzip" || packed.Header.Get("Vary") != "Accept-Encoding" {
		t.Fatalf("headers %v", packed.Header)
	}
	z, err := gzip.NewReader(packed.Body)
	if err != nil {
		t.Fatal(err)
	}
	unpacked, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if plain := body(t, get(t, site(), path)); plain != string(unpacked) {
		t.Error("compressed and plain differ")
	}
	if r := get(t, site(), path, "Accept-Encoding", "gzip;q=0, br"); r.Header.Get("Content-Encoding") != "" {
		t.Error("compressed for a browser that refuses gzip")
	}
}

func TestAnUnchangedPageIsNotSentAgain(t *testing.T) {
	first := get(t, site(), "/live/demo")
	again := get(t, site(), "/live/demo", "If-None-Match", first.Header.Get("ETag"))
	if again.StatusCode != http.StatusNotModified || body(t, again) != "" {
		t.Errorf("status %d", again.StatusCode)
	}
}

func TestThePlayerPageNamesTheManifestThatBrowsersMayFetchAtOnce(t *testing.T) {
	for path, want := range map[string]string{
		"/live/demo":     "<demo/manifest.json>; rel=preload; as=fetch; crossorigin",
		"/embed/demo":    "</live/demo/manifest.json>; rel=preload; as=fetch; crossorigin",
		"/live/a%3E%3Cb": "<a%3E%3Cb/manifest.json>; rel=preload; as=fetch; crossorigin",
		"/":              "",
	} {
		if got := get(t, site(), path).Header.Get("Link"); got != want {
			t.Errorf("%s: Link %q, want %q", path, got, want)
		}
	}
}

func TestOnlyTheEmbeddedPlayerMayBeFramedAndOnlyScriptsMayBeReadElsewhere(t *testing.T) {
	for path, want := range map[string]struct{ ancestors, origin string }{
		"/":                     {"frame-ancestors 'self'", ""},
		"/live/demo":            {"frame-ancestors 'self'", ""},
		"/embed/demo":           {"frame-ancestors *", ""},
		"/player.js":            {"frame-ancestors 'self'", "*"},
		"/assets/live-abc12.js": {"frame-ancestors 'self'", "*"},
		"/embed/a/b":            {"frame-ancestors 'self'", ""},
		"/embed/demo/":          {"frame-ancestors 'self'", ""},
	} {
		r := get(t, site(), path)
		if csp := r.Header.Get("Content-Security-Policy"); !strings.HasSuffix(csp, want.ancestors) {
			t.Errorf("%s: policy %q, want %q", path, csp, want.ancestors)
		}
		if got := r.Header.Get("Access-Control-Allow-Origin"); got != want.origin {
			t.Errorf("%s: readable by %q, want %q", path, got, want.origin)
		}
	}
}

func TestAPageConnectsToItsOriginAndWhatTheOperatorNamesOnly(t *testing.T) {
	sources := func(s *Site) string {
		t.Helper()
		csp := get(t, s, "/embed/demo").Header.Get("Content-Security-Policy")
		_, rest, _ := strings.Cut(csp, "connect-src ")
		found, _, _ := strings.Cut(rest, ";")
		return found
	}
	for want, urls := range map[string][]string{
		"'self'": {"", "udp://tracker.example.org:6969", "javascript:alert(1)", "https://a.example; script-src *", "not a url"},
		"'self' https://live.example.org wss://live.example.org": {"https://live.example.org/", "https://live.example.org"},
		"'self' wss://tracker.example.org http://10.0.0.1:8080 ws://10.0.0.1:8080": {
			"wss://tracker.example.org/announce", "udp://tracker.example.org:6969", "http://10.0.0.1:8080",
		},
	} {
		if got := sources(site().ConnectTo(urls...)); got != want {
			t.Errorf("%q: %s, want %s", urls, got, want)
		}
	}
}
