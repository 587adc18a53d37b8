// Package seeder is the origin: it follows the streams' facts, pieces and signed
// entries on the bus, keeps the live window of each rendition in memory, and serves
// it over HTTP as low-latency HLS, as single pieces and as manifest.json.
//
// A piece is served only once its signed entry verifies against its bytes. What is
// kept can be rebuilt from the bus alone, so a restart needs no state of its own, and
// playlists are a pure function of entries, so that every origin gives the same bytes.
package seeder
