// Package web holds the pages people watch on and serves them: the list of live
// streams, the player and the dashboard, built from TypeScript in this folder and embedded in the
// binary. It does no I/O of its own and knows the origin only by its URLs.
package web

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// Built returns the pages that were embedded when this binary was built.
func Built() *Site {
	built, err := fs.Sub(dist, "dist")
	if err != nil { // only for an invalid path, which "dist" is not
		return New(dist)
	}
	return New(built)
}
