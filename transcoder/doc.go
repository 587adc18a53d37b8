// Package transcoder makes a ladder of smaller renditions of live streams. For each stream
// it runs one ffmpeg, which decodes the source's pictures once and encodes them at every
// step of the ladder; where pieces begin and end, how they are numbered and what is heard
// with them is the source's, so that players can go from one rendition to another at any
// segment.
//
// It is one more consumer of PIECES: the source's pieces never pass through it, and whatever
// becomes of it, of ffmpeg or of their speed, the source plays on.
package transcoder
