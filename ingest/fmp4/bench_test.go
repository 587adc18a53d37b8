package fmp4_test

import (
	"testing"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/fmp4"
	"github.com/shoalcast/shoal/ingest/media"
)

// BenchmarkChunker cuts a second of a 4 Mbps publish: 30 pictures and 47 audio frames
// into 5 pieces. BenchmarkCopy is its floor: the same bytes copied once, into as many
// allocations.
func BenchmarkChunker(b *testing.B) {
	video, aac, _ := configs(b)
	c := fmp4.New(fmp4.Options{})
	for _, cfg := range []media.Config{video, aac} {
		if err := c.Config(cfg); err != nil {
			b.Fatal(err)
		}
	}
	picture, frame := make([]byte, 4_000_000/8/30), make([]byte, 300)
	b.SetBytes(int64(30*len(picture) + 47*len(frame)))
	b.ReportAllocs()
	var at, sound event.Ticks
	pieces := 0
	for b.Loop() {
		for i := range 30 {
			push(b, c, media.AccessUnit{Kind: media.Video, Key: i == 0, DTS: at, PTS: at, Data: picture}, &pieces)
			for at += 3000; sound < at; sound += 1920 {
				push(b, c, media.AccessUnit{Kind: media.Audio, Key: true, DTS: sound, PTS: sound, Data: frame}, &pieces)
			}
		}
	}
	if pieces < b.N*5-1 {
		b.Errorf("%d pieces in %d s", pieces, b.N)
	}
}

func push(b *testing.B, c *fmp4.Chunker, u media.AccessUnit, pieces *int) {
	chunks, err := c.Push(u)
	if err != nil {
		b.Fatal(err)
	}
	*pieces += len(chunks)
}

func BenchmarkCopy(b *testing.B) {
	const piece = (4_000_000/8 + 47*300) / 5
	from := make([]byte, piece)
	b.SetBytes(5 * piece)
	b.ReportAllocs()
	for b.Loop() {
		for range 5 {
			kept = append(make([]byte, 0, piece), from...)
		}
	}
}

var kept []byte
