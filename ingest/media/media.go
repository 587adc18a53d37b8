// Package media holds what every protocol in and the fMP4 chunker agree on: codecs,
// their configuration records, and access units on one clock.
package media

import (
	"time"

	"github.com/shoalcast/shoal/event"
)

// Kind tells video from audio.
type Kind uint8

// The two kinds of track a piece can carry.
const (
	Video Kind = iota
	Audio
)

func (k Kind) String() string {
	if k == Video {
		return "video"
	}
	return "audio"
}

// Codec is named by its sample entry in MP4.
type Codec string

// The codecs that Shoal carries.
const (
	H264 Codec = "avc1"
	HEVC Codec = "hvc1"
	AV1  Codec = "av01"
	AAC  Codec = "mp4a"
	Opus Codec = "Opus"
)

// Kind tells whether the codec is a video or an audio one.
func (c Codec) Kind() Kind {
	if c == AAC || c == Opus {
		return Audio
	}
	return Video
}

// Config describes a track before its first access unit, and again when it changes.
type Config struct {
	Codec Codec
	// Record is the codec's configuration record, without box header:
	// AVCDecoderConfigurationRecord (ISO/IEC 14496-15), HEVCDecoderConfigurationRecord
	// (same), AV1CodecConfigurationRecord (AV1-ISOBMFF), AudioSpecificConfig
	// (ISO/IEC 14496-3), or OpusHead (RFC 7845 section 5.1, with its magic).
	Record []byte
}

// AccessUnit is one coded picture or audio frame.
type AccessUnit struct {
	Kind Kind
	// DTS and PTS are on one clock for both tracks, already unwrapped; they may
	// start anywhere, jump and be negative.
	DTS, PTS event.Ticks
	Key      bool // a decoder can start at this picture; true for every audio frame
	// Data is length-prefixed NAL units with the config's length size (H.264, HEVC),
	// OBUs without temporal delimiters (AV1), a raw_data_block (AAC), an Opus packet.
	Data    []byte
	Arrived time.Time // when its last byte came off the wire
}
