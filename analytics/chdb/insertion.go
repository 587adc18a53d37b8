package chdb

import "strings"

// insertion is an INSERT whose rows come behind it.
type insertion struct {
	statement string // without FORMAT
	format    string
	data      int // where rows begin
}

// splitInsert finds the rows in an INSERT. It reports false for every other statement,
// and for an INSERT that has no rows of its own, such as INSERT … SELECT.
func splitInsert(sql string) (insertion, bool) {
	l := &lexer{sql: sql}
	t, ok := l.next()
	if !ok || !t.is("INSERT") || !l.target() {
		return insertion{}, false
	}
	for depth := 0; ; {
		t, ok := l.next()
		switch {
		case !ok:
			return insertion{}, false
		case t.value == "(" && t.kind == mark:
			depth++
		case t.value == ")" && t.kind == mark:
			depth--
		case depth != 0:
		case t.is("SELECT"), t.is("WITH"), t.is("WATCH"), t.is("INFILE"):
			return insertion{}, false
		case t.is("VALUES"):
			return insertion{sql[:t.start], "Values", t.end}, true
		case t.is("FORMAT"):
			f, ok := l.next()
			if !ok || f.kind != word {
				return insertion{}, false
			}
			return insertion{sql[:t.start], f.value, rows(sql, f.end)}, true
		}
	}
}

// asksForRows reports whether a statement is an INSERT that selects from the rows sent
// with it, by input().
func asksForRows(sql string) bool {
	l := &lexer{sql: sql}
	t, ok := l.next()
	if !ok || !t.is("INSERT") {
		return false
	}
	for input := false; ; input = t.is("input") {
		if t, ok = l.next(); !ok {
			return false
		}
		if input && t.kind == mark && t.value == "(" {
			return true
		}
	}
}

// target moves over what rows go into: a table's name may be any word, FORMAT too.
func (l *lexer) target() bool {
	t, ok := l.next()
	for ok && (t.is("INTO") || t.is("TABLE") || t.is("FUNCTION")) {
		t, ok = l.next()
	}
	for ok && (t.kind == word || t.kind == quoted) {
		at := l.at
		if dot, more := l.next(); !more || dot.kind != mark || dot.value != "." {
			l.at = at
			return true
		}
		t, ok = l.next()
	}
	return false
}

// rows moves over the space behind a format's name, to the end of its line at most:
// what follows is the format's own.
func rows(sql string, at int) int {
	for at < len(sql) && strings.IndexByte(" \t\f", sql[at]) >= 0 {
		at++
	}
	if at < len(sql) && sql[at] == '\r' {
		at++
	}
	if at < len(sql) && sql[at] == '\n' {
		at++
	}
	return at
}

// outputFormat is the format that a statement asks for, or other.
func outputFormat(sql, other string) string {
	l := &lexer{sql: sql}
	depth, format := 0, ""
	for {
		t, ok := l.next()
		switch {
		case !ok:
			if format == "" {
				return other
			}
			return format
		case t.kind == mark && t.value == "(":
			depth++
		case t.kind == mark && t.value == ")":
			depth--
		case t.kind == mark && t.value == ";", t.is("SETTINGS") && depth == 0:
			if format != "" {
				return format
			}
		case t.is("FORMAT") && depth == 0:
			at := l.at
			if f, ok := l.next(); ok && f.kind == word {
				format = f.value
			} else {
				l.at = at
			}
			continue
		default:
			format = ""
		}
	}
}
