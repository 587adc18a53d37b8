package flv

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/shoalcast/shoal/ingest/media"
)

// nano is a ModEx prefix: 3 bytes of data (a length byte of 2), offset 500,000 ns; its
// last nibble, the type of the packet behind it, is for the caller.
const nano = "\x02\x07\xA1\x20"

// The tags are written from the tables of the FLV specification (annex E.4) and of
// E-RTMP v2 ("Enhanced Video").
func TestParseVideo(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   string
		want Packet
	}{
		{"empty", "", Packet{}},
		{"AVC sequence header", "\x17\x00\x00\x00\x00avcC", Packet{What: Config, Codec: media.H264, Body: []byte("avcC")}},
		{"AVC keyframe", "\x17\x01\x00\x00\x50nal", Packet{What: Frame, Codec: media.H264, Key: true, Composition: 80, Body: []byte("nal")}},
		{"AVC with negative composition time", "\x27\x01\xFF\xFF\xFEnal", Packet{What: Frame, Codec: media.H264, Composition: -2, Body: []byte("nal")}},
		{"AVC without data", "\x27\x01\x00\x00\x00", Packet{Codec: media.H264, Body: []byte{}}},
		{"AVC end", "\x17\x02\x00\x00\x00", Packet{What: End, Codec: media.H264}},
		{"seek command", "\x57\x00", Packet{}},
		{"HEVC sequence start", "\x90hvc1hvcC", Packet{What: Config, Codec: media.HEVC, Key: true, Body: []byte("hvcC")}},
		{"HEVC coded frames", "\x91hvc1\x00\x00\x21nal", Packet{What: Frame, Codec: media.HEVC, Key: true, Composition: 33, Body: []byte("nal")}},
		{"HEVC coded frames X", "\xA3hvc1nal", Packet{What: Frame, Codec: media.HEVC, Body: []byte("nal")}},
		{"HEVC end", "\x92hvc1", Packet{What: End, Codec: media.HEVC, Key: true}},
		{"avc1 coded frames", "\xA1avc1\x00\x00\x01nal", Packet{What: Frame, Codec: media.H264, Composition: 1, Body: []byte("nal")}},
		{"AV1 sequence start", "\x90av01av1C", Packet{What: Config, Codec: media.AV1, Key: true, Body: []byte("av1C")}},
		{"AV1 has no composition time", "\x91av01\x32\x01z", Packet{What: Frame, Codec: media.AV1, Key: true, Body: []byte("\x32\x01z")}},
		{"AV1 with a temporal delimiter", "\xA1av01\x12\x00\x32\x01z", Packet{What: Frame, Codec: media.AV1, Body: []byte("\x32\x01z")}},
		{"AV1 with an extended temporal delimiter", "\xA1av01\x16\x00\x00\x32\x01z", Packet{What: Frame, Codec: media.AV1, Body: []byte("\x32\x01z")}},
		{"metadata", "\x94hvc1\x02\x00\x09colorInfo", Packet{Codec: media.HEVC, Key: true}},
		{"enhanced command", "\xD0\x00", Packet{}},
		{
			"ModEx with a nanosecond offset", "\x97" + nano + "\x01hvc1\x00\x00\x00nal",
			Packet{What: Frame, Codec: media.HEVC, Key: true, Nanos: 500_000, Body: []byte("nal")},
		},
		{
			"ModEx that nobody knows, of 256 bytes and more, before one that is known",
			"\x97\xFF\x01\x03" + strings.Repeat("?", 260) + "\x57" + nano + "\x03hvc1nal",
			Packet{What: Frame, Codec: media.HEVC, Key: true, Nanos: 500_000, Body: []byte("nal")},
		},
		{
			"one track, the first", "\x96\x01hvc1\x00\x00\x00\x07nal",
			Packet{What: Frame, Codec: media.HEVC, Key: true, Composition: 7, Body: []byte("nal")},
		},
		{"one track, another", "\x96\x01hvc1\x03\x00\x00\x07nal", Packet{Others: []uint8{3}}},
		{
			"many tracks", "\x96\x13hvc1\x01\x00\x00\x02no\x00\x00\x00\x03yes\x02\x00\x00\x00",
			Packet{What: Frame, Codec: media.HEVC, Key: true, Body: []byte("yes"), Others: []uint8{1, 2}},
		},
		{
			"many tracks and codecs, of which one that is unknown", "\x96\x20vp09\x01\x00\x00\x02noav01\x00\x00\x00\x04av1C",
			Packet{What: Config, Codec: media.AV1, Key: true, Body: []byte("av1C"), Others: []uint8{1}},
		},
	} {
		got, err := ParseVideo([]byte(tt.in))
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, %v; want %+v", tt.name, got, err, tt.want)
		}
	}
}

// The same for "Enhanced Audio".
func TestParseAudio(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   string
		want Packet
	}{
		{"silence", "", Packet{}},
		{"AAC sequence header", "\xAF\x00\x12\x10", Packet{What: Config, Codec: media.AAC, Key: true, Body: []byte("\x12\x10")}},
		{"AAC frame", "\xAF\x01raw", Packet{What: Frame, Codec: media.AAC, Key: true, Body: []byte("raw")}},
		{"Opus sequence start", "\x90OpusOpusHead", Packet{What: Config, Codec: media.Opus, Key: true, Body: []byte("OpusHead")}},
		{"Opus sequence start without a head", "\x90Opus", Packet{What: Config, Codec: media.Opus, Key: true, Body: defaultOpusHead}},
		{"Opus frame", "\x91Opusraw", Packet{What: Frame, Codec: media.Opus, Key: true, Body: []byte("raw")}},
		{"Opus end", "\x92Opus", Packet{What: End, Codec: media.Opus, Key: true}},
		{"mp4a sequence start", "\x90mp4a\x12\x10", Packet{What: Config, Codec: media.AAC, Key: true, Body: []byte("\x12\x10")}},
		{"mp4a frame", "\x91mp4araw", Packet{What: Frame, Codec: media.AAC, Key: true, Body: []byte("raw")}},
		{"channel configuration", "\x94mp4a\x01\x02\x00\x00\x00\x03", Packet{Codec: media.AAC, Key: true}},
		{"ModEx", "\x97" + nano + "\x01Opusraw", Packet{What: Frame, Codec: media.Opus, Key: true, Nanos: 500_000, Body: []byte("raw")}},
		{"many tracks", "\x95\x11Opus\x00\x00\x00\x02ab\x01\x00\x00\x01c", Packet{What: Frame, Codec: media.Opus, Key: true, Body: []byte("ab"), Others: []uint8{1}}},
		{"one track, another", "\x95\x01Opus\x05ab", Packet{Others: []uint8{5}}},
	} {
		got, err := ParseAudio([]byte(tt.in))
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, %v; want %+v", tt.name, got, err, tt.want)
		}
	}
}

// What cannot be carried is refused with a sentence that names it.
func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct {
		name  string
		parse func([]byte) (Packet, error)
		in    string
		want  error
		says  string
	}{
		{"VP6", ParseVideo, "\x14\x00", ErrCodec, "FLV codec 4"},
		{"VP9", ParseVideo, "\x90vp09cfg", ErrCodec, `"vp09"`},
		{"MP3", ParseAudio, "\x2Fdata", ErrCodec, "MP3"},
		{"AC-3", ParseAudio, "\x90ac-3data", ErrCodec, `"ac-3"`},
		{"MPEG-2 TS descriptor", ParseVideo, "\x95av01desc", ErrForm, "MPEG-2 TS"},
		{"unknown video packet", ParseVideo, "\x9Favc1x", ErrForm, "type 15"},
		{"unknown audio packet", ParseAudio, "\x9FOpusx", ErrForm, "type 15"},
		{"unknown AVC packet", ParseVideo, "\x17\x05\x00\x00\x00", ErrForm, "type 5"},
		{"unknown AAC packet", ParseAudio, "\xAF\x05", ErrForm, "type 5"},
		{"multitrack inside multitrack", ParseVideo, "\x96\x06hvc1", ErrForm, "multitrack"},
		{"unknown multitrack", ParseAudio, "\x95\x31Opus", ErrForm, "multitrack"},
		{"short AVC", ParseVideo, "\x17\x01\x00", ErrShort, "short"},
		{"short FourCC", ParseVideo, "\x90hv", ErrShort, "short"},
		{"short composition time", ParseVideo, "\x91hvc1\x00", ErrShort, "short"},
		{"short ModEx", ParseVideo, "\x97\xFF\xFF\xFF1234", ErrShort, "short"},
		{"endless ModEx", ParseAudio, "\x97" + strings.Repeat("\x00x\x07", 1000), ErrShort, "short"},
		{"track longer than its message", ParseVideo, "\x96\x11hvc1\x00\xFF\xFF\xFFx", ErrShort, "short"},
		{"one byte of AAC", ParseAudio, "\xAF", ErrShort, "short"},
	} {
		if _, err := tt.parse([]byte(tt.in)); !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// A frame costs no allocation: its body is part of the message.
func TestNoAllocation(t *testing.T) {
	for _, in := range []string{"\x17\x01\x00\x00\x50nal", "\x91hvc1\x00\x00\x21nal"} {
		b := []byte(in)
		if n := testing.AllocsPerRun(100, func() { _, _ = ParseVideo(b) }); n > 0 {
			t.Errorf("%q: %v allocations", in, n)
		}
	}
}

func FuzzParseVideo(f *testing.F) {
	for _, s := range []string{
		"\x17\x00\x00\x00\x00avcC", "\x27\x01\xFF\xFF\xFEnal", "\x90hvc1hvcC", "\xA1av01\x12\x00\x32\x01z",
		"\x97" + nano + "\x01hvc1\x00\x00\x00nal", "\x96\x20vp09\x01\x00\x00\x02noav01\x00\x00\x00\x04av1C",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) { check(t, b, ParseVideo) })
}

func FuzzParseAudio(f *testing.F) {
	for _, s := range []string{
		"\xAF\x00\x12\x10", "\xAF\x01raw", "\x90OpusOpusHead", "\x97" + nano + "\x01Opusraw",
		"\x95\x11Opus\x00\x00\x00\x02ab\x01\x00\x00\x01c",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) { check(t, b, ParseAudio) })
}

// check holds a packet to what its readers rely on.
func check(t *testing.T, b []byte, parse func([]byte) (Packet, error)) {
	p, err := parse(b)
	if err != nil {
		if !errors.Is(err, ErrShort) && !errors.Is(err, ErrCodec) && !errors.Is(err, ErrForm) {
			t.Fatalf("an error without a kind: %v", err)
		}
		return
	}
	switch {
	case (p.What == Config || p.What == Frame) && (len(p.Body) == 0 || p.Codec == ""):
		t.Fatalf("%+v has no body or codec", p)
	case p.What == Frame && len(p.Body) >= len(b):
		t.Fatal("a body longer than its message")
	case len(p.Others) > MaxOthers || p.Nanos > 999_999:
		t.Fatalf("%+v", p)
	}
}
