package chdb

import (
	"strings"
	"testing"
)

func TestTheRowsOfAnInsertAreFound(t *testing.T) {
	for _, c := range []struct{ sql, statement, format, rows string }{
		{"INSERT INTO t VALUES (1)", "INSERT INTO t ", "Values", " (1)"},
		{"insert into t (a, b) format Native \n\x01\x02", "insert into t (a, b) ", "Native", "\x01\x02"},
		{"INSERT INTO t FORMAT CSV\r\n\n1", "INSERT INTO t ", "CSV", "\n1"},
		{"INSERT INTO t FORMAT CSV", "INSERT INTO t ", "CSV", ""},
		{"INSERT INTO TABLE d.`FORMAT` SETTINGS a = 'FORMAT x', b = 2 FORMAT JSONEachRow {}", "INSERT INTO TABLE d.`FORMAT` SETTINGS a = 'FORMAT x', b = 2 ", "JSONEachRow", "{}"},
		{"INSERT INTO format FORMAT TSV 1", "INSERT INTO format ", "TSV", "1"},
		{"INSERT INTO values VALUES (1)", "INSERT INTO values ", "Values", " (1)"},
		{"INSERT INTO FUNCTION null('a FORMAT x') VALUES (1)", "INSERT INTO FUNCTION null('a FORMAT x') ", "Values", " (1)"},
		{"-- FORMAT x\nINSERT /* VALUES */ INTO t # SELECT\n FORMAT TSV\n1", "-- FORMAT x\nINSERT /* VALUES */ INTO t # SELECT\n ", "TSV", "1"},
		{"INSERT INTO t (format, values) VALUES ('SELECT')", "INSERT INTO t (format, values) ", "Values", " ('SELECT')"},
		{"INSERT INTO t (`it''s`, \"a\"\"b\", 'x\\'y') FORMAT A\nb", "INSERT INTO t (`it''s`, \"a\"\"b\", 'x\\'y') ", "A", "b"},
		{"INSERT INTO t SETTINGS a = $x$ FORMAT $x$ FORMAT A\nb", "INSERT INTO t SETTINGS a = $x$ FORMAT $x$ ", "A", "b"},
	} {
		in, ok := splitInsert(c.sql)
		if !ok || in.statement != c.statement || in.format != c.format || c.sql[in.data:] != c.rows {
			t.Errorf("%q: %v, %+v", c.sql, ok, in)
		}
	}
}

func TestWhatHasNoRowsOfItsOwnIsLeftWhole(t *testing.T) {
	for _, sql := range []string{
		"", ";", "SELECT 1 FORMAT CSV", "INSERT", "INSERT INTO", "INSERT INTO t", "INSERT INTO t SELECT 1 FORMAT CSV", "INSERT INTO t WITH 1 AS x SELECT x",
		"INSERT INTO t FROM INFILE 'x' FORMAT CSV", "INSERT INTO t (SELECT 1) ", "INSERT INTO t FORMAT", "INSERT INTO t FORMAT 'x'", "INSERT INTO d. VALUES",
		"EXPLAIN INSERT INTO t VALUES (1)", "CREATE TABLE t (a String DEFAULT 'INSERT INTO t VALUES')", "INSERT INTO t 'VALUES", "INSERT INTO t /* VALUES",
	} {
		if in, ok := splitInsert(sql); ok {
			t.Errorf("%q was taken apart: %+v", sql, in)
		}
	}
}

func TestAnInsertThatSelectsFromItsRowsIsKnown(t *testing.T) {
	for sql, want := range map[string]bool{
		"INSERT INTO t SELECT * FROM input('a UInt8') FORMAT CSV 1": true,
		"INSERT INTO t SELECT * FROM INPUT /**/ ('a UInt8')":        true,
		"INSERT INTO t SELECT input FROM u":                         false,
		"INSERT INTO t SELECT 'input('":                             false,
		"SELECT * FROM input('a UInt8')":                            false,
		"":                                                          false,
	} {
		if got := asksForRows(sql); got != want {
			t.Errorf("%q: %v", sql, got)
		}
	}
}

func TestTheFormatOfAnAnswerIsTheStatements(t *testing.T) {
	for sql, want := range map[string]string{
		"SELECT 1":                                        "Other",
		"SELECT 1 FORMAT JSON":                            "JSON",
		"SELECT 1 format JSON;":                           "JSON",
		"SELECT 1 FORMAT JSON SETTINGS a = 1":             "JSON",
		"SELECT 1 SETTINGS a = 1 FORMAT CSV":              "CSV",
		"SELECT format FROM t":                            "Other",
		"SELECT 'x FORMAT CSV'":                           "Other",
		"SELECT * FROM (SELECT 1 FORMAT CSV)":             "Other",
		"SELECT formatReadableSize(1) FORMAT Vertical --": "Vertical",
		"SELECT 1 FORMAT":                                 "Other",
	} {
		if got := outputFormat(sql, "Other"); got != want {
			t.Errorf("%q: %s, want %s", sql, got, want)
		}
	}
}

func TestNamesThatReachOutAreFoundAndStringsAreNot(t *testing.T) {
	for sql, want := range map[string]string{
		"SELECT file('x')":                           "file",
		"SELECT * APPLY(file) FROM t":                "file",
		"SELECT 1 AS `file`":                         "file",
		"SELECT 'it\\'s a file' AS x":                "",
		"SELECT `my file`, files, profile FROM t":    "",
		"SELECT * FROM eval('SELECT 1')":             "eval",
		"SELECT AIGenerate('a')":                     "AIGenerate",
		"SELECT aiEmbedSomethingNew('a')":            "aiEmbedSomethingNew",
		"SELECT concat('fi', 'le'), main, ai FROM t": "",
	} {
		if got := reach(sql); got != want {
			t.Errorf("%q: %q, want %q", sql, got, want)
		}
	}
}

func TestQuotedValuesStayOneString(t *testing.T) {
	for _, value := range []string{"", "a", "it's", `\`, `\'`, "'; DROP TABLE t; --", "line\nbreak", "\x00", "ü"} {
		sql := setStatement([]setting{{"a", value}, {"b", value}})
		var kinds []string
		l := &lexer{sql: sql}
		for {
			tok, ok := l.next()
			if !ok {
				break
			}
			if tok.kind == text && tok.value != value {
				t.Errorf("%q is written %q", value, sql)
			}
			if tok.kind == text {
				kinds = append(kinds, "text")
			} else {
				kinds = append(kinds, tok.value)
			}
		}
		if got := strings.Join(kinds, " "); got != "SET a = text , b = text" {
			t.Errorf("%q makes %q: %s", value, sql, got)
		}
	}
}

func FuzzSQL(f *testing.F) {
	for _, sql := range []string{
		"INSERT INTO t VALUES (1)", "INSERT INTO a.`b` (x, \"y\") SETTINGS a = 'b' FORMAT CSV\r\n1,2", "SELECT 1 FORMAT JSON SETTINGS a = 1;",
		"SELECT $a$ x $a$ -- c\n# d\n/* e */ 'f''\\'' `g` 0xff 1e5", "INSERT INTO FUNCTION file('x') FORMAT Native \n\x00", "'", "$", "/*", "`\\",
	} {
		f.Add(sql)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		end := 0
		for l := (&lexer{sql: sql}); ; {
			tok, ok := l.next()
			if !ok {
				break
			}
			if tok.start < end || tok.end <= tok.start || tok.end > len(sql) {
				t.Fatalf("a token is at %d to %d, after %d of %d", tok.start, tok.end, end, len(sql))
			}
			end = tok.end
		}
		reach(sql)
		outputFormat(sql, "x")
		asksForRows(sql)
		in, ok := splitInsert(sql)
		if !ok {
			return
		}
		if !strings.HasPrefix(sql, in.statement) || in.data < len(in.statement) || in.data > len(sql) || !name.MatchString(in.format) && len(in.format) < 100 {
			t.Fatalf("%q became %+v", sql, in)
		}
		// With its rows elsewhere it is the same.
		again, ok := splitInsert(sql[:in.data])
		if !ok || again.statement != in.statement || again.format != in.format {
			t.Fatalf("%q became %+v, without rows %+v", sql, in, again)
		}
	})
}
