package grafana

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shoalcast/shoal/analytics/chdb"
	"github.com/shoalcast/shoal/analytics/chdb/chdbtest"
	"github.com/shoalcast/shoal/analytics/store"
	"github.com/shoalcast/shoal/event"
)

func TestMain(m *testing.M) { os.Exit(chdbtest.Main(m)) }

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// board is a dashboard as far as it asks something.
type board struct {
	UID, Title string
	Templating struct {
		List []struct{ Name, Type, Query string }
	}
	Panels []struct {
		ID          int
		Type, Title string
		Description string
		Datasource  struct{ Type, UID string }
		GridPos     struct{ X, Y, W, H int }
		Targets     []struct {
			RawSQL string `json:"rawSql"`
			Format int
		}
	}
}

func boards(t *testing.T) map[string]board {
	t.Helper()
	names, err := filepath.Glob("*.json")
	check(t, err)
	out := map[string]board{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		check(t, err)
		var b board
		check(t, json.Unmarshal(text, &b))
		out[name] = b
	}
	return out
}

const (
	stream  event.StreamID = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	session string         = "alphaone00000000"
)

// began is when what is in the tests' tables began.
var began = time.Now().Add(-30 * time.Minute).Truncate(time.Minute)

// reader returns what reads tables with a visit, what it had from a seed and an edge, and a seed.
func reader(t *testing.T) *store.Store {
	t.Helper()
	dsn := chdbtest.Database(t)
	open := func(dsn string) *store.Store {
		s, err := store.Open(store.Options{DSN: dsn})
		check(t, err)
		t.Cleanup(func() { check(t, s.Close()) })
		return s
	}
	owner := open(dsn)
	check(t, owner.CreateDatabase(t.Context()))
	check(t, owner.Migrate(t.Context()))
	check(t, owner.NameStream(t.Context(), stream, "harbour"))
	rows := &store.Rows{}
	for n := range int64(24) {
		at := began.Add(time.Duration(n) * 5 * time.Second)
		r := event.Report{
			Stream: stream, Session: session, N: n, At: at.UnixMilli(), State: event.Playing, Reporter: event.ByPage, Interval: 5_000, Wanted: 5_000, Played: 5_000, Delay: 700,
			PeerBytes: 3e5, SeedBytes: 1e5, OriginBytes: 1e5, Rendition: "v0", Region: "eu", Class: "chrome-desktop", Consent: "share", Here50: 40, Here95: 80, Start: max(0, 700-n*700),
			Neighbours: []event.Neighbour{{ID: "90ab12cd", Kind: "seed", RTT: 20, Goodput: 300, Late: 1}, {ID: "ed6e0001", Kind: "edge", RTT: 9, Goodput: 200}},
		}
		rows.Add(&store.Row{Report: r, Received: at, Seq: uint64(2 * n)})
		seed := event.Report{Stream: stream, Session: "seed000000000000", N: n, At: at.UnixMilli(), Reporter: event.BySeed, Rendition: "v0", Signed50: 90, Signed95: 140, Here50: 5, Here95: 9, Given: 1e6}
		rows.Add(&store.Row{Report: seed, Received: at, Seq: uint64(2*n + 1)})
	}
	check(t, owner.Insert(t.Context(), rows, "all"))
	u, err := url.Parse(dsn)
	check(t, err)
	return open(chdbtest.Engine(t).DSN(chdb.Reader, strings.TrimPrefix(u.Path, "/")))
}

// What the plugin makes of its macros, and Grafana of variables.
var (
	conditional = regexp.MustCompile(`\$__conditionalAll\(((?:[^()]|\([^()]*\))*), \$(\w+)\)`)
	timeFilter  = regexp.MustCompile(`\$__timeFilter\(([^()]*)\)`)
	interval    = regexp.MustCompile(`\$__timeInterval\(([^()]*)\)`)
	variable    = regexp.MustCompile(`\$\{(\w+):singlequote\}`)
)

var chosen = map[string]string{"stream": string(stream), "one": string(stream), "session": session, "region": "eu", "class": "chrome-desktop"}

// expanded is SQL as it reaches ClickHouse, for the last hour, with everything chosen or one of each.
func expanded(t *testing.T, sql string, everything bool) string {
	t.Helper()
	from, to := fmt.Sprintf("toDateTime(%d)", began.Add(-30*time.Minute).Unix()), fmt.Sprintf("toDateTime(%d)", began.Add(30*time.Minute).Unix())
	if everything {
		sql = conditional.ReplaceAllString(sql, "1=1")
	}
	sql = conditional.ReplaceAllString(sql, "$1")
	sql = timeFilter.ReplaceAllString(sql, "$1 >= "+from+" AND $1 <= "+to)
	sql = interval.ReplaceAllString(sql, "toStartOfInterval(toDateTime($1), INTERVAL 60 second)")
	sql = strings.NewReplacer("$__fromTime", from, "$__toTime", to, "$__interval_s", "60").Replace(sql)
	sql = variable.ReplaceAllStringFunc(sql, func(v string) string {
		value, ok := chosen[variable.FindStringSubmatch(v)[1]]
		if !ok {
			t.Errorf("%s names no variable", v)
		}
		return "'" + value + "'"
	})
	if strings.Contains(sql, "$") {
		t.Errorf("something is left to expand in\n%s", sql)
	}
	return sql
}

func TestEveryPanelShowsSomething(t *testing.T) {
	s := reader(t)
	asked := 0
	ask := func(what, sql string) []string {
		t.Helper()
		var columns []string
		for _, everything := range []bool{true, false} {
			asked++
			full := expanded(t, sql, everything)
			c, rows, err := s.Query(t.Context(), full, nil)
			if err != nil {
				t.Errorf("%s: %v\n%s", what, err, full)
				return nil
			}
			if len(rows) == 0 {
				t.Errorf("%s: there is nothing to see\n%s", what, full)
			}
			columns = c
		}
		return columns
	}
	for name, b := range boards(t) {
		for _, v := range b.Templating.List {
			if v.Type == "query" {
				ask(name+", variable "+v.Name, v.Query)
			}
		}
		for _, p := range b.Panels {
			for _, target := range p.Targets {
				columns := ask(name+", panel "+p.Title, target.RawSQL)
				if p.Type == "timeseries" && (target.Format != 0 || !slices.Contains(columns, "time")) {
					t.Errorf("%s, panel %s: a series of format %d has %v", name, p.Title, target.Format, columns)
				}
			}
		}
	}
	if asked < 80 {
		t.Errorf("%d questions were asked, there are more", asked)
	}
}

func TestBoardsCanBeImportedBesideEachOther(t *testing.T) {
	uids := map[string]string{}
	for name, b := range boards(t) {
		if other := uids[b.UID]; b.UID == "" || other != "" {
			t.Errorf("%s has the uid %q, as has %s", name, b.UID, other)
		}
		uids[b.UID] = name
		known := map[string]bool{}
		for _, v := range b.Templating.List {
			known[v.Name] = true
		}
		ids := map[int]bool{}
		for _, p := range b.Panels {
			if ids[p.ID] || p.Title == "" || p.Description == "" {
				t.Errorf("%s, panel %d: it has the id of another, or says not what it is", name, p.ID)
			}
			ids[p.ID] = true
			if p.Datasource.Type != "grafana-clickhouse-datasource" || p.Datasource.UID != "${datasource}" {
				t.Errorf("%s, panel %s asks %v", name, p.Title, p.Datasource)
			}
			if p.GridPos.X+p.GridPos.W > 24 {
				t.Errorf("%s, panel %s stands out of the grid", name, p.Title)
			}
			for _, target := range p.Targets {
				for _, m := range variable.FindAllStringSubmatch(target.RawSQL, -1) {
					if !known[m[1]] {
						t.Errorf("%s, panel %s uses %s, which the board has not", name, p.Title, m[1])
					}
				}
			}
		}
	}
	if len(uids) != 4 {
		t.Errorf("there are %d boards", len(uids))
	}
}
