package chdb

import "strings"

// kind is the kind of a token of ClickHouse's SQL.
type kind int

const (
	word   kind = iota // a keyword or a name without quotes
	quoted             // a name in quotes
	text               // a string
	mark               // a number, an operator, a bracket
)

// token is a piece of SQL; comments and space are none.
type token struct {
	kind       kind
	start, end int
	value      string // of names, without quotes and with escapes resolved
}

// is reports whether the token is a keyword.
func (t token) is(keyword string) bool { return t.kind == word && strings.EqualFold(t.value, keyword) }

// lexer finds tokens. What is not closed reaches to the end; there are no errors: the
// engine judges what it is given.
type lexer struct {
	sql string
	at  int
}

func (l *lexer) next() (token, bool) {
	l.skip()
	if l.at >= len(l.sql) {
		return token{}, false
	}
	start := l.at
	switch c := l.sql[start]; {
	case letter(c):
		for l.at < len(l.sql) && (letter(l.sql[l.at]) || digit(l.sql[l.at]) || l.sql[l.at] == '$') {
			l.at++
		}
		return token{word, start, l.at, l.sql[start:l.at]}, true
	case c == '\'', c == '"', c == '`':
		k, value := quoted, l.quote(c)
		if c == '\'' {
			k = text
		}
		return token{k, start, l.at, value}, true
	case c == '$':
		if l.heredoc() {
			return token{text, start, l.at, ""}, true
		}
	case digit(c):
		// Names that follow a digit are part of the number: 0xff, 1e6.
		for l.at < len(l.sql) && (letter(l.sql[l.at]) || digit(l.sql[l.at])) {
			l.at++
		}
		return token{mark, start, l.at, ""}, true
	}
	l.at++
	return token{mark, start, l.at, l.sql[start:l.at]}, true
}

// skip moves over space and comments.
func (l *lexer) skip() {
	for l.at < len(l.sql) {
		rest := l.sql[l.at:]
		switch {
		case strings.IndexByte(" \t\n\r\f\v", rest[0]) >= 0:
			l.at++
		case strings.HasPrefix(rest, "--"), strings.HasPrefix(rest, "# "), strings.HasPrefix(rest, "#!"):
			l.to(strings.IndexByte(rest, '\n'), 1)
		case strings.HasPrefix(rest, "/*"):
			l.to(strings.Index(rest, "*/"), 2)
		default:
			return
		}
	}
}

// to moves by n and what stands there, or to the end if n is negative.
func (l *lexer) to(n, width int) {
	if n < 0 {
		l.at = len(l.sql)
		return
	}
	l.at += n + width
}

// quote moves over what is in quotes and returns it. A quote inside is doubled or has a
// backslash before it.
func (l *lexer) quote(q byte) string {
	var b strings.Builder
	for l.at++; l.at < len(l.sql); l.at++ {
		c := l.sql[l.at]
		switch {
		case c == '\\' && l.at+1 < len(l.sql):
			l.at++
			b.WriteByte(l.sql[l.at])
		case c != q:
			b.WriteByte(c)
		case l.at+1 < len(l.sql) && l.sql[l.at+1] == q:
			l.at++
			b.WriteByte(q)
		default:
			l.at++
			return b.String()
		}
	}
	return b.String()
}

// heredoc moves over $tag$ … $tag$, if that is what begins here.
func (l *lexer) heredoc() bool {
	rest := l.sql[l.at:]
	n := 1
	for n < len(rest) && (letter(rest[n]) || digit(rest[n])) {
		n++
	}
	if n >= len(rest) || rest[n] != '$' {
		return false
	}
	tag := rest[:n+1]
	end := strings.Index(rest[len(tag):], tag)
	if end < 0 {
		return false
	}
	l.at += len(tag) + end + len(tag)
	return true
}

func letter(c byte) bool { return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' }
func digit(c byte) bool  { return c >= '0' && c <= '9' }
