// Package rtmp is the way in for RTMP and RTMPS: a server that publishers (OBS,
// ffmpeg, hardware encoders) push to. It follows Adobe's RTMP 1.0 and Enhanced RTMP v2.
//
// It knows nothing of streams and keys: an Authorizer decides who may publish, and
// gives the Sink for what they send. What comes from outside is bounded by Limits:
// a connection that breaks them is ended with a cause, and costs others nothing.
package rtmp
