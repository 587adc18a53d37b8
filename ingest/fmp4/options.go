package fmp4

import (
	"time"

	"github.com/shoalcast/shoal/event"
)

// Options says how a Chunker cuts. The zero value takes every default.
type Options struct {
	// Target is the length aimed at for a piece: 200 ms by default, 50 ms at least.
	// The nearest whole number of frames is taken, one at least.
	Target time.Duration
	// MaxSegment is the most a segment lasts when no keyframe ends it: 4 s by
	// default, the playlists' fixed target duration. A stream without video, where
	// every piece can start a segment, is cut at half of it.
	MaxSegment time.Duration
	// WaitTracks is how long the first track waits for the second one's Config
	// before pieces begin without it, in media or arrival time, whichever passes
	// first: 500 ms by default.
	WaitTracks time.Duration
	// MaxPiece is the most bytes a piece may have: event.MaxPiece by default and at
	// most. It also bounds what a Chunker holds.
	MaxPiece int
	// Warn hears what was repaired or dropped; nil for nobody. It is called from
	// Config, Push and Flush, for each code at once and then at most every 10 s.
	Warn func(Warning)
}

const (
	defaultTarget     = 200 * time.Millisecond
	minTarget         = 50 * time.Millisecond
	defaultMaxSegment = 4 * time.Second
	defaultWaitTracks = 500 * time.Millisecond
	minMaxPiece       = 4 << 10
)

func (o Options) withDefaults() Options {
	if o.Target <= 0 {
		o.Target = defaultTarget
	}
	o.Target = max(o.Target, minTarget)
	if o.MaxSegment <= 0 {
		o.MaxSegment = defaultMaxSegment
	}
	o.MaxSegment = max(o.MaxSegment, 2*o.Target)
	if o.WaitTracks <= 0 {
		o.WaitTracks = defaultWaitTracks
	}
	if o.MaxPiece <= 0 || o.MaxPiece > event.MaxPiece {
		o.MaxPiece = event.MaxPiece
	}
	o.MaxPiece = max(o.MaxPiece, minMaxPiece)
	return o
}

// Init is an initialization segment and what playlists say of it. Equal parameters
// give equal bytes, so the same encoder settings have the same root in every epoch.
type Init struct {
	Data       []byte  // ftyp and moov
	Codecs     string  // RFC 6381, comma-separated, video first
	Width      int     // 0 without video
	Height     int     // 0 without video
	FrameRate  float64 // frames a second, 0 when nothing tells
	SampleRate int     // 0 without audio
	Channels   int     // 0 without audio
}

// Chunk is one piece as it was cut, before it has an address.
type Chunk struct {
	Data    []byte // moof and mdat, one allocation of exactly this size
	Segment uint64 // index within the epoch, from 0
	Key     bool   // a decoder can start here
	// PTS is the smallest presentation time of its video, or of its audio when it has
	// no video, from the epoch's zero.
	PTS event.Ticks
	// Duration is how long it plays, at most Target.
	Duration event.Ticks
	// Target bounds Duration, the same for all chunks of a segment: a whole number of
	// frames, rounded up to the next millisecond.
	Target event.Ticks
	// Arrived is when its first picture (without video, its first audio frame) had
	// arrived, Received when its last access unit had.
	Arrived, Received time.Time
	// Init is what it needs before it; a pointer other than the last chunk's means
	// that the parameters changed, always at a segment's start: a discontinuity.
	Init *Init
}
