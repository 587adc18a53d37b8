package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// Module is the path under which the project's packages are imported.
const Module = "github.com/shoalcast/shoal"

// Tree is the source of the module.
type Tree struct {
	fset  *token.FileSet
	files []*source
}

// source is one parsed Go file.
type source struct {
	path    string // from the module's root, with slashes
	dir     string // of the path; "." for the root
	test    bool   // a _test.go file
	lines   int
	ast     *ast.File
	imports []imported
}

type imported struct {
	path string
	name string // by which the file calls it; a guess when it is not renamed
	pos  token.Pos
}

// Breach is one place that breaks a law.
type Breach struct {
	Where string // file:line, or a directory
	What  string
	Why   string // the law's reason
}

func (b Breach) String() string { return fmt.Sprintf("%s: %s\n\tbecause %s", b.Where, b.What, b.Why) }

// skipped are directories that hold no source of the module.
var skipped = map[string]bool{
	"node_modules": true, "testdata": true, "bin": true, "data": true, "dist": true, "out": true,
	"tools": true, // a module of its own, without code
}

// Load parses the module whose root directory is given.
func Load(root string) (*Tree, error) {
	t := &Tree{fset: token.NewFileSet()}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if p != root && (skipped[d.Name()] || strings.HasPrefix(d.Name(), ".")) {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(p, ".go") {
			return nil
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		return t.Add(filepath.ToSlash(rel), string(text))
	})
	if err != nil {
		return nil, fmt.Errorf("read the module at %s: %w", root, err)
	}
	return t, nil
}

// NewTree returns a tree without files.
func NewTree() *Tree { return &Tree{fset: token.NewFileSet()} }

// Add parses one more file, named by its path from the module's root.
func (t *Tree) Add(name, text string) error {
	f, err := parser.ParseFile(t.fset, name, text, parser.ParseComments)
	if err != nil {
		return fmt.Errorf("parse %s: %w", name, err)
	}
	s := &source{
		path:  name,
		dir:   path.Dir(name),
		test:  strings.HasSuffix(name, "_test.go"),
		lines: strings.Count(text, "\n"),
		ast:   f,
	}
	for _, spec := range f.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return fmt.Errorf("parse %s: %w", name, err)
		}
		called := path.Base(p)
		if spec.Name != nil {
			called = spec.Name.Name
		}
		s.imports = append(s.imports, imported{path: p, name: called, pos: spec.Pos()})
	}
	t.files = append(t.files, s)
	return nil
}

func (t *Tree) at(pos token.Pos) string {
	p := t.fset.Position(pos)
	return fmt.Sprintf("%s:%d", p.Filename, p.Line)
}

// ours returns the directory of a package of the module, or "" for anybody else's.
func ours(importPath string) string {
	if importPath == Module {
		return "."
	}
	dir, ok := strings.CutPrefix(importPath, Module+"/")
	if !ok {
		return ""
	}
	return dir
}

// within reports whether dir is one of the roots or below one.
func within(dir string, roots ...string) bool {
	for _, r := range roots {
		if dir == r || strings.HasPrefix(dir, r+"/") {
			return true
		}
	}
	return false
}

// helper reports whether dir holds a package made for tests, such as bus/bustest.
func helper(dir string) bool {
	return strings.HasSuffix(dir, "test") || within(dir, "e2e", "bench", "internal/archtest")
}
