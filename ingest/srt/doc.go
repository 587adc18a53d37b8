// Package srt is the way in for SRT (Secure Reliable Transport), by the reference
// library: a listener that publishers call (OBS, ffmpeg, hardware encoders), and callers
// that fetch a stream from a listener elsewhere. It follows draft-sharabayko-srt-01 and
// SRT's access control guidelines (docs/features/access-control.md of Haivision/srt).
//
// It knows nothing of streams and keys: an Authorizer decides who may publish, and gives
// the Handler for what they send. What comes from outside is bounded by Limits: a
// connection that breaks them is ended with a cause, and costs others nothing.
//
// One goroutine reads all connections of a listener. What it read waits in a queue per
// connection, which a goroutine empties that lives only while something is in it: a
// Handler that blocks holds back its own connection alone.
package srt
