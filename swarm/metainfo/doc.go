// Package metainfo makes and reads torrents and magnet links: the descriptor that is
// a live stream's rendezvous, and the files of its archive, whose info dictionaries
// are pinned to the byte so that everybody who has the pieces derives the same
// infohash. It is pure: no clock, no sockets, no files. docs/spec/archive.md says the
// same for implementers in other languages.
package metainfo
