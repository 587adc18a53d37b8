// Package ffmpeg runs the programs ffmpeg and ffprobe (https://ffmpeg.org), for whoever
// needs media converted: it finds them, asks what a file holds, and runs a child that
// never outlives its context, nor, on Linux, this process. What the child says is kept,
// within bounds, so that its error is a sentence.
//
// It knows options that every run has. Those of a purpose are its user's.
package ffmpeg
