package archtest

import (
	"os"
	"testing"

	"golang.org/x/tools/go/packages"
)

// loads type-checks a command and all that it is made of for another system, without
// generating code: seconds, where a build with an empty cache takes minutes.
func loads(t *testing.T, dir, goos, goarch string) []packages.Error {
	t.Helper()
	found, err := packages.Load(&packages.Config{
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedImports | packages.NeedDeps |
			packages.NeedTypes | packages.NeedTypesSizes | packages.NeedSyntax,
		Dir: dir,
		Env: append(os.Environ(), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0"),
	}, "./cmd/shoal")
	if err != nil {
		t.Fatal(err)
	}
	var errs []packages.Error
	packages.Visit(found, nil, func(p *packages.Package) { errs = append(errs, p.Errors...) })
	return errs
}

// TestShoalCompilesForOtherSystems checks what `make cross` builds.
func TestShoalCompilesForOtherSystems(t *testing.T) {
	for _, s := range []struct{ os, arch string }{{"linux", "arm64"}, {"darwin", "arm64"}, {"darwin", "amd64"}, {"windows", "amd64"}} {
		for _, err := range loads(t, "../..", s.os, s.arch) {
			t.Errorf("%s/%s: %v", s.os, s.arch, err)
		}
	}
}

// TestWhatOneSystemLacksIsFound compiles a command that only Linux has a part of.
func TestWhatOneSystemLacksIsFound(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":                "module m\ngo 1.26\n",
		"cmd/shoal/main.go":     "package main\nfunc main() { part() }\n",
		"cmd/shoal/p_linux.go":  "package main\nfunc part() {}\n",
		"cmd/shoal/p_darwin.go": "package main\nfunc part() {}\n",
	} {
		if err := os.MkdirAll(dir+"/cmd/shoal", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(dir+"/"+name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if errs := loads(t, dir, "darwin", "arm64"); len(errs) != 0 {
		t.Errorf("darwin: %v", errs)
	}
	if errs := loads(t, dir, "windows", "amd64"); len(errs) == 0 {
		t.Error("windows has no part, and nothing was said")
	}
}
