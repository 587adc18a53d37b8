// Package archive says where a stream is cut into archive files, and derives their
// torrents: from entries and pieces alone, so that the packager, the seeder and every
// viewer who kept them come to the same infohash. It is pure: no clock, no files, no
// goroutine. docs/spec/archive.md says the same for implementers in other languages.
package archive
