package mpegts_test

import (
	"slices"
	"testing"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/fmp4"
	"github.com/shoalcast/shoal/ingest/media"
	"github.com/shoalcast/shoal/ingest/mpegts"
)

type discard struct{}

func (discard) Config(media.Config) error   { return nil }
func (discard) Push(media.AccessUnit) error { return nil }

// pieces is a Sink that cuts pieces of a stream that is read over and over: its clock
// goes on.
type pieces struct {
	c      *fmp4.Chunker
	n      int
	offset event.Ticks
	last   event.Ticks
}

func (p *pieces) Config(c media.Config) error { return p.c.Config(c) }

func (p *pieces) Push(u media.AccessUnit) error {
	u.DTS += p.offset
	u.PTS += p.offset
	p.last = max(p.last, u.DTS)
	out, err := p.c.Push(u)
	p.n += len(out)
	return err
}

// BenchmarkDemuxer reads a stream of 8 Mbps in SRT's messages: into access units, and
// further into pieces.
func BenchmarkDemuxer(b *testing.B) {
	c := spec{
		source: "-f lavfi -i testsrc2=size=1280x720:rate=30 " + testSound,
		codecs: "-c:v libx264 -preset ultrafast -b:v 8M -minrate 8M -maxrate 8M -bufsize 8M -x264-params nal-hrd=cbr -g 60 -c:a aac -b:a 128k -ac 2",
	}.make(b)
	b.Run("access units", func(b *testing.B) {
		b.SetBytes(int64(len(c.ts)))
		b.ReportAllocs()
		for b.Loop() {
			read(b, mpegts.New(mpegts.Options{Sink: discard{}}), c.ts)
		}
	})
	b.Run("pieces", func(b *testing.B) {
		p := &pieces{c: fmp4.New(fmp4.Options{})}
		b.SetBytes(int64(len(c.ts)))
		b.ReportAllocs()
		for b.Loop() {
			read(b, mpegts.New(mpegts.Options{Sink: p}), c.ts)
			p.offset += event.TicksOf(4 * time.Second)
		}
		if p.n < b.N*15 {
			b.Errorf("%d pieces of %d s", p.n, 4*b.N)
		}
	})
}

func read(b *testing.B, d *mpegts.Demuxer, ts []byte) {
	for p := range slices.Chunk(ts, 1316) {
		if _, err := d.Write(p); err != nil {
			b.Fatal(err)
		}
	}
	if err := d.Flush(); err != nil {
		b.Fatal(err)
	}
}
