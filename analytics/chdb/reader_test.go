package chdb

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheReadOnlyUserReads(t *testing.T) {
	e := engine(t)
	db := database(t, e)
	in := url.Values{"database": {db}}
	says(t, e, asked{query: in, body: "CREATE TABLE t (n UInt64, file String) ENGINE = MergeTree ORDER BY n AS SELECT number, 'the file' FROM numbers(3)"}, "")
	for sql, want := range map[string]string{
		"SELECT sum(n) FROM t": "3\n",
		"SELECT * FROM (SELECT n FROM t WHERE n IN (SELECT 2))":   "2\n",
		"WITH x AS (SELECT max(n) AS m FROM t) SELECT m FROM x":   "2\n",
		"SELECT count() FROM t WHERE 'file' = concat('fi', 'le')": "3\n",
		"SELECT count() FROM t /* file */ -- eval":                "3\n",
		"SHOW TABLES":    "t\n",
		"EXISTS TABLE t": "1\n",
		"SELECT name FROM system.columns WHERE database = currentDatabase() AND table = 't' ORDER BY name": "file\nn\n",
		"SELECT count() FROM numbers(10)": "10\n",
		"SELECT 1;":                       "1\n",
	} {
		says(t, e, asked{user: Reader, query: in, body: sql}, want)
	}
	says(t, e, asked{user: Reader, query: url.Values{"max_execution_time": {"5"}, "param_n": {"1"}}, body: "SELECT count() FROM " + db + ".t WHERE n > {n:UInt64}"}, "1\n")
	if res, body := ask(t, e, asked{user: Reader, query: in, body: "DESCRIBE TABLE t"}); res.StatusCode != http.StatusOK || !strings.HasPrefix(body, "n\tUInt64") {
		t.Errorf("DESCRIBE: %s %q", res.Status, body)
	}
	c := client(t, e, Reader, db)
	if err := c.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestTheReadOnlyUserChangesNothing(t *testing.T) {
	e := engine(t)
	db := database(t, e)
	in := url.Values{"database": {db}}
	says(t, e, asked{query: in, body: "CREATE TABLE t (n UInt64) ENGINE = MergeTree ORDER BY n"}, "")
	out := filepath.Join(t.TempDir(), "out")
	for _, sql := range []string{
		"INSERT INTO t VALUES (1)",
		"INSERT INTO t SELECT 1",
		"INSERT INTO t FORMAT CSV\n1\n",
		"INSERT INTO FUNCTION file('" + out + "', 'CSV', 'n UInt64') VALUES (1)",
		"CREATE TABLE u (n UInt64) ENGINE = Memory",
		"CREATE TEMPORARY TABLE u (n UInt64)",
		"CREATE FUNCTION f AS (x) -> x",
		"CREATE USER u",
		"DROP TABLE t", "TRUNCATE TABLE t", "ALTER TABLE t DELETE WHERE 1", "DELETE FROM t WHERE 1", "OPTIMIZE TABLE t", "RENAME TABLE t TO u",
		"SET readonly = 0", "SET ROLE owner", "SET ROLE ALL", "USE system", "SYSTEM FLUSH LOGS", "SYSTEM SHUTDOWN", "KILL QUERY WHERE 1",
		"EXECUTE AS default SELECT 1", "BACKUP DATABASE " + db + " TO File('" + out + "')", "ATTACH TABLE u", "DETACH TABLE t", "GRANT owner TO default",
		"SELECT 1 INTO OUTFILE '" + out + "'",
		"DROP TABLE t PARALLEL WITH DROP TABLE t",
		"EXPLAIN SELECT 1; DROP TABLE t",
		"SELECT 1; DROP TABLE t",
	} {
		res, body := ask(t, e, asked{user: Reader, query: in, body: sql})
		if res.StatusCode < 400 {
			t.Errorf("%s was done: %q", sql, body)
		}
	}
	says(t, e, asked{query: in, body: "SELECT count() FROM t"}, "0\n")
	says(t, e, asked{query: in, body: "SELECT count() FROM system.tables WHERE database = currentDatabase()"}, "1\n")
	if _, err := os.Stat(out); err == nil {
		t.Error("a file was written")
	}
}

// reaching is how one might try to read a file or reach the network.
var reaching = []string{
	"SELECT file('SECRET')",
	"SELECT `file`('SECRET')",
	`SELECT "\x66ile"('SECRET')`,
	"SELECT/**/file/**/('SECRET')",
	"SELECT arrayMap(file, ['SECRET'])",
	"SELECT arrayMap(x -> file(x), ['SECRET'])",
	"SELECT * APPLY(file) FROM (SELECT 'SECRET')",
	"SELECT * APPLY file FROM (SELECT 'SECRET')",
	"WITH file('SECRET') AS x SELECT x",
	"EXPLAIN SELECT file('SECRET')",
	"SELECT * FROM view(SELECT file('SECRET'))",
	"SELECT * FROM eval('SELECT file(''SECRET'')') SETTINGS allow_experimental_eval_table_function = 1",
	"SELECT * FROM (SELECT * FROM eval(concat('SELECT fi', 'le(''SECRET'')')) SETTINGS readonly = 0, allow_experimental_eval_table_function = 1)",
	"SELECT * FROM file('SECRET', 'LineAsString')",
	"SELECT * FROM (SELECT * FROM file('SECRET', 'LineAsString') SETTINGS readonly = 0)",
	"SELECT * FROM (SELECT * FROM filesystem('SECRET') SETTINGS readonly = 0)",
	"SELECT * FROM 'SECRET'",
	"SELECT * FROM \"SECRET\"",
	"SELECT * FROM (SELECT * FROM `SECRET` SETTINGS readonly = 0)",
	"SELECT * FROM (SELECT * FROM default.`SECRET` SETTINGS readonly = 0)",
	"SELECT * FROM {t:Identifier}",
	"SELECT * FROM (SELECT * FROM default.{t:Identifier} SETTINGS readonly = 0)",
	"DESCRIBE TABLE file('SECRET', 'LineAsString')",
	"DESCRIBE TABLE file('SECRET')",
	"DESCRIBE TABLE url('URL', 'LineAsString')",
	"DESCRIBE TABLE remote('ADDR', system.one)",
	"SELECT * FROM url('URL', 'LineAsString')",
	"SELECT * FROM (SELECT * FROM url('URL', 'LineAsString') SETTINGS readonly = 0)",
	"SELECT * FROM (SELECT * FROM s3('URLb/x', 'LineAsString') SETTINGS readonly = 0)",
	"SELECT * FROM (SELECT * FROM remote('ADDR', system.one) SETTINGS readonly = 0)",
	"SELECT * FROM (SELECT * FROM mysql('ADDR', 'a', 'b', 'c', 'd') SETTINGS readonly = 0)",
	"SELECT * FROM (SELECT * FROM postgresql('ADDR', 'a', 'b', 'c', 'd') SETTINGS readonly = 0)",
	"SELECT * FROM (SELECT * FROM executable('id', 'TSV', 'a String') SETTINGS readonly = 0)",
	"SELECT * FROM (SELECT * FROM sqlite('SECRET', 'a') SETTINGS readonly = 0)",
	"SELECT 1 FORMAT Template SETTINGS format_template_resultset = 'SECRET'",
	"SELECT * FROM (SELECT 1 SETTINGS format_template_resultset = 'SECRET') FORMAT Template",
	"SELECT catboostEvaluate('SECRET', 1)",
	"SELECT aiGenerate('x', 'y')",
	"SELECT AIGenerate('x', 'y')",
	"SELECT 1 SETTINGS max_memory_usage = 77777777",
}

func TestTheReadOnlyUserReachesNoFileAndNoNetwork(t *testing.T) {
	e := engine(t)
	const secret = "sesame open"
	path := filepath.Join(t.TempDir(), "secret.csv")
	if err := os.WriteFile(path, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	called := make(chan string, 100)
	server := httpServer(t, func(w http.ResponseWriter, r *http.Request) { called <- r.URL.String(); _, _ = w.Write([]byte(secret)) })
	fill := strings.NewReplacer("SECRET", path, "URL", server.URL+"/", "ADDR", strings.TrimPrefix(server.URL, "http://"))
	for _, sql := range reaching {
		sql = fill.Replace(sql)
		res, body := ask(t, e, asked{user: Reader, query: url.Values{"param_t": {path}}, body: sql})
		if res.StatusCode < 400 || strings.Contains(body, secret) {
			t.Errorf("%s: %s %q", sql, res.Status, clip(body))
		}
	}
	// Settings that its statements may have come by URL, and only those.
	for _, s := range []string{"readonly", "max_memory_usage", "format_template_resultset", "query_cache_tag", "allow_experimental_eval_table_function", "role"} {
		if res, body := ask(t, e, asked{user: Reader, query: url.Values{s: {"0"}}, body: "SELECT 1"}); res.StatusCode < 400 {
			t.Errorf("the setting %s was taken: %q", s, body)
		}
	}
	select {
	case u := <-called:
		t.Errorf("somebody outside was asked for %s", u)
	default:
	}
	// They are real: the owner gets there.
	if _, body := ask(t, e, asked{body: "SELECT file('" + path + "')"}); !strings.Contains(body, secret) {
		t.Errorf("the owner got %q", body)
	}
}

func TestAGETChangesNothing(t *testing.T) {
	e := engine(t)
	refuses(t, e, asked{method: http.MethodGet, query: url.Values{"query": {"CREATE DATABASE by_get"}}}, 164)
	refuses(t, e, asked{method: http.MethodGet, query: url.Values{"query": {"INSERT INTO t VALUES (1)"}}}, 164)
	refuses(t, e, asked{method: http.MethodGet, query: url.Values{"query": {"SELEC 1"}}}, 62)
}
