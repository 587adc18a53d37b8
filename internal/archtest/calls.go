package archtest

import (
	"go/ast"
	"slices"
)

// calls lists names of packages that are not to be used, except in the folders given.
// Only the program's own files are bound, or only tests.
var calls = []struct {
	pkg   string
	names []string
	homes []string
	tests bool // binds tests instead of the program
	why   string
}{
	{
		pkg: "os", names: []string{"Getenv", "LookupEnv", "Environ", "ExpandEnv", "Args"}, homes: []string{"cmd", "bench"},
		why: "only commands read arguments and environment; the rest is told what it needs, so that tests and other programs can",
	},
	{
		pkg: "os", names: []string{"Exit"}, homes: []string{"cmd", "bench"},
		why: "only a command ends the process: elsewhere it would leave others' work unfinished and deferred calls undone",
	},
	{
		pkg: "os/signal", names: []string{"Notify", "NotifyContext", "Ignore"}, homes: []string{"cmd", "bench"},
		why: "only a command decides what a signal means",
	},
	{
		pkg: "log/slog", names: []string{"Default", "SetDefault", "Debug", "Info", "Warn", "Error", "DebugContext", "InfoContext", "WarnContext", "ErrorContext"},
		why: "logs go to the *slog.Logger that a package is handed, so that a test or a second instance has its own",
	},
	{
		pkg:   "github.com/prometheus/client_golang/prometheus",
		names: []string{"MustRegister", "Register", "DefaultRegisterer", "DefaultGatherer"},
		why:   "metrics go to the registerer that a package is handed, so that two instances fit into one test",
	},
	{
		pkg:   "github.com/prometheus/client_golang/prometheus/promauto",
		names: []string{"NewCounter", "NewCounterVec", "NewCounterFunc", "NewGauge", "NewGaugeVec", "NewGaugeFunc", "NewHistogram", "NewHistogramVec", "NewSummary", "NewSummaryVec"},
		why:   "these register globally; use promauto.With and the registerer that the package is handed",
	},
	{
		pkg: "net/http", names: []string{"DefaultServeMux", "Handle", "HandleFunc", "ListenAndServe"},
		why: "handlers live on a mux that somebody owns, and servers can be shut down",
	},
	{
		pkg: "time", names: []string{"Sleep"}, tests: true,
		why: "a sleep is too short on a busy machine and too long on others: wait for the condition, or move the test to a file of those that run in testing/synctest's virtual time",
	},
}

// Calls checks for functions and variables that are reserved to some places.
func (t *Tree) Calls() []Breach {
	var out []Breach
	for _, s := range t.files {
		ast.Inspect(s.ast, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, ok := sel.X.(*ast.Ident)
			if !ok {
				return true
			}
			if s.test && skips[sel.Sel.Name] && (x.Name == "t" || x.Name == "b" || x.Name == "f" || x.Name == "m") {
				out = append(out, Breach{t.at(sel.Pos()), "calls " + x.Name + "." + sel.Sel.Name, "a test that skips is a promise nobody keeps: what a machine lacks is installed by make setup, or the test fails and says so"})
			}
			for _, law := range calls {
				if s.breaks(x.Name, sel, law.pkg, law.names) && s.bound(law.tests, law.homes) {
					out = append(out, Breach{t.at(sel.Pos()), "uses " + x.Name + "." + sel.Sel.Name, law.why})
				}
			}
			return true
		})
	}
	return out
}

var skips = map[string]bool{"Skip": true, "Skipf": true, "SkipNow": true}

// breaks reports whether the selector is one of names in pkg.
func (s *source) breaks(x string, sel *ast.SelectorExpr, pkg string, names []string) bool {
	for _, imp := range s.imports {
		if imp.path != pkg || imp.name != x {
			continue
		}
		for _, n := range names {
			if sel.Sel.Name == n {
				return true
			}
		}
	}
	return false
}

// bound reports whether a law applies to the file.
func (s *source) bound(tests bool, homes []string) bool {
	if tests {
		return (s.test || helper(s.dir)) && !within(s.dir, "bench") && !s.virtual()
	}
	return !s.test && !helper(s.dir) && !within(s.dir, homes...)
}

// virtual reports whether the file's tests run in virtual time, where sleeping is how
// the clock is moved.
func (s *source) virtual() bool {
	return slices.ContainsFunc(s.imports, func(i imported) bool { return i.path == "testing/synctest" })
}
