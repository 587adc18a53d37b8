package seeder

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"strings"
	"time"

	"github.com/shoalcast/shoal/manifest"
)

//go:embed archive.html
var archiveHTML string

var archivePage = template.Must(template.New("archive").Funcs(template.FuncMap{
	"clock": func(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02 15:04:05") },
	"stamp": func(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) },
	"span":  func(ms int64) string { return inWords(time.Duration(ms) * time.Millisecond) },
	"bytes": humanBytes,
	"whole": func(f archivedFile) bool { return f.Kind == manifest.CloseEpoch },
	// magnet is made by us of escaped parts; html/template knows no such scheme.
	"magnet": func(s string) template.URL { return template.URL(s) }, //nolint:gosec // see above
	"plural": func(n int, one, more string) string {
		if n == 1 {
			return "1 " + one
		}
		return fmt.Sprintf("%d %s", n, more)
	},
}).Parse(archiveHTML))

func renderArchive(l archiveList) ([]byte, error) {
	var out bytes.Buffer
	err := archivePage.Execute(&out, l)
	return out.Bytes(), err
}

// inWords writes a duration for people: the two largest units that are not nothing.
func inWords(d time.Duration) string {
	d = d.Round(time.Second)
	var parts []string
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}} {
		if n := d / u.unit; n > 0 && len(parts) < 2 {
			parts = append(parts, fmt.Sprintf("%d %s", n, u.name))
			d -= n * u.unit
		}
	}
	if len(parts) == 0 {
		return "0 s"
	}
	return strings.Join(parts, " ")
}

// humanBytes writes a size with three digits at most.
func humanBytes(n int64) string {
	v, unit := float64(n), "B"
	for _, u := range []string{"kB", "MB", "GB", "TB"} {
		if v < 999.5 {
			break
		}
		v, unit = v/1000, u
	}
	if v < 9.95 && unit != "B" {
		return fmt.Sprintf("%.1f %s", v, unit)
	}
	return fmt.Sprintf("%.0f %s", v, unit)
}
