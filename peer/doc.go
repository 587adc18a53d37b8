// Package peer is the native viewer: it joins a stream by its link, checks every
// signed entry and every piece against it, plays the stream on a virtual playhead to
// learn what a viewer would have seen, and writes what it verified as playable
// fragmented MP4.
//
// The way of a piece through it: follow (entries, verified and in order) → fetch
// (copies from a source until one verifies) → Watch's loop, which alone owns the
// playhead, the statistics and the output. It knows nothing of the bus or of the
// services: all it sees of them is HTTP.
package peer
