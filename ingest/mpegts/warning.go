package mpegts

import (
	"fmt"

	"github.com/shoalcast/shoal/ingest/media"
)

// Code tells warnings apart, for logs and counters.
type Code = media.Code

// What a Demuxer passes over, drops or waits for.
const (
	LostSync       Code = "lost_sync"       // bytes that are no packets
	TransportError Code = "transport_error" // a packet that its receiver marked as damaged
	Discontinuity  Code = "discontinuity"   // packets are missing
	Damaged        Code = "damaged"         // a PES packet or a frame in it that cannot be read
	TooLarge       Code = "too_large"       // a PES packet beyond the limit
	Scrambled      Code = "scrambled"       // packets that only a subscriber could read
	NoTables       Code = "no_tables"       // nothing says which programs and tracks there are
	BadTable       Code = "bad_table"       // a table with a wrong checksum or content
	NoProgram      Code = "no_program"      // no program is as was asked for
	Unsupported    Code = "unsupported"     // a track of a codec that is not carried
	ExtraTrack     Code = "extra_track"     // a further track of a kind
	NotDecodable   Code = "not_decodable"   // pictures that no keyframe goes before
	BadConfig      Code = "bad_config"      // parameters that cannot be read
)

// Warning is something a Demuxer could not pass on, in a sentence for the log.
type Warning = media.Warning

// maxNamed bounds how many tracks and programs are remembered as named.
const maxNamed = 256

// warnings are told every so often of each code; those about a track or a program once
// for each.
type warnings struct {
	media.Warnings
	named map[string]bool
}

// once tells a sentence that is true as long as the stream lasts.
func (w *warnings) once(code Code, format string, args ...any) {
	if w.Tell == nil {
		return
	}
	msg := fmt.Sprintf(format, args...)
	if w.named[msg] || len(w.named) >= maxNamed {
		return
	}
	if w.named == nil {
		w.named = map[string]bool{}
	}
	w.named[msg] = true
	w.Tell(Warning{Code: code, Message: msg})
}
