package fmp4_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/fmp4"
	"github.com/shoalcast/shoal/ingest/media"
	"github.com/shoalcast/shoal/internal/mediatest"
	"pgregory.net/rapid"
)

// What is read of a piece is all of it: written again it is the same, byte for byte.
func TestAPieceReadAndWrittenAgainIsTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := drawPublish(t)
		c := fmp4.New(fmp4.Options{})
		for _, cfg := range p.configs {
			if err := c.Config(cfg); err != nil {
				t.Fatal(err)
			}
		}
		var chunks []fmp4.Chunk
		for _, u := range p.units {
			more, err := c.Push(u)
			if err != nil {
				t.Fatal(err)
			}
			chunks = append(chunks, more...)
		}
		for i, ch := range append(chunks, c.Flush()...) {
			in, err := fmp4.Read(ch.Data)
			if err != nil {
				t.Fatalf("read piece %d: %v", i, err)
			}
			var begin event.Ticks
			if len(in.Pictures) > 0 {
				begin = in.Pictures[0].DTS
				first := in.Pictures[0].PTS
				for _, p := range in.Pictures {
					first = min(first, p.PTS)
				}
				if first != ch.PTS {
					t.Fatalf("piece %d begins at %d, its pictures at %d", i, ch.PTS, first)
				}
			}
			if again := in.Replace(uint32(i+1), in.Pictures, begin, in.Ends); !bytes.Equal(again, ch.Data) {
				t.Fatalf("piece %d was written otherwise the second time", i)
			}
		}
	})
}

// A rendition's init segment differs from the source's in its video alone.
func TestVideoReplacedInAnInitSegment(t *testing.T) {
	t.Parallel()
	for _, audio := range []string{aac, "-c:a libopus -b:a 96k -ac 2", ""} {
		large := mediatest.Make(t, mediatest.Spec{Video: "-c:v libx264 -preset ultrafast -bf 0 -g 25 -s 320x180", Audio: audio, Seconds: 1})
		small := mediatest.Make(t, mediatest.Spec{Video: "-c:v libx264 -preset ultrafast -bf 0 -g 25 -s 160x90", Audio: audio, Seconds: 1})
		init := func(c mediatest.Clip) *fmp4.Init {
			p := newPublisher(t, c.Configs()...)
			p.push(c.Units(start)...)
			return p.flush()[0].Init
		}
		source, want := init(large), init(small)
		got, err := fmp4.ReplaceVideo(source.Data, source.Codecs, source.FrameRate, small.Configs()[0])
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Data, want.Data) || got.Codecs != want.Codecs || got.Width != 160 || got.FrameRate != want.FrameRate {
			t.Errorf("with audio %q: %+v, want %+v", audio, got, want)
		}
		video, err := fmp4.VideoOf(got.Data)
		if err != nil || video.Width != 160 || video.Height != 90 || video.Interlaced || !bytes.Equal(video.Record, small.Configs()[0].Record) {
			t.Errorf("with audio %q it says %+v of the video: %v", audio, video, err)
		}
	}
}

func TestOtherFragmentsAreNotTakenForPieces(t *testing.T) {
	t.Parallel()
	clip := mediatest.Make(t, plain)
	p := newPublisher(t, clip.Configs()...)
	p.push(clip.Units(start)...)
	piece := p.chunks[0].Data
	for name, b := range map[string][]byte{
		"nothing": nil, "an init segment": p.chunks[0].Init.Data, "half a piece": piece[:len(piece)/2],
		"two pieces": append(bytes.Clone(piece), p.chunks[1].Data...),
	} {
		if _, err := fmp4.Read(b); !errors.Is(err, fmp4.ErrContents) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := fmp4.ReplaceVideo(piece, "avc1.64000d", 25, clip.Configs()[media.Video]); !errors.Is(err, fmp4.ErrContents) {
		t.Errorf("a piece in place of an init segment: %v", err)
	}
}

// Whatever the bus brings is read or refused, in bounds.
func FuzzRead(f *testing.F) {
	video, audio, _ := configs(f)
	c := fmp4.New(fmp4.Options{})
	for _, cfg := range []media.Config{video, audio} {
		if err := c.Config(cfg); err != nil {
			f.Fatal(err)
		}
	}
	for i := range 12 {
		for _, kind := range []media.Kind{media.Video, media.Audio} {
			chunks, err := c.Push(media.AccessUnit{Kind: kind, Key: i%6 == 0, DTS: event.Ticks(i) * 3000, PTS: event.Ticks(i) * 3000, Data: []byte{1, 2, byte(i)}, Arrived: start})
			if err != nil {
				f.Fatal(err)
			}
			for _, ch := range chunks {
				f.Add(ch.Data)
				f.Add(ch.Init.Data)
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		in, err := fmp4.Read(b)
		if err == nil {
			if again := in.Replace(1, in.Pictures, 0, in.Ends); len(again) > 2*len(b)+1<<20 {
				t.Fatalf("%d bytes of %d", len(again), len(b))
			}
		}
		_, _ = fmp4.VideoOf(b)
		_, _ = fmp4.ReplaceVideo(b, "avc1.64000d,mp4a.40.2", 25, video)
	})
}
