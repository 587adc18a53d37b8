package dash_test

import (
	"context"
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/shoalcast/shoal/analytics/dash"
	"github.com/shoalcast/shoal/analytics/store"
)

// answers is a reader that answers everything alike.
type answers struct {
	columns []string
	rows    [][]any
	err     error
	asked   func(context.Context)
}

func (a answers) Query(ctx context.Context, _ string, _ map[string]string) ([]string, [][]any, error) {
	if a.asked != nil {
		a.asked(ctx)
	}
	return a.columns, a.rows, a.err
}

func errAt(kind string) error {
	return fmt.Errorf("ask ClickHouse: %w", map[string]error{"slow": store.ErrSlow, "busy": store.ErrBusy, "unready": store.ErrUnready, "away": store.ErrAway}[kind])
}

// nasty are values that would be more than values in SQL that is put together.
var nasty = []string{
	`' OR 1=1 --`, `' OR '1'='1`, `'; DROP TABLE reports; --`, `{x:String}`, `{stream:String}`, `\' OR 1=1 --`, `\`, `\N`, `NULL`, `''`, `"`, "`",
	"a\tb", "a\nb", "a\x00b", `%' OR 1=1`, `/* */`, `) UNION ALL SELECT 1 --`, `$1`, `?`, `@p`, `:name`,
}

func TestWhatComesFromOutsideIsComparedAndNeverRead(t *testing.T) {
	c := minuteOf(t)
	for _, field := range []string{"stream", "region", "rendition", "class"} {
		for _, value := range nasty {
			a := c.chart("summary", ofMinute+"&"+url.Values{field: {value}}.Encode())
			if got := a.line(0, "viewers", "bytes", "visits_begun"); got != "0 0 0" {
				t.Errorf("%s = %q finds %s", field, value, got)
			}
		}
	}
	for _, value := range nasty {
		if a := c.chart("visit", url.Values{"stream": {string(alpha)}, "session": {value}}.Encode()); len(a.Rows) != 0 {
			t.Errorf("a visit of the name %q has %v", value, a.Rows)
		}
		for _, field := range []string{"only", "after", "range", "from", "to", "format"} {
			query := url.Values{field: {value}}
			if status, text, _ := c.do(http.MethodGet, "chart/tail?"+query.Encode(), ""); field != "only" && status != http.StatusBadRequest {
				t.Errorf("%s = %q is answered %d %s", field, value, status, text)
			}
			if status, text, _ := c.do(http.MethodGet, "chart/visits?"+query.Encode(), ""); field != "after" && status != http.StatusBadRequest {
				t.Errorf("%s = %q is answered %d %s", field, value, status, text)
			}
		}
		if status, _, _ := c.do(http.MethodGet, "chart/"+url.PathEscape(value), ""); status != http.StatusNotFound {
			t.Errorf("a chart of the name %q is answered %d", value, status)
		}
	}
	if got := c.chart("summary", ofMinute).line(0, "viewers", "visits_begun"); got != "3 4" {
		t.Errorf("after all that there are %s", got)
	}
}

func TestEveryFilterOfEveryChartTakesAnything(t *testing.T) {
	c := minuteOf(t)
	for _, name := range dash.Names() {
		query := url.Values{"session": {"{x:String}"}}
		for _, field := range []string{"stream", "region", "rendition", "class"} {
			query.Set(field, `\' OR 1=1 -- {x:String}`)
		}
		c.chart(name, query.Encode()+"&"+ofMinute) // or the test has failed
	}
}

func TestRangesAreBounded(t *testing.T) {
	c := serve(t, dash.Options{Reader: answers{}, Now: func() time.Time { return began }})
	c.login()
	for _, bad := range []string{"from=1&to=1", "from=5&to=4", "from=1", "from=-1&to=5", "from=1&to=99999999999", "range=1y", "from=0&to=1700000000", "from=1900000000&to=1900000100"} {
		if status, text, _ := c.do(http.MethodGet, "chart/viewers?"+bad, ""); status != http.StatusBadRequest {
			t.Errorf("%s is answered %d %s", bad, status, text)
		}
	}
	if status, _, _ := c.do(http.MethodGet, "chart/viewers?stream="+strings.Repeat("x", 65), ""); status != http.StatusBadRequest {
		t.Errorf("a stream of 65 characters is answered %d", status)
	}
	for hours := 1; hours < 370*24; hours = hours*3/2 + 1 {
		a := c.chart("viewers", fmt.Sprintf("from=%d&to=%d", began.Add(-time.Duration(hours)*time.Hour).Unix(), began.Unix()))
		if points := (a.To - a.From + int64(a.Step) - 1) / int64(a.Step); points > 400 || points < 20 {
			t.Errorf("%d hours have %d points of %d s", hours, points, a.Step)
		}
		if a.From%int64(a.Step) != 0 {
			t.Errorf("points of %d s begin at %d", a.Step, a.From)
		}
	}
	for name, step := range map[string]int{"15m": 10, "1h": 60, "6h": 600, "24h": 600, "7d": 3600} {
		if a := c.chart("viewers", "range="+name); a.Step != step || a.To != began.Unix()-10 {
			t.Errorf("%s has points of %d s, until %d s ago", name, a.Step, began.Unix()-a.To)
		}
	}
}

func TestACrowdOfQuestionsIsToldToComeAgain(t *testing.T) {
	asked, end := make(chan struct{}, 100), make(chan struct{})
	c := serve(t, dash.Options{Reader: answers{asked: func(context.Context) { asked <- struct{}{}; <-end }}})
	c.login()
	statuses := make(chan int, 100)
	for range 100 {
		go func() {
			status, _, _ := c.do(http.MethodGet, "chart/viewers", "")
			statuses <- status
		}()
	}
	for range 36 { // 64 wait, four of them in ClickHouse
		if status := <-statuses; status != http.StatusServiceUnavailable {
			t.Errorf("one of too many is answered %d", status)
		}
	}
	for range 4 {
		<-asked
	}
	if len(asked) > 0 {
		t.Errorf("%d more are asked at once", len(asked))
	}
	close(end)
	for range 64 {
		<-statuses
	}
}

func TestACSVHasTheSameRowsAndNoFormulas(t *testing.T) {
	c := minuteOf(t)
	status, text, h := c.do(http.MethodGet, "chart/by-class?format=csv&"+ofMinute, "")
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	check(t, err)
	if status != http.StatusOK || len(rows) != 3 || rows[0][0] != "value" || rows[1][0] != "chrome-desktop" || rows[1][1] != "3" {
		t.Errorf("it is %d %v", status, rows)
	}
	if got := h.Get("Content-Disposition"); got != `attachment; filename="shoal-by-class-20261128T0900.csv"` || !strings.HasPrefix(h.Get("Content-Type"), "text/csv") {
		t.Errorf("it is called %s, a %s", got, h.Get("Content-Type"))
	}
	c = serve(t, dash.Options{Reader: answers{
		columns: []string{"a", "b", "c", "d", "e"},
		rows:    [][]any{{"=HYPERLINK(1)", "a,\"b\"", nil, 0.000001, []any{"-x", uint64(1)}}, {"@x", "-1", true, uint64(7), "z"}},
	}})
	c.login()
	_, text, _ = c.do(http.MethodGet, "chart/viewers?format=csv", "")
	want := "a,b,c,d,e\n'=HYPERLINK(1),\"a,\"\"b\"\"\",,0.000001,\"[\"\"-x\"\",1]\"\n'@x,'-1,true,7,z\n"
	if text != want {
		t.Errorf("it is\n%s\nwant\n%s", text, want)
	}
}
