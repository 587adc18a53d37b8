package manifest

import "github.com/shoalcast/shoal/event"

// View is all that a media playlist depends on.
type View struct {
	Name      event.StreamName
	Rendition event.Rendition
	Entries   []Entry // the window, in order, without holes, from a segment's start
	Ended     bool    // nothing follows for now: the last segment is whole, no next part is hinted at
}

// MediaOptions are what a player's request may ask for.
type MediaOptions struct {
	Skip bool // a delta update (_HLS_skip=YES)
}

// MediaPlaylist writes a rendition's low-latency HLS playlist: a pure function of
// entries, so that every origin writes the same bytes. URIs are relative to the
// playlist: init/<root>.mp4, <epoch>/<n>.m4s, seg/<msn>.m4s.
func MediaPlaylist(v View, o MediaOptions) []byte { panic("soon") }

// Variant describes a rendition in the multivariant playlist.
type Variant struct {
	Rendition        event.Rendition
	Codecs           string // RFC 6381
	Width, Height    int
	FrameRate        float64
	Bandwidth        int64 // bit/s, peak of a segment
	AverageBandwidth int64 // bit/s
}

// MultivariantPlaylist lists renditions, best first; URIs are <rendition>/index.m3u8.
func MultivariantPlaylist(renditions []Variant) []byte { panic("soon") }

// Window trims entries, in order and without holes, to the live window: from the
// last segment's start that is 30 s of media before the end, or from the start of the
// GOP before the current one if that is earlier. It depends on the entries only.
func Window(entries []Entry) []Entry { panic("soon") }

// Answer says what a server does with a blocking playlist request.
type Answer int

// The three answers: serve now, hold the request, or refuse it (400).
const (
	Ready Answer = iota
	Hold
	Refuse
)

// Answers decides a request with _HLS_msn=msn and, unless part is negative,
// _HLS_part=part (RFC 8216bis section 6.2.5.2).
func (v View) Answers(msn uint64, part int64) Answer { panic("soon") }

// Bandwidth returns the peak of any whole segment and the average over all of them,
// in bit/s.
func Bandwidth(entries []Entry) (peak, average int64) { panic("soon") }
