package codec_test

import (
	"testing"

	"github.com/shoalcast/shoal/ingest/fmp4/codec"
	"github.com/shoalcast/shoal/ingest/media"
)

// fuzz checks that whatever is read is within what the rest relies on.
func fuzz(f *testing.F, c media.Codec, seeds ...string) {
	for _, s := range seeds {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		i, err := codec.Parse(media.Config{Codec: c, Record: b})
		if err != nil {
			return
		}
		if c.Kind() == media.Video {
			if i.Width < 0 || i.Width > 16384 || i.Height < 0 || i.Height > 16384 || c != media.AV1 && (i.Width == 0 || i.Height == 0) {
				t.Errorf("a picture of %d × %d", i.Width, i.Height)
			}
			if i.FrameRate != 0 && (i.FrameRate < 1 || i.FrameRate > 480) {
				t.Errorf("%v frames a second", i.FrameRate)
			}
			if i.Aspect.W < 0 || i.Aspect.W > 0 && i.Aspect.H <= 0 {
				t.Errorf("aspect %+v", i.Aspect)
			}
			return
		}
		if i.Timescale < 1000 || i.Timescale > 192_000 || i.SampleRate < 1000 || i.SampleRate > 192_000 || i.Channels < 1 || i.Channels > 255 {
			t.Errorf("sound %+v", i)
		}
		if c == media.AAC && (i.FrameSamples < 480 || i.FrameSamples > 1024) {
			t.Errorf("frames of %d samples", i.FrameSamples)
		}
	})
}

func FuzzAVC(f *testing.F)  { fuzz(f, media.H264, avcHigh, avc444) }
func FuzzHEVC(f *testing.F) { fuzz(f, media.HEVC, hevcMain10) }
func FuzzAV1(f *testing.F)  { fuzz(f, media.AV1, av1Ten, av1Eight, av1NoHeader) }
func FuzzAAC(f *testing.F) {
	fuzz(f, media.AAC, aacLC, aacByFFmpeg, aac960, aacHE, aacHEv2, aacImplicit, aacFree)
}
func FuzzOpus(f *testing.F) { fuzz(f, media.Opus, opusStereo, opusSurround) }

func FuzzOpusPacket(f *testing.F) {
	f.Add([]byte{0xf8, 0xff, 0xfe})
	f.Add([]byte{0x9b, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		if n, err := codec.OpusSamples(b); err == nil && (n < 120 || n > 5760) {
			t.Errorf("a packet of %d samples", n)
		}
	})
}
