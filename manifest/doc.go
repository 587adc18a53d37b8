// Package manifest is what a creator signs and what everybody else checks: the
// genesis that names a stream, the session records that lend its name to short-lived
// keys, the entries that fix every piece, the rules that make entries a chain, the
// records that close a stretch of it into an archive file, and the playlists that
// follow from entries.
//
// Everything here is pure: no clock, no I/O, no goroutine. docs/spec/manifest.md says
// the same for implementers in other languages, with vectors in testdata.
package manifest
