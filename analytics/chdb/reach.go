package chdb

import "strings"

// The read-only user's statements are held by four things: the engine's own judgement
// whether they change anything, a role without any right but to read tables, readonly=1,
// and this. Rights do not cover the functions here: `file` reads any file without one,
// eval runs SQL that nobody saw, the others call models and programs. (Settings inside a
// subquery get past readonly=1, which is why that alone would not do.)
func reaches(name string) bool {
	name = strings.ToLower(name)
	switch name {
	case "file", "eval", "catboostevaluate":
		return true
	}
	for _, f := range []string{"aiclassify", "aigenerate", "aiembed", "aiextract", "aitranslate"} {
		if strings.HasPrefix(name, f) {
			return true
		}
	}
	return false
}

// reach returns the first name in a statement by which it would reach out of the engine,
// or "". The statement must be as the engine writes it (formatQuery): then no comment,
// no escape and no kind of quote hides one.
func reach(formatted string) string {
	l := &lexer{sql: formatted}
	for {
		t, ok := l.next()
		if !ok {
			return ""
		}
		if (t.kind == word || t.kind == quoted) && reaches(t.value) {
			return t.value
		}
	}
}
