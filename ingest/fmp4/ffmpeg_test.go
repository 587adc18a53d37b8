package fmp4_test

import (
	"testing"
	"time"

	"github.com/shoalcast/shoal/ingest/fmp4"
	"github.com/shoalcast/shoal/ingest/media"
	"github.com/shoalcast/shoal/internal/mediatest"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// cutAll runs a publish through a Chunker.
func cutAll(t testing.TB, o fmp4.Options, configs []media.Config, units []media.AccessUnit) []fmp4.Chunk {
	t.Helper()
	if o.Warn == nil {
		o.Warn = func(w fmp4.Warning) { t.Errorf("unexpected warning %s: %s", w.Code, w.Message) }
	}
	c := fmp4.New(o)
	for _, cfg := range configs {
		if err := c.Config(cfg); err != nil {
			t.Fatal(err)
		}
	}
	var out []fmp4.Chunk
	for _, u := range units {
		chunks, err := c.Push(u)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, chunks...)
	}
	return append(out, c.Flush()...)
}

// join writes the chunks of one init into a file.
func join(t testing.TB, chunks []fmp4.Chunk) string {
	t.Helper()
	parts := [][]byte{chunks[0].Init.Data}
	for _, c := range chunks {
		parts = append(parts, c.Data)
	}
	return mediatest.File(t, parts...)
}

const aac = "-c:a aac -b:a 96k -ac 2"

var clips = []struct {
	name string
	spec mediatest.Spec
}{
	{"no B-frames", mediatest.Spec{Video: "-c:v libx264 -preset veryfast -bf 0 -g 50", Audio: aac, Seconds: 4}},
	{"B-frame pyramid", mediatest.Spec{Video: "-c:v libx264 -preset veryfast -bf 3 -b-pyramid normal -g 50", Audio: aac, Seconds: 4}},
	{"open GOP", mediatest.Spec{Video: "-c:v libx264 -preset veryfast -bf 3 -g 25 -x264-params open-gop=1", Audio: aac, Seconds: 4}},
	{"29.97 fps", mediatest.Spec{Source: "testsrc2=size=320x180:rate=30000/1001", Video: "-c:v libx264 -preset veryfast -bf 2 -g 60", Audio: aac, Seconds: 5}},
	{"30 fps, 44.1 kHz", mediatest.Spec{Source: "testsrc2=size=320x180:rate=30", Sound: "sine=sample_rate=44100", Video: "-c:v libx264 -preset veryfast -bf 2 -g 60", Audio: aac, Seconds: 5}},
	{"60 fps", mediatest.Spec{Source: "testsrc2=size=320x180:rate=60", Video: "-c:v libx264 -preset veryfast -bf 2 -g 120", Audio: aac, Seconds: 3}},
	{"10 s GOP", mediatest.Spec{Video: "-c:v libx264 -preset veryfast -bf 2 -g 250 -keyint_min 250 -sc_threshold 0", Audio: aac, Seconds: 12}},
	{"all intra", mediatest.Spec{Video: "-c:v libx264 -preset veryfast -g 1", Audio: aac, Seconds: 2}},
	{"2 fps", mediatest.Spec{Source: "testsrc2=size=320x180:rate=2", Video: "-c:v libx264 -preset veryfast -g 8", Audio: aac, Seconds: 12}},
	{"video only", mediatest.Spec{Video: "-c:v libx264 -preset veryfast -bf 2 -g 50", Seconds: 4}},
	{"AAC only", mediatest.Spec{Audio: aac, Seconds: 5}},
	{"mono AAC at 22.05 kHz", mediatest.Spec{Sound: "sine=sample_rate=22050", Audio: "-c:a aac -ac 1", Seconds: 5}},
	{"Opus only", mediatest.Spec{Audio: "-c:a libopus -b:a 64k -ac 2", Seconds: 5}},
	{"HEVC and Opus", mediatest.Spec{Video: "-c:v libx265 -preset ultrafast -tag:v hvc1 -x265-params log-level=none:keyint=50:bframes=3", Audio: "-c:a libopus -b:a 64k -ac 2", Seconds: 4}},
	{"AV1 and AAC", mediatest.Spec{Video: "-c:v libsvtav1 -preset 12 -g 50", Audio: aac, Seconds: 4}},
	{"5.1 surround", mediatest.Spec{Video: "-c:v libx264 -preset veryfast -g 50", Sound: "sine=sample_rate=48000,aformat=channel_layouts=5.1", Audio: "-c:a aac", Seconds: 3}},
	{"cropped and anamorphic", mediatest.Spec{Source: "testsrc2=size=322x182:rate=25,setsar=4/3", Video: "-c:v libx264 -preset veryfast -g 50 -color_primaries bt709 -color_trc bt709 -colorspace bt709", Audio: aac, Seconds: 2}},
}

// Every input comes out whole: ffmpeg accepts the pieces, decodes as many pictures
// and as much sound as from the original, at any precision of timestamps.
func TestOutputDecodesWhole(t *testing.T) {
	t.Parallel()
	for _, clip := range clips {
		t.Run(clip.name, func(t *testing.T) {
			t.Parallel()
			c := mediatest.Make(t, clip.spec)
			exact := c.Units(start)
			for name, units := range map[string][]media.AccessUnit{
				"exact timestamps": exact, "millisecond timestamps": mediatest.Milliseconds(exact),
			} {
				chunks := cutAll(t, fmp4.Options{}, c.Configs(), units)
				path := join(t, chunks)
				mediatest.Decode(t, path)
				if c.Video != nil {
					if got, want := mediatest.Frames(t, path), len(c.Video.Units); got != want {
						t.Errorf("%s: %d pictures decode, want %d", name, got, want)
					}
				}
				if c.Audio != nil {
					if got := mediatest.Samples(t, path); got != c.Samples {
						t.Errorf("%s: %d samples decode, want %d", name, got, c.Samples)
					}
				}
				checkRules(t, chunks)
				compareBoxes(t, inspect(t, path), c, chunks[0].Init)
			}
		})
	}
}
