package fmp4_test

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/fmp4"
	"github.com/shoalcast/shoal/ingest/media"
)

func record(t interface{ Fatal(...any) }, s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// configs are real records: what the chunker does with times does not depend on what
// is in the access units.
func configs(t interface{ Fatal(...any) }) (video, audio, opus media.Config) {
	return media.Config{Codec: media.H264, Record: record(t, "0164000dffe1001c6764000dacd941519e226c39a808080a000007d20001d4c01e28532c01000468ef8fcbfdf8f800")},
		media.Config{Codec: media.AAC, Record: record(t, "1190")},
		media.Config{Codec: media.Opus, Record: record(t, "4f707573486561640102380180bb0000000000")}
}

// publish is a drawn publish: any frame rate, GOP, order of pictures and rounding.
type publish struct {
	configs []media.Config
	units   []media.AccessUnit
	frame   event.Ticks
}

func drawPublish(t *rapid.T) publish {
	video, aac, opus := configs(t)
	var p publish
	rate := rapid.SampledFrom([]float64{1, 2, 5, 12.5, 23.976, 24, 25, 29.97, 30, 50, 59.94, 60, 120}).Draw(t, "rate")
	seconds := rapid.Float64Range(0.5, 12).Draw(t, "seconds")
	gop := rapid.IntRange(1, 300).Draw(t, "gop")
	depth := rapid.IntRange(0, 3).Draw(t, "B-frames in a row")
	base := event.Ticks(rapid.Int64Range(-1<<40, 1<<40).Draw(t, "base"))
	kinds := rapid.SampledFrom([]string{"video", "audio", "both"}).Draw(t, "tracks")
	round := rapid.SampledFrom([]event.Ticks{1, 90}).Draw(t, "timestamp unit")
	skew := event.Ticks(rapid.IntRange(-20_000, 20_000).Draw(t, "audio skew"))
	p.frame = event.Ticks(event.Timescale / rate)
	unit := func(n int) []byte {
		b := make([]byte, 8+n*977%2000)
		binary.BigEndian.PutUint64(b, uint64(n))
		return b
	}
	floor := func(f float64) event.Ticks {
		v := base + event.Ticks(f)
		return v - (v%round+round)%round
	}
	if kinds != "audio" {
		p.configs = append(p.configs, video)
		for i := range max(2, int(seconds*rate)) {
			in := i % gop
			shown := i
			if depth > 0 && in > 0 { // P, then the B-frames before it
				if group := (in - 1) % (depth + 1); group == 0 {
					shown = i + depth
				} else {
					shown = i - 1
				}
			}
			f := event.Timescale / rate
			p.units = append(p.units, media.AccessUnit{
				Kind: media.Video, Key: in == 0,
				DTS: floor(float64(i) * f), PTS: max(floor(float64(i)*f), floor(float64(shown+min(depth, 1))*f)),
				Data: unit(i),
			})
		}
	}
	if kinds != "video" {
		cfg, length := aac, 1920.0
		if rapid.Bool().Draw(t, "Opus") {
			cfg, length = opus, 1800
		}
		p.configs = append(p.configs, cfg)
		for i := range max(1, int(seconds*event.Timescale/length)) {
			at := floor(float64(i)*length) + skew
			u := media.AccessUnit{Kind: media.Audio, Key: true, DTS: at, PTS: at, Data: unit(1<<20 + i)}
			if cfg.Codec == media.Opus {
				u.Data[0] = 0xf8
			}
			p.units = append(p.units, u)
		}
	}
	slices.SortStableFunc(p.units, func(a, b media.AccessUnit) int { return cmp.Compare(a.DTS, b.DTS) })
	for i := range p.units {
		p.units[i].Arrived = start.Add((p.units[i].DTS - base).Duration())
	}
	return p
}

// Whatever the frame rate, GOP and order: nothing is lost, nothing changes its place,
// and the rules for pieces and segments hold.
func TestNothingIsLostOrMoved(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		p := drawPublish(rt)
		c := fmp4.New(fmp4.Options{Warn: func(w fmp4.Warning) { rt.Errorf("warning %s: %s", w.Code, w.Message) }})
		for _, cfg := range p.configs {
			if err := c.Config(cfg); err != nil {
				rt.Fatal(err)
			}
		}
		var chunks []fmp4.Chunk
		for _, u := range p.units {
			out, err := c.Push(u)
			if err != nil {
				rt.Fatal(err)
			}
			chunks = append(chunks, out...)
		}
		chunks = append(chunks, c.Flush()...)
		checkRules(rt, chunks)
		want := map[uint32][]media.AccessUnit{}
		for _, u := range p.units {
			want[uint32(u.Kind)+1] = append(want[uint32(u.Kind)+1], u)
		}
		var offset *event.Ticks
		last := map[uint32]written{}
		for i, ch := range chunks {
			samples, err := readChunk(ch)
			if err != nil {
				rt.Fatalf("piece %d: %v", i, err)
			}
			if samples[0].track == 1 && samples[0].key != ch.Key {
				rt.Errorf("piece %d: key %t", i, ch.Key)
			}
			for k, s := range samples {
				left := want[s.track]
				if len(left) == 0 || !bytes.Equal(left[0].Data, s.data) {
					rt.Fatalf("piece %d, track %d: not the sample that was next", i, s.track)
				}
				u := left[0]
				want[s.track] = left[1:]
				if before, ok := last[s.track]; ok && s.dts <= before.dts {
					rt.Fatalf("track %d: decode time %d after %d", s.track, s.dts, before.dts)
				}
				if before := last[s.track]; s.track == 2 && before.data != nil && s.dts != before.dts+before.duration {
					rt.Fatalf("audio at %d after a frame up to %d", s.dts, before.dts+before.duration)
				}
				last[s.track] = s
				if s.duration <= 0 || s.dts < 0 || s.pts < s.dts {
					rt.Fatalf("a sample at %d, shown at %d, for %d", s.dts, s.pts, s.duration)
				}
				if s.track == 1 {
					if s.key != u.Key || s.key && k > 0 {
						rt.Fatalf("piece %d, picture %d: key %t, in the publish %t", i, k, s.key, u.Key)
					}
					if d := u.PTS - event.Ticks(s.pts); offset == nil {
						offset = &d
					} else if d != *offset {
						rt.Fatalf("a picture is shown %d ticks off", d-*offset)
					}
				}
			}
		}
		for track, left := range want {
			if len(left) > 0 {
				rt.Errorf("track %d: %d access units did not come out", track, len(left))
			}
		}
	})
}
