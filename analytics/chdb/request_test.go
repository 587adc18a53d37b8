package chdb

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestAURLSaysWhatIsAsked(t *testing.T) {
	q, err := url.ParseQuery("query=SELECT+1&database=d&default_format=Native&query_id=q&param_b=2&param_a=1&z=1&a=x&a=y&compress=1&decompress=true&wait_end_of_query=1&client_protocol_version=54485&user=u&password=p&quota_key=k&network_compression_method=zstd")
	if err != nil {
		t.Fatal(err)
	}
	r, err := parseRequest(q)
	if err != nil {
		t.Fatal(err)
	}
	if r.query != "SELECT 1" || r.database != "d" || r.format != "Native" || r.id != "q" || !r.packed || !r.unpack || !r.whole || !r.zstd || r.protocol != 54485 {
		t.Errorf("read %+v", r)
	}
	if len(r.params) != 2 || r.params[0] != (param{"a", "1"}) || r.params[1] != (param{"b", "2"}) {
		t.Errorf("parameters are %v", r.params)
	}
	if len(r.settings) != 3 || r.settings[0] != (setting{"a", "y"}) || r.settings[2] != (setting{"z", "1"}) {
		t.Errorf("settings are %v", r.settings)
	}
}

func TestPasswordsAreLookedForWhereAServerLooks(t *testing.T) {
	u := users{owner: "o", reader: "r"}
	for _, c := range []struct {
		name string
		set  func(*http.Request)
		want string
	}{
		{"none", func(*http.Request) {}, ""},
		{"basic", func(r *http.Request) { r.SetBasicAuth(Owner, "o") }, Owner},
		{"headers before basic", func(r *http.Request) {
			r.SetBasicAuth(Owner, "o")
			r.Header.Set("X-ClickHouse-User", Reader)
			r.Header.Set("X-ClickHouse-Key", "r")
		}, Reader},
		{"parameters", func(r *http.Request) { r.URL.RawQuery = "user=reader&password=r" }, Reader},
		{"another's password", func(r *http.Request) { r.SetBasicAuth(Reader, "o") }, ""},
		{"no name", func(r *http.Request) { r.SetBasicAuth("", "o") }, ""},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://x/", nil)
		if err != nil {
			t.Fatal(err)
		}
		c.set(r)
		if got, err := u.login(r); got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: %q, %v, want %q", c.name, got, err, c.want)
		}
	}
}

func TestAnEnginesErrorKeepsItsCode(t *testing.T) {
	for _, c := range []struct {
		says   string
		code   code
		status int
	}{
		{"Code: 60. DB::Exception: Unknown table (UNKNOWN_TABLE)", 60, http.StatusNotFound},
		{"Code: 241. DB::Exception: (total) memory limit exceeded (MEMORY_LIMIT_EXCEEDED)", 241, http.StatusInternalServerError},
		{"Another streaming query is already active", codeEngine, http.StatusInternalServerError},
		{"", codeEngine, http.StatusInternalServerError},
	} {
		e := said(c.says)
		if e.code != c.code || e.status() != c.status || !strings.HasPrefix(e.text, "Code: ") {
			t.Errorf("%q became %d, %d, %q", c.says, e.code, e.status(), e.text)
		}
	}
}

func TestMemoryIsAQuarterOfWhatThereIsAndTwoGiBAtMost(t *testing.T) {
	for _, c := range []struct {
		meminfo, group string
		want           int64
	}{
		{"MemTotal:       24000000 kB\nMemFree: 1 kB\n", "max\n", 2 << 30},
		{"MemTotal:        4194304 kB\n", "", 1 << 30},
		{"MemTotal:       24000000 kB\n", "1073741824\n", 256 << 20},
		{"", "", 2 << 30},
		{"MemTotal: x kB", "y", 2 << 30},
	} {
		if got := share(c.meminfo, c.group); got != c.want {
			t.Errorf("%q, %q: %d, want %d", c.meminfo, c.group, got, c.want)
		}
	}
	if residentPages("5 7 1 0") != 7 || residentPages("") != 0 {
		t.Error("statm is read wrongly")
	}
}
