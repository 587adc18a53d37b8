package archtest

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// maxLines is the most that a file of the program may have.
const maxLines = 600

// notes that belong into the issue tracker or into git, not into the code.
var notes = regexp.MustCompile(`\b(TODO|FIXME|XXX|HACK)\b|(?i)\bissue #?\d+\b`)

// Files checks what every file and package owes its reader.
func (t *Tree) Files() []Breach {
	var out []Breach
	docs := map[string]string{}  // directory → its package comment
	names := map[string]string{} // directory → its package's name
	for _, s := range t.files {
		for _, group := range s.ast.Comments {
			if n := notes.FindString(group.Text()); n != "" && !within(s.dir, "internal/archtest") {
				out = append(out, Breach{t.at(group.Pos()), "says " + n, "code says what is, and why; what is to be done stands in the issue tracker, what was stands in git"})
			}
		}
		if s.test {
			continue
		}
		if s.lines > maxLines {
			out = append(out, Breach{s.path, fmt.Sprintf("has %d lines, more than %d", s.lines, maxLines), "a file that needs a table of contents wants to be two files"})
		}
		names[s.dir] = s.ast.Name.Name
		if doc := s.ast.Doc.Text(); doc != "" {
			docs[s.dir] = doc
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(names)) {
		want := "Package " + names[dir] + " "
		if names[dir] == "main" {
			want = "Command " + path.Base(dir) + " "
		}
		if !strings.HasPrefix(docs[dir], want) {
			out = append(out, Breach{dir, fmt.Sprintf("has no package comment that starts %q", want), "a reader who opens a folder is told first what it is for"})
		}
	}
	return out
}
