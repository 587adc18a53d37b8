package codec_test

import (
	"encoding/hex"
	"math"
	"strings"
	"testing"

	"github.com/shoalcast/shoal/ingest/fmp4/codec"
	"github.com/shoalcast/shoal/ingest/media"
)

// Records as ffmpeg's encoders made them, and some written from the specifications.
const (
	avcHigh      = "0164000dffe1001c6764000dacd941519e226c39a808080a000007d20001d4c01e28532c01000468ef8fcbfdf8f800"
	avc444       = "01f40015ffe1001967f40015919b282866c044000003000400000301907c50a65801000668fe8f192190fff8f800"
	avcFields    = "01640015ffe1001867640015acd94143360220000003002000000643e28532c001000668fba3cb22c0fdf8f800"
	hevcMain10   = "0102200000009000000000003cf000fcfdfafa00000f03a00001001840010c01ffff02200000030090000003000003003c959809a10001002f42010102200000030090000003000003003ca00a480b9c94d96566924caf016a12201208000003000800000301e040a2000100074401c172b46240"
	av1Ten       = "81004c000a0e000000043d06d4daf95010101040"
	av1Eight     = "81000c000a0b000000043cfecc02f80040"
	av1NoHeader  = "81000c00"
	aacLC        = "1190"
	aacByFFmpeg  = "119056e500"
	aac44        = "1210"
	aac960       = "1194"
	aacHE        = "2b11880000"   // type 5, 24 kHz core, stereo, 48 kHz, type 2
	aacHEv2      = "eb098800"     // type 29, 24 kHz core, mono, 48 kHz, type 2
	aacImplicit  = "131056e598"   // type 2 at 24 kHz, then SBR at 48 kHz
	aacFree      = "178056220010" // a rate written out: 44100 Hz, mono...
	opusStereo   = "4f707573486561640102380180bb0000000000"
	opusSurround = "4f707573486561640106380180bb00000000010402000401020305"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		codec  media.Codec
		record string
		want   codec.Info
	}{
		{media.H264, avcHigh, codec.Info{
			String: "avc1.64000d", Width: 322, Height: 182, FrameRate: 30000.0 / 1001,
			Aspect: codec.Aspect{W: 4, H: 3}, Color: codec.Color{Primaries: 1, Transfer: 1, Matrix: 1},
		}},
		{media.H264, avc444, codec.Info{String: "avc1.f40015", Width: 320, Height: 192, FrameRate: 50}},
		{media.H264, avcFields, codec.Info{String: "avc1.640015", Width: 320, Height: 192, FrameRate: 25, Interlaced: true}},
		{media.HEVC, hevcMain10, codec.Info{
			String: "hvc1.2.4.L60.90", Width: 322, Height: 182, FrameRate: 60,
			Color: codec.Color{Primaries: 9, Transfer: 16, Matrix: 9},
		}},
		{media.AV1, av1Ten, codec.Info{
			String: "av01.0.00M.10", Width: 322, Height: 182, Color: codec.Color{Primaries: 1, Transfer: 1, Matrix: 1},
		}},
		{media.AV1, av1Eight, codec.Info{String: "av01.0.00M.08", Width: 320, Height: 180}},
		{media.AV1, av1NoHeader, codec.Info{String: "av01.0.00M.08"}},
		{media.AAC, aacLC, codec.Info{String: "mp4a.40.2", SampleRate: 48000, Timescale: 48000, Channels: 2, FrameSamples: 1024}},
		{media.AAC, aacByFFmpeg, codec.Info{String: "mp4a.40.2", SampleRate: 48000, Timescale: 48000, Channels: 2, FrameSamples: 1024}},
		{media.AAC, aac44, codec.Info{String: "mp4a.40.2", SampleRate: 44100, Timescale: 44100, Channels: 2, FrameSamples: 1024}},
		{media.AAC, aac960, codec.Info{String: "mp4a.40.2", SampleRate: 48000, Timescale: 48000, Channels: 2, FrameSamples: 960}},
		{media.AAC, aacHE, codec.Info{String: "mp4a.40.5", SampleRate: 48000, Timescale: 24000, Channels: 2, FrameSamples: 1024}},
		{media.AAC, aacHEv2, codec.Info{String: "mp4a.40.29", SampleRate: 48000, Timescale: 24000, Channels: 2, FrameSamples: 1024}},
		{media.AAC, aacImplicit, codec.Info{String: "mp4a.40.5", SampleRate: 48000, Timescale: 24000, Channels: 2, FrameSamples: 1024}},
		{media.Opus, opusStereo, codec.Info{String: "opus", SampleRate: 48000, Timescale: 48000, Channels: 2}},
		{media.Opus, opusSurround, codec.Info{String: "opus", SampleRate: 48000, Timescale: 48000, Channels: 6}},
	} {
		got, err := codec.Parse(media.Config{Codec: c.codec, Record: unhex(t, c.record)})
		if err != nil {
			t.Errorf("%s %s: %v", c.codec, c.record, err)
			continue
		}
		if math.Abs(got.FrameRate-c.want.FrameRate) > 1e-6 {
			t.Errorf("%s: %v frames a second, want %v", c.want.String, got.FrameRate, c.want.FrameRate)
		}
		got.FrameRate, got.Record, got.Codec = c.want.FrameRate, nil, ""
		if !equal(got, c.want) {
			t.Errorf("%s %s:\n got %+v\nwant %+v", c.codec, c.record, got, c.want)
		}
	}
}

func equal(a, b codec.Info) bool {
	return a.String == b.String && a.Width == b.Width && a.Height == b.Height && a.Aspect == b.Aspect && a.Color == b.Color &&
		a.SampleRate == b.SampleRate && a.Timescale == b.Timescale && a.Channels == b.Channels && a.FrameSamples == b.FrameSamples
}

// The Opus record in MP4 is big-endian and has no magic.
func TestOpusRecord(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		opusStereo:   "000201380000bb80000000",
		opusSurround: "000601380000bb800000010402000401020305",
	} {
		got, err := codec.Parse(media.Config{Codec: media.Opus, Record: unhex(t, in)})
		if err != nil || hex.EncodeToString(got.Record) != want {
			t.Errorf("%s becomes %x, %v; want %s", in, got.Record, err, want)
		}
	}
}

func TestAV1SequenceFromAKeyframe(t *testing.T) {
	t.Parallel()
	info := codec.Info{}
	if err := codec.AV1Sequence(&info, unhex(t, "1200"+av1Ten[8:])); err != nil || info.Width != 322 {
		t.Errorf("after a temporal delimiter: width %d, %v", info.Width, err)
	}
}

// A record cut short, or with nonsense in it, is refused with a sentence.
func TestRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		codec        media.Codec
		record, says string
	}{
		{media.H264, "", "ends early"},
		{media.H264, "00" + avcHigh[2:], "version 0"},
		{media.H264, "0164000dffe0" + "00", "no sequence parameter set"},
		{media.H264, avcHigh[:80], "ends early"},
		{media.H264, strings.Replace(avcHigh, "ffe1", "fee1", 1), "lengths of 3 bytes"},
		{media.HEVC, hevcMain10[:100], "ends early"},
		{media.HEVC, hevcMain10[:44] + "00", "lacks a video"},
		{media.AV1, "01000c00", "marker"},
		{media.AV1, av1Ten[:20], "ends early"},
		{media.AAC, "11", "ends early"},
		{media.AAC, "1780", "sampling rate of 0 Hz"},
		{media.AAC, "1690", "reserved sampling rate"},
		{media.AAC, "11c0", "channel configuration"},
		{media.AAC, "f94640", "audio object type"},
		{media.Opus, opusStereo[:30], "ends early"},
		{media.Opus, "00" + opusStereo[2:], "OpusHead"},
		{media.Opus, opusStereo[:18] + "00" + opusStereo[20:], "no channels"},
		{media.Opus, opusSurround[:42] + "09" + opusSurround[44:], "channel of no stream"},
		{"vp09", "00", "no such codec"},
	} {
		_, err := codec.Parse(media.Config{Codec: c.codec, Record: unhex(t, c.record)})
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s %s: %v, want %q", c.codec, c.record, err, c.says)
		}
	}
	if _, err := codec.Parse(media.Config{Codec: media.AAC, Record: make([]byte, 1<<20)}); err == nil {
		t.Error("a record of a megabyte was read")
	}
}

// RFC 6716 section 3.1.
func TestOpusSamples(t *testing.T) {
	t.Parallel()
	for packet, want := range map[string]int{
		"00": 480, "08": 960, "10": 1920, "18": 2880, // SILK: 10, 20, 40, 60 ms
		"60": 480, "68": 960, // hybrid
		"80": 120, "88": 240, "90": 480, "98": 960, "f8": 960, // CELT: 2.5, 5, 10, 20 ms
		"99": 1920, "9a": 1920, "9b03": 2880, "8330": 5760, "1b02": 5760,
		"": 0, "9b": 0, "9b00": 0, "1b03": 0,
	} {
		got, err := codec.OpusSamples(unhex(t, packet))
		if got != want || (err == nil) != (want > 0) {
			t.Errorf("packet %s lasts %d samples (%v), want %d", packet, got, err, want)
		}
	}
}
