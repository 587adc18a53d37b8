// Package publish sends a media file, or MPEG-TS that somebody hands it, into a stream at
// the speed at which it plays, as an encoder would. ffmpeg does the work: this package
// decides what it is asked for, tells from its words what became of it, and starts it
// again when the server went away.
package publish
