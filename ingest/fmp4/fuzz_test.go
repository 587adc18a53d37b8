package fmp4_test

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/fmp4"
	"github.com/shoalcast/shoal/ingest/media"
)

// script turns bytes into what a publisher may do: 12 bytes an access unit or a
// change of parameters.
func script(t testing.TB, b []byte, push func(media.AccessUnit), config func(media.Config)) {
	video, aac, opus := configs(t)
	now := start
	var clock event.Ticks
	for ; len(b) >= 12; b = b[12:] {
		op, step, cts, size := b[0], int16(binary.BigEndian.Uint16(b[1:])), int16(binary.BigEndian.Uint16(b[3:])), binary.BigEndian.Uint16(b[5:])
		switch op & 15 {
		case 0:
			config(video)
		case 1:
			config(aac)
		case 2:
			config(opus)
		case 3: // another picture size, as the level differs in the record only
			other := video
			other.Record = append([]byte(nil), video.Record...)
			other.Record[3] = b[7]
			config(other)
		case 4:
			clock = event.Ticks(binary.BigEndian.Uint64(b[4:]))
		default:
			clock += event.Ticks(step)
			now = now.Add(time.Duration(b[7]) * time.Millisecond)
			u := media.AccessUnit{
				Kind: media.Kind(op >> 4 & 1), Key: op&0x20 != 0,
				DTS: clock, PTS: clock + event.Ticks(cts), Arrived: now,
				Data: make([]byte, int(size)<<(op>>6)),
			}
			if len(u.Data) > 1 {
				u.Data[0], u.Data[1] = b[8], b[9]
			}
			push(u)
		}
	}
}

// Whatever a publisher sends: pieces that can be read, in bounds, in order.
func FuzzPush(f *testing.F) {
	f.Add([]byte("\x00cccccccccccc\x01ccccccccccc\x25\x0e\x10\x00\x00\x01\x00\x00\x00\x00\x00\x00\x05\x0e\x10\x00\x00\x01\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		b = b[:min(len(b), 3000)]
		const limit = 64 << 10
		c := fmp4.New(fmp4.Options{MaxPiece: limit, Warn: func(fmp4.Warning) {}})
		last := map[uint32]int64{}
		var before fmp4.Chunk
		taken, given := 0, 0
		check := func(chunks []fmp4.Chunk) {
			for _, ch := range chunks {
				samples, err := readChunk(ch)
				if err != nil || len(samples) == 0 {
					t.Fatalf("a piece that cannot be read: %v", err)
				}
				if len(ch.Data) > limit || cap(ch.Data) != len(ch.Data) {
					t.Fatalf("a piece of %d bytes in %d", len(ch.Data), cap(ch.Data))
				}
				if ch.Init != before.Init {
					clear(last)
					if before.Init != nil && ch.Segment != before.Segment+1 {
						t.Fatalf("a new init in segment %d after %d", ch.Segment, before.Segment)
					}
				}
				if ch.Segment < before.Segment || ch.Segment > before.Segment+1 || ch.Duration <= 0 || ch.Duration > ch.Target || ch.PTS < 0 {
					t.Fatalf("segment %d after %d, duration %d of %d, at %d", ch.Segment, before.Segment, ch.Duration, ch.Target, ch.PTS)
				}
				if before.Init != nil && ch.Segment == before.Segment && ch.Target != before.Target {
					t.Fatal("the target changed inside a segment")
				}
				for _, s := range samples {
					given += len(s.data)
					if prev, ok := last[s.track]; ok && s.dts <= prev || s.dts < 0 || s.pts < s.dts || s.duration <= 0 {
						t.Fatalf("track %d: %d after %d, shown at %d, for %d", s.track, s.dts, prev, s.pts, s.duration)
					}
					last[s.track] = s.dts
				}
				before = ch
			}
		}
		script(t, b, func(u media.AccessUnit) {
			taken += len(u.Data)
			chunks, err := c.Push(u)
			if err != nil {
				t.Fatal(err)
			}
			check(chunks)
		}, func(cfg media.Config) { _ = c.Config(cfg) })
		check(c.Flush())
		if silence := 6 * 200 * len(b); given > taken+silence {
			t.Fatalf("%d bytes came out of %d", given, taken)
		}
	})
}
