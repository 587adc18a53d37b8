package dash_test

import (
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shoalcast/shoal/analytics/dash"
)

func TestTheTokenIsMadeOnceAndIsItsOwnersOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dash-token")
	first, made, err := dash.Token(path)
	check(t, err)
	if len(first) != 26 || !made {
		t.Errorf("the first is %q, made: %v", first, made)
	}
	info, err := os.Stat(path)
	check(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("others may do %v", info.Mode())
	}
	if again, made, err := dash.Token(path); again != first || made || err != nil {
		t.Errorf("the second start has %q, made: %v, %v", again, made, err)
	}
	check(t, os.WriteFile(path, []byte("1234\n"), 0o600))
	if _, _, err := dash.Token(path); err == nil || !strings.Contains(err.Error(), "longer one") {
		t.Errorf("a short one is answered %v", err)
	}
}

func TestNothingIsShownWithoutALogin(t *testing.T) {
	c := serve(t, dash.Options{})
	for _, path := range []string{"chart/viewers", "chart/nothing", "chart/tail?format=csv"} {
		if status, text, _ := c.do(http.MethodGet, path, ""); status != http.StatusUnauthorized || !strings.Contains(text, "Log in first") {
			t.Errorf("%s is answered %d %s", path, status, text)
		}
	}
	if _, text, _ := c.do(http.MethodGet, "status", ""); text != "{\"login\":false}\n" {
		t.Errorf("the status is told as %s", text)
	}
	for _, said := range []string{`{"token": ""}`, `{}`, `{"token": "` + token + `x"}`, `{"token": "' OR 1=1 --"}`} {
		if status, text, h := c.do(http.MethodPost, "login", said); status != http.StatusUnauthorized || h.Get("Set-Cookie") != "" || !strings.Contains(text, "dash-token") {
			t.Errorf("a login with %s is answered %d %s", said, status, text)
		}
	}
	for _, said := range []string{"", "token", `"` + strings.Repeat("x", 5_000) + `"`} {
		if status, _, _ := c.do(http.MethodPost, "login", said); status != http.StatusBadRequest {
			t.Errorf("a login with %.20q is answered %d", said, status)
		}
	}
	if status, _, _ := c.do(http.MethodGet, "login", ""); status == http.StatusNoContent {
		t.Error("a link logs in")
	}
}

func TestALoginLastsTwelveHoursOrUntilLogout(t *testing.T) {
	now := began
	c := serve(t, dash.Options{Now: func() time.Time { return now }})
	in := func() bool {
		_, text, _ := c.do(http.MethodGet, "status", "")
		return strings.Contains(text, `"login":true`)
	}
	c.login()
	if !in() {
		t.Fatal("the cookie opens nothing")
	}
	now = now.Add(12*time.Hour - time.Second)
	if !in() {
		t.Error("it ends before twelve hours")
	}
	if now = now.Add(time.Second); in() {
		t.Error("it lasts longer")
	}
	c.login()
	kept := c.web.Jar.Cookies(nil)
	if status, _, _ := c.do(http.MethodPost, "logout", ""); status != http.StatusNoContent {
		t.Errorf("the logout is answered %d", status)
	}
	c.web.Jar.SetCookies(nil, kept)
	if in() {
		t.Error("its cookie is still good after the logout")
	}
}

func TestOfMoreLoginsThanSixtyFourTheFirstEnds(t *testing.T) {
	now := began
	c := serve(t, dash.Options{Now: func() time.Time { return now }})
	c.login()
	first := c.web.Jar.Cookies(nil)
	for range 64 {
		now = now.Add(time.Minute)
		c.login()
	}
	if status, _, _ := c.do(http.MethodGet, "chart/viewers", ""); status == http.StatusUnauthorized {
		t.Error("the last is not logged in")
	}
	c.web.Jar.SetCookies(nil, first)
	if status, _, _ := c.do(http.MethodGet, "chart/viewers", ""); status != http.StatusUnauthorized {
		t.Errorf("the first is answered %d", status)
	}
}

func TestWhoTriesTooOftenMustWaitEvenOnThisMachine(t *testing.T) {
	now := began
	c := serve(t, dash.Options{Now: func() time.Time { return now }})
	refused := 0
	for range 30 {
		if status, text, h := c.do(http.MethodPost, "login", `{"token": "guess"}`); status == http.StatusTooManyRequests {
			refused++
			if h.Get("Retry-After") == "" || !strings.Contains(text, "wait a minute") {
				t.Errorf("it is not told to wait: %s", text)
			}
		}
	}
	if refused != 20 {
		t.Errorf("%d of 30 tries were refused, want 20", refused)
	}
	if status, _, _ := c.do(http.MethodPost, "login", `{"token": "`+token+`"}`); status != http.StatusTooManyRequests {
		t.Errorf("then the right one is answered %d", status)
	}
	now = now.Add(time.Minute)
	c.login()
}

func TestTheCookieIsForThisAPIAndNotForScripts(t *testing.T) {
	h := dash.New(dash.Options{Token: token})
	login := func(change func(*http.Request)) *http.Cookie {
		r := httptest.NewRequest(http.MethodPost, dash.Path+"login", strings.NewReader(`{"token": "`+token+`"}`))
		change(r)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		for _, c := range w.Result().Cookies() {
			return c
		}
		return nil
	}
	plain := login(func(*http.Request) {})
	if plain == nil || !plain.HttpOnly || plain.SameSite != http.SameSiteStrictMode || plain.Path != dash.Path || plain.Secure || plain.MaxAge != 12*3600 {
		t.Errorf("the cookie is %v", plain)
	}
	if c := login(func(r *http.Request) { r.TLS = &tls.ConnectionState{} }); c == nil || !c.Secure {
		t.Errorf("under TLS it is %v", c)
	}
	if c := login(func(r *http.Request) { r.Header.Set("X-Forwarded-Proto", "https") }); c == nil || !c.Secure {
		t.Errorf("behind a proxy with TLS it is %v", c)
	}
	if c := login(func(r *http.Request) { r.Header.Set("Origin", "https://elsewhere.example") }); c != nil {
		t.Errorf("another site logs in with %v", c)
	}
	if c := login(func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }); c != nil {
		t.Errorf("another site logs in with %v", c)
	}
}

func TestWithoutAnEngineTheReasonIsTold(t *testing.T) {
	ready, why := false, "Analytics is off: run make setup, then start shoal again."
	c := serve(t, dash.Options{Status: func() (bool, string) { return ready, why }})
	c.login()
	if status, text, _ := c.do(http.MethodGet, "chart/viewers", ""); status != http.StatusServiceUnavailable || !strings.Contains(text, why) {
		t.Errorf("a chart is answered %d %s", status, text)
	}
	if status, text, _ := c.do(http.MethodGet, "status", ""); status != http.StatusOK || !strings.Contains(text, why) || !strings.Contains(text, `"ready":false`) {
		t.Errorf("the status is answered %d %s", status, text)
	}
	ready = true
	if status, text, _ := c.do(http.MethodGet, "chart/viewers", ""); status != http.StatusServiceUnavailable || !strings.Contains(text, "no ClickHouse") {
		t.Errorf("a chart of nobody is answered %d %s", status, text)
	}
}

func TestWhatGoesWrongIsASentenceWithWhatToDo(t *testing.T) {
	for _, want := range []struct {
		err    error
		status int
		says   string
	}{
		{errAt("slow"), http.StatusGatewayTimeout, "choose a shorter time range"},
		{errAt("busy"), http.StatusServiceUnavailable, "try again in a moment"},
		{errAt("unready"), http.StatusServiceUnavailable, "as soon as shoal has reached it"},
		{errAt("away"), http.StatusServiceUnavailable, "see that it runs"},
		{errors.New("password=secret"), http.StatusInternalServerError, "the log of shoal says why"},
	} {
		c := serve(t, dash.Options{Reader: answers{err: want.err}})
		c.login()
		if status, text, _ := c.do(http.MethodGet, "chart/viewers", ""); status != want.status || !strings.Contains(text, want.says) || strings.Contains(text, "secret") {
			t.Errorf("%v is answered %d %s", want.err, status, text)
		}
	}
}
