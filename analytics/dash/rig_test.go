package dash_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shoalcast/shoal/analytics/chdb"
	"github.com/shoalcast/shoal/analytics/chdb/chdbtest"
	"github.com/shoalcast/shoal/analytics/dash"
	"github.com/shoalcast/shoal/analytics/store"
	"github.com/shoalcast/shoal/event"
)

const (
	token = "a-token-of-26-characters-x"

	alpha event.StreamID = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	beta  event.StreamID = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

// began is when the minute began that tests know everything of.
var began = time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// stores returns a store with the schema, and one that may only read it.
func stores(t testing.TB) (owner, reader *store.Store) {
	t.Helper()
	dsn := chdbtest.Database(t)
	owner = opened(t, dsn)
	check(t, owner.CreateDatabase(t.Context()))
	check(t, owner.Migrate(t.Context()))
	u, err := url.Parse(dsn)
	check(t, err)
	return owner, opened(t, chdbtest.Engine(t).DSN(chdb.Reader, strings.TrimPrefix(u.Path, "/")))
}

func opened(t testing.TB, dsn string) *store.Store {
	t.Helper()
	s, err := store.Open(store.Options{DSN: dsn})
	check(t, err)
	t.Cleanup(func() { check(t, s.Close()) })
	return s
}

// minute is what happened in the minute: of alpha, two visits of which one stalls once, one that leaves before there is a picture,
// and a seed; of beta, one visit of another region, rendition, class and choice.
func minute() *store.Rows {
	rows := &store.Rows{}
	add := func(session string, n int64, change func(*event.Report)) {
		at := began.Add(time.Duration(n) * 5 * time.Second)
		r := store.Row{Received: at.Add(time.Second), Seq: uint64(rows.Len() + 1), Report: event.Report{
			Stream: alpha, Session: session, N: n, At: at.UnixMilli(), Event: event.OnInterval, State: event.Playing, Reporter: event.ByPage,
			Interval: 5_000, Rendition: "v0", Region: "eu", Class: "chrome-desktop", Consent: "share",
		}}
		change(&r.Report)
		rows.Add(&r)
	}
	watch := func(session string, delay int64, change func(*event.Report)) {
		for n := range int64(12) {
			add(session, n, func(r *event.Report) {
				r.Delay, r.Wanted, r.Played, r.Verified, r.Buffer = delay, 5_000, 5_000, 25, 800
				r.PeerBytes, r.SeedBytes, r.EdgeBytes, r.OriginBytes = 300_000, 100_000, 60_000, 40_000
				r.Here50, r.Here95 = 40, 90
				if n == 0 {
					r.Start = 700
				}
				change(r)
			})
		}
	}
	watch("alphaone00000000", 600, func(r *event.Report) {
		r.Neighbours = []event.Neighbour{{ID: "1a2b3c4d", Kind: "edge", RTT: 20, Goodput: 400, Late: 2}, {ID: "00000001", Kind: "peer", RTT: 5}}
	})
	watch("alphatwo00000000", 1_000, func(r *event.Report) {
		if r.N == 6 {
			r.State, r.Event, r.Stalls, r.DryMs, r.Played, r.Starved = event.Stalled, event.OnState, 1, 500, 4_500, true
		}
	})
	watch("betaone000000000", 2_000, func(r *event.Report) {
		r.Stream, r.Region, r.Class, r.Consent, r.Rendition = beta, "us", "firefox-phone", "edge", "v1"
		r.PeerBytes, r.SeedBytes, r.EdgeBytes, r.OriginBytes = 0, 0, 0, 500_000
	})
	add("alphagone0000000", 0, func(r *event.Report) { r.State, r.Event, r.Wanted = event.Quit, event.OnState, 3_000 })
	for n := range int64(12) {
		add("seedofalpha00000", n, func(r *event.Report) {
			r.Reporter, r.Class, r.Consent, r.Region = event.BySeed, "", "", ""
			r.Signed50, r.Signed95, r.Here50, r.Here95, r.PeerBytes = 90, 140, 20, 30, 7_000_000
		})
	}
	return rows
}

// client is a browser, as far as an API is one's business.
type client struct {
	t   testing.TB
	at  string
	web *http.Client
}

// serve serves a handler, to somebody who is not logged in.
func serve(t testing.TB, o dash.Options) *client {
	t.Helper()
	if o.Token == "" {
		o.Token = token
	}
	s := httptest.NewServer(dash.New(o))
	t.Cleanup(s.Close)
	return &client{t: t, at: s.URL + dash.Path, web: &http.Client{Jar: &jar{}}}
}

// jar keeps the last cookies that came.
type jar struct{ kept []*http.Cookie }

func (j *jar) SetCookies(_ *url.URL, c []*http.Cookie) { j.kept = c }
func (j *jar) Cookies(*url.URL) []*http.Cookie         { return j.kept }

// minuteOf serves the minute to somebody who is logged in.
func minuteOf(t testing.TB) *client {
	t.Helper()
	owner, reader := stores(t)
	check(t, owner.Insert(t.Context(), minute(), "minute"))
	check(t, owner.NameStream(t.Context(), alpha, "harbour"))
	check(t, owner.SetPrice(t.Context(), 50))
	c := serve(t, dash.Options{Reader: reader, Now: func() time.Time { return began.Add(10 * time.Minute) }})
	c.login()
	return c
}

func (c *client) do(method, path, body string, header ...string) (status int, text string, h http.Header) {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.at+path, strings.NewReader(body))
	check(c.t, err)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	a, err := c.web.Do(r)
	check(c.t, err)
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	check(c.t, err)
	return a.StatusCode, string(b), a.Header
}

func (c *client) login() {
	c.t.Helper()
	if status, text, _ := c.do(http.MethodPost, "login", `{"token": "`+token+`"}`); status != http.StatusNoContent {
		c.t.Fatalf("the login is answered %d %s", status, text)
	}
}

// table is what a chart answers.
type table struct {
	Columns  []string
	Rows     [][]any
	From, To int64
	Step     int
}

// ofMinute is the range of the minute.
var ofMinute = fmt.Sprintf("from=%d&to=%d", began.Unix(), began.Add(time.Minute).Unix())

func (c *client) chart(name, query string) table {
	c.t.Helper()
	status, text, _ := c.do(http.MethodGet, "chart/"+name+"?"+query, "")
	if status != http.StatusOK {
		c.t.Fatalf("chart %s?%s is answered %d %s", name, query, status, text)
	}
	var a table
	check(c.t, json.Unmarshal([]byte(text), &a))
	return a
}

// line is a row as words, its numbers to six digits.
func (a table) line(row int, columns ...string) string {
	if row >= len(a.Rows) {
		return "nothing"
	}
	var words []string
	for _, name := range columns {
		word := "no such column"
		for i, c := range a.Columns {
			if c != name {
				continue
			}
			word = fmt.Sprint(a.Rows[row][i])
			if f, ok := a.Rows[row][i].(float64); ok {
				word = fmt.Sprintf("%.6g", f)
			}
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// alike reports whether a line is as wanted: quantiles, which sketches have, to their 1 %, and all else exactly.
func alike(columns []string, got, want string) bool {
	g, w := strings.Fields(got), strings.Fields(want)
	if len(g) != len(w) || len(g) != len(columns) {
		return got == want
	}
	for i, name := range columns {
		a, err1 := strconv.ParseFloat(g[i], 64)
		b, err2 := strconv.ParseFloat(w[i], 64)
		quantile := strings.Contains(name, "p50") || strings.Contains(name, "p95")
		if g[i] != w[i] && (!quantile || err1 != nil || err2 != nil || math.Abs(a-b) > b/100) {
			return false
		}
	}
	return true
}
