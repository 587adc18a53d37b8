package chdb

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// asked is a request as curl would make it.
type asked struct {
	method string // POST if empty
	user   string // Owner if empty
	query  url.Values
	body   string
	header http.Header
}

// ask makes a request and returns the answer with its whole body.
func ask(t testing.TB, e *Engine, a asked) (*http.Response, string) {
	t.Helper()
	if a.method == "" {
		a.method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(t.Context(), a.method, "http://"+e.Addr()+"/?"+a.query.Encode(), strings.NewReader(a.body))
	if err != nil {
		t.Fatal(err)
	}
	switch a.user {
	case "", Owner:
		r.SetBasicAuth(Owner, e.orders.Password)
	case Reader:
		r.SetBasicAuth(Reader, e.orders.ReaderPassword)
	}
	for k, v := range a.header {
		r.Header[k] = v
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

// says fails the test unless the answer is 200 with the body.
func says(t testing.TB, e *Engine, a asked, want string) {
	t.Helper()
	if res, body := ask(t, e, a); res.StatusCode != http.StatusOK || body != want {
		t.Errorf("%v %q: got %s %q, want %q", a.query, clip(a.body), res.Status, clip(body), want)
	}
}

// refuses fails the test unless the answer is an error with the code.
func refuses(t testing.TB, e *Engine, a asked, want int) string {
	t.Helper()
	res, body := ask(t, e, a)
	if res.StatusCode < 400 || res.Header.Get("X-ClickHouse-Exception-Code") != fmt.Sprint(want) || !strings.HasPrefix(body, fmt.Sprintf("Code: %d. ", want)) {
		t.Errorf("%v %q: got %s, code %s, %q, want code %d", a.query, clip(a.body), res.Status, res.Header.Get("X-ClickHouse-Exception-Code"), clip(body), want)
	}
	return body
}

func TestCurlGetsWhatAServerWouldAnswer(t *testing.T) {
	e := engine(t)
	res, err := http.Get("http://" + e.Addr() + "/ping")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, _ := io.ReadAll(res.Body); string(body) != "Ok.\n" {
		t.Errorf("ping: %q", body)
	}
	says(t, e, asked{method: http.MethodGet, query: url.Values{"query": {"SELECT 1"}}}, "1\n")
	says(t, e, asked{body: "SELECT 1, 'a'"}, "1\ta\n")
	says(t, e, asked{query: url.Values{"query": {"SELECT 1,"}}, body: "2"}, "1\t2\n")
	says(t, e, asked{query: url.Values{"default_format": {"JSONEachRow"}}, body: "SELECT 1 AS a"}, "{\"a\":1}\n")
	says(t, e, asked{query: url.Values{"param_x": {"7"}}, body: "SELECT {x:UInt8} * 6"}, "42\n")
	says(t, e, asked{query: url.Values{"wait_end_of_query": {"1"}}, body: "SELECT count() FROM numbers(10)"}, "10\n")
	says(t, e, asked{query: url.Values{"database": {"system"}}, body: "SELECT count() FROM one"}, "1\n")
	says(t, e, asked{body: "SHOW TABLES FROM system LIKE 'one'"}, "one\n")
	refuses(t, e, asked{query: url.Values{"database": {"no`such"}}, body: "SELECT 1"}, 81)

	answer, _ := ask(t, e, asked{query: url.Values{"query_id": {"mine"}}, body: "SELECT 1 FORMAT JSON"})
	for k, want := range map[string]string{
		"X-Clickhouse-Format": "JSON", "X-Clickhouse-Query-Id": "mine", "Content-Type": "application/json; charset=UTF-8", "X-Clickhouse-Timezone": "UTC",
	} {
		if got := answer.Header.Get(k); got != want {
			t.Errorf("%s is %q, want %q", k, got, want)
		}
	}
	if answer, _ := ask(t, e, asked{body: "SELECT 1"}); answer.Header.Get("X-Clickhouse-Query-Id") == "" {
		t.Error("a statement has no id")
	}
}

func TestRowsComeFromWhereverTheyStand(t *testing.T) {
	e := engine(t)
	db := database(t, e)
	in := url.Values{"database": {db}}
	says(t, e, asked{query: in, body: "CREATE TABLE format (n UInt64, s String) ENGINE = MergeTree ORDER BY n"}, "")
	with := func(query string) url.Values { return url.Values{"database": {db}, "query": {query}} }
	says(t, e, asked{query: in, body: "INSERT INTO format VALUES (1, 'values; FORMAT CSV')"}, "")
	says(t, e, asked{query: with("INSERT INTO format VALUES"), body: "(2, 'body')"}, "")
	says(t, e, asked{query: in, body: "INSERT INTO format (s, n) FORMAT JSONEachRow\n{\"n\":3,\"s\":\"json\"}\n"}, "")
	says(t, e, asked{query: with("INSERT INTO format SETTINGS max_block_size = 10 FORMAT CSV"), body: "4,csv\n"}, "")
	says(t, e, asked{query: with("INSERT INTO format SELECT 5, 'select'")}, "")
	says(t, e, asked{query: with("INSERT INTO format SELECT 7 - 1,"), body: "'both' -- split"}, "")
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = io.WriteString(z, "INSERT INTO format FORMAT TSV\n7\tgzip\n")
	_ = z.Close()
	says(t, e, asked{query: in, body: zipped.String(), header: http.Header{"Content-Encoding": {"gzip"}}}, "")
	says(t, e, asked{query: in, body: "SELECT n, s FROM format ORDER BY n"}, "1\tvalues; FORMAT CSV\n2\tbody\n3\tjson\n4\tcsv\n5\tselect\n6\tboth\n7\tgzip\n")

	refuses(t, e, asked{query: with("INSERT INTO format SELECT * FROM input('n UInt64, s String') FORMAT CSV"), body: "8,input\n"}, 48)
	refuses(t, e, asked{query: with("INSERT INTO format FORMAT CSV"), body: "x,y,z\n"}, 27)
	refuses(t, e, asked{query: with("INSERT INTO nowhere FORMAT CSV"), body: "1,y\n"}, 60)
	refuses(t, e, asked{query: with("INSERT INTO format FORMAT NoSuch"), body: "1,y\n"}, 73)
	says(t, e, asked{query: in, body: "SELECT count() FROM format"}, "7\n")
}

func TestNoStatementWaitsForAKeyboard(t *testing.T) {
	says(t, engine(t), asked{body: "SELECT count() FROM file('-', 'LineAsString')"}, "0\n")
}

func TestALongInsertIsStreamed(t *testing.T) {
	e := engine(t)
	db := database(t, e)
	in := url.Values{"database": {db}}
	says(t, e, asked{query: in, body: "CREATE TABLE t (n UInt64) ENGINE = MergeTree ORDER BY n"}, "")
	const n = 1_000_000
	body := strings.Repeat("123456789\n", n)
	res, _ := ask(t, e, asked{query: url.Values{"database": {db}, "query": {"INSERT INTO t FORMAT TSV"}}, body: body})
	if s := res.Header.Get("X-ClickHouse-Summary"); !strings.Contains(s, `"written_rows":"1000000"`) {
		t.Errorf("the summary is %q", s)
	}
	says(t, e, asked{query: in, body: "SELECT count(), sum(n) FROM t"}, "1000000\t123456789000000\n")
}

func TestRequestsThatMeanNothingGetASentenceAndCostNothing(t *testing.T) {
	e := engine(t)
	for _, c := range []struct {
		name string
		asked
		code int
	}{
		{"nothing", asked{}, 62},
		{"space", asked{body: " \n"}, 62},
		{"a session", asked{query: url.Values{"session_id": {"x"}}, body: "SELECT 1"}, 48},
		{"a setting that is none", asked{query: url.Values{"no_such": {"1"}}, body: "SELECT 1"}, 115},
		{"a setting with SQL in its name", asked{query: url.Values{"max_threads = 1, readonly": {"1"}}, body: "SELECT 1"}, 115},
		{"a setting with a senseless value", asked{query: url.Values{"max_threads": {"many'"}}, body: "SELECT 1"}, 27},
		{"a format with SQL in it", asked{query: url.Values{"default_format": {"CSV SETTINGS x=1"}}, body: "SELECT 1"}, 36},
		{"an id with a line break", asked{query: url.Values{"query_id": {"a\r\nX: y"}}, body: "SELECT 1"}, 36},
		{"a parameter that is missing", asked{body: "SELECT {x:UInt8}"}, 456},
		{"a parameter of another type", asked{query: url.Values{"param_x": {"a"}}, body: "SELECT {x:UInt8}"}, 457},
		{"two statements", asked{body: "SELECT 1; SELECT 2"}, 62},
		{"too much SQL", asked{body: "SELECT '" + strings.Repeat("x", maxText) + "'"}, 229},
		{"an unknown encoding", asked{body: "SELECT 1", header: http.Header{"Content-Encoding": {"br"}}}, 48},
		{"gzip that is none", asked{body: "SELECT 1", header: http.Header{"Content-Encoding": {"gzip"}}}, 36},
		{"blocks that are none", asked{query: url.Values{"decompress": {"1"}}, body: "SELECT 1, 2, 3, 4, 5, 6, 7, 8"}, 36},
		{"an INSERT without rows", asked{body: "INSERT INTO t"}, 62},
		{"bytes", asked{body: "\x00\xff\xfe"}, 62},
	} {
		t.Run(c.name, func(t *testing.T) { refuses(t, e, c.asked, c.code) })
	}
	says(t, e, asked{body: "SELECT 1"}, "1\n")
	for _, raw := range []string{"nonsense\r\n\r\n", "GET / HTTP/9\r\n\r\n", "POST /elsewhere HTTP/1.1\r\nHost: x\r\n\r\n", "GET /?%zz HTTP/1.1\r\nHost: x\r\n\r\n"} {
		c, err := net.Dial("tcp", e.Addr())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, raw)
		if half, ok := c.(*net.TCPConn); ok {
			_ = half.CloseWrite()
		}
		if answer, _ := io.ReadAll(c); !bytes.HasPrefix(answer, []byte("HTTP/1.1 4")) && !bytes.HasPrefix(answer, []byte("HTTP/1.1 5")) {
			t.Errorf("%q was answered by %q", raw, answer)
		}
		_ = c.Close()
	}
}

func TestOnlyWhoHasThePasswordGetsIn(t *testing.T) {
	e := engine(t)
	head := func(k ...string) http.Header {
		h := http.Header{}
		for i := 0; i < len(k); i += 2 {
			h.Set(k[i], k[i+1])
		}
		return h
	}
	ok := []asked{
		{user: Owner, body: "SELECT 1"},
		{user: Reader, body: "SELECT 1"},
		{user: "none", header: head("X-ClickHouse-User", Owner, "X-ClickHouse-Key", e.orders.Password), body: "SELECT 1"},
		{user: "none", query: url.Values{"user": {Reader}, "password": {e.orders.ReaderPassword}}, body: "SELECT 1"},
	}
	for _, a := range ok {
		says(t, e, a, "1\n")
	}
	for _, a := range []asked{
		{user: "none", body: "SELECT 1"},
		{user: "none", header: head("X-ClickHouse-User", Owner), body: "SELECT 1"},
		{user: "none", header: head("X-ClickHouse-User", Reader, "X-ClickHouse-Key", e.orders.Password), body: "SELECT 1"},
		{user: "none", query: url.Values{"user": {Owner}, "password": {e.orders.ReaderPassword}}, body: "SELECT 1"},
		{user: "none", query: url.Values{"user": {"default"}}, body: "SELECT 1"},
		{user: Owner, header: head("X-ClickHouse-User", Owner, "X-ClickHouse-Key", "wrong"), body: "SELECT 1"},
	} {
		refuses(t, e, a, 516)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	e := engine(t)
	refuses(t, e, asked{query: url.Values{"max_memory_usage": {"0"}}, body: "SELECT length(groupArray(toString(number))) FROM numbers(100000000)"}, 241)
	says(t, e, asked{body: "SELECT 1"}, "1\n")
	if rss := e.watch.resident(); rss < 50<<20 || rss > 1600<<20 {
		t.Errorf("the process has %.0f MiB, with a bound of 1024 for the engine", rss/(1<<20))
	}
}

func TestSixteenAtOnceGetTheirOwnAnswers(t *testing.T) {
	e := engine(t)
	type answer struct{ want, got string }
	answers := make(chan answer)
	for i := range 16 {
		go func() {
			_, body := ask(t, e, asked{query: url.Values{"max_block_size": {fmt.Sprint(1000 + i)}}, body: "SELECT sum(number), getSetting('max_block_size') FROM numbers(300000)"})
			answers <- answer{fmt.Sprintf("44999850000\t%d\n", 1000+i), body}
		}()
	}
	var wrong []answer
	for range 16 {
		if a := <-answers; a.got != a.want {
			wrong = append(wrong, a)
		}
	}
	if wrong = slices.Clip(wrong); len(wrong) > 0 {
		t.Errorf("wrong: %q", wrong)
	}
}
