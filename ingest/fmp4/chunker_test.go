package fmp4_test

import (
	"slices"
	"testing"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/fmp4"
	"github.com/shoalcast/shoal/ingest/media"
	"github.com/shoalcast/shoal/internal/mediatest"
)

// plain is 25 frames a second without B-frames, a keyframe each second.
var plain = mediatest.Spec{Video: "-c:v libx264 -preset ultrafast -bf 0 -g 25", Audio: aac, Seconds: 10}

// publisher drives a Chunker and keeps what comes out.
type publisher struct {
	t        testing.TB
	c        *fmp4.Chunker
	chunks   []fmp4.Chunk
	warnings map[fmp4.Code]string
}

func newPublisher(t testing.TB, configs ...media.Config) *publisher {
	p := &publisher{t: t, warnings: map[fmp4.Code]string{}}
	p.c = fmp4.New(fmp4.Options{Warn: func(w fmp4.Warning) { p.warnings[w.Code] = w.Message }})
	p.config(configs...)
	return p
}

func (p *publisher) config(configs ...media.Config) {
	p.t.Helper()
	for _, cfg := range configs {
		if err := p.c.Config(cfg); err != nil {
			p.t.Fatal(err)
		}
	}
}

func (p *publisher) push(units ...media.AccessUnit) {
	p.t.Helper()
	for _, u := range units {
		chunks, err := p.c.Push(u)
		if err != nil {
			p.t.Fatal(err)
		}
		p.chunks = append(p.chunks, chunks...)
	}
}

func (p *publisher) flush() []fmp4.Chunk {
	p.chunks = append(p.chunks, p.c.Flush()...)
	return p.chunks
}

func (p *publisher) warned(code fmp4.Code) {
	p.t.Helper()
	if _, ok := p.warnings[code]; !ok || len(p.warnings) != 1 {
		p.t.Errorf("warnings %v, want only %s", p.warnings, code)
	}
}

// end is when the last chunk ends.
func end(chunks []fmp4.Chunk) event.Ticks {
	last := chunks[len(chunks)-1]
	return last.PTS + last.Duration
}

// A viewer waits for nothing but the pictures: a piece leaves when its last picture
// has come, not when the next one does.
func TestPieceLeavesWithItsLastPicture(t *testing.T) {
	t.Parallel()
	clip := mediatest.Make(t, plain)
	p := newPublisher(t, clip.Configs()...)
	pictures := 0
	for _, u := range mediatest.Milliseconds(clip.Units(start)) {
		before := len(p.chunks)
		p.push(u)
		if u.Kind == media.Video {
			pictures++
		}
		want := before
		if u.Kind == media.Video && pictures%5 == 0 {
			want++
		}
		if len(p.chunks) != want {
			t.Fatalf("after %d pictures: %d pieces, want %d", pictures, len(p.chunks), want)
		}
		if want > before && !p.chunks[before].Received.Equal(u.Arrived) {
			t.Errorf("piece %d was complete at %v, says %v", before, u.Arrived, p.chunks[before].Received)
		}
	}
}

func TestArrivalIsThatOfTheFirstPicture(t *testing.T) {
	t.Parallel()
	clip := mediatest.Make(t, plain)
	p := newPublisher(t, clip.Configs()...)
	p.push(clip.Units(start)...)
	for i, c := range p.chunks {
		if want := start.Add(clip.Video.Units[5*i].DTS.Duration()); !c.Arrived.Equal(want) {
			t.Fatalf("piece %d arrived at %v, want %v", i, c.Arrived, want)
		}
	}
}

func TestTargets(t *testing.T) {
	t.Parallel()
	for rate, want := range map[string]time.Duration{
		"25": 200 * time.Millisecond, "30": 200 * time.Millisecond, "60": 200 * time.Millisecond,
		"30000/1001": 201 * time.Millisecond, "24": 209 * time.Millisecond, "2": 500 * time.Millisecond,
		"1": time.Second, "7": 143 * time.Millisecond,
	} {
		t.Run(rate, func(t *testing.T) {
			t.Parallel()
			clip := mediatest.Make(t, mediatest.Spec{Source: "testsrc2=size=160x90:rate=" + rate, Video: "-c:v libx264 -preset ultrafast -g 1000", Seconds: 5})
			for _, c := range cutAll(t, fmp4.Options{}, clip.Configs(), mediatest.Milliseconds(clip.Units(start))) {
				if c.Target != event.TicksOf(want) {
					t.Errorf("target %v, want %v", c.Target.Duration(), want)
				}
			}
		})
	}
}

// Segments of a GOP longer than 4 s end without a keyframe, and say so.
func TestLongGOP(t *testing.T) {
	t.Parallel()
	clip := mediatest.Make(t, mediatest.Spec{Video: "-c:v libx264 -preset ultrafast -g 250 -keyint_min 250 -sc_threshold 0", Seconds: 20.5})
	lengths, keys := map[uint64]event.Ticks{}, []bool{}
	for _, c := range cutAll(t, fmp4.Options{}, clip.Configs(), clip.Units(start)) {
		if lengths[c.Segment] == 0 {
			keys = append(keys, c.Key)
		}
		lengths[c.Segment] += c.Duration
	}
	if want := []bool{true, false, false, true, false, false, true}; !slices.Equal(keys, want) {
		t.Errorf("segments start with keyframes: %v, want %v", keys, want)
	}
	for i, want := range []event.Ticks{4, 4, 2, 4, 4, 2} {
		if lengths[uint64(i)] != want*event.Timescale {
			t.Errorf("segment %d lasts %v", i, lengths[uint64(i)].Duration())
		}
	}
}

// A stream without video can be joined at any piece.
func TestAudioOnly(t *testing.T) {
	t.Parallel()
	clip := mediatest.Make(t, mediatest.Spec{Audio: aac, Seconds: 10})
	lengths := map[uint64]event.Ticks{}
	for i, c := range cutAll(t, fmp4.Options{}, clip.Configs(), mediatest.Milliseconds(clip.Units(start))) {
		if !c.Key {
			t.Errorf("piece %d is no start", i)
		}
		lengths[c.Segment] += c.Duration
		if c.Init.Codecs != "mp4a.40.2" || c.Init.SampleRate != 48000 || c.Init.Channels != 2 {
			t.Fatalf("init says %+v", c.Init)
		}
	}
	for i, d := range lengths {
		if d > 2*event.Timescale || d < 9*event.Timescale/5 && i < 5 {
			t.Errorf("segment %d lasts %v", i, d.Duration())
		}
	}
}

// Publishers whose frame rate falls get longer pieces from the next segment on.
func TestFrameRateFalls(t *testing.T) {
	t.Parallel()
	fast := mediatest.Make(t, mediatest.Spec{Video: "-c:v libx264 -preset ultrafast -g 50", Seconds: 4})
	p := newPublisher(t, fast.Configs()...)
	var at event.Ticks
	for i, u := range slices.Concat(fast.Video.Units, fast.Video.Units) {
		u.DTS, u.PTS = at, at
		if at += event.Timescale / 25; i >= 100 {
			at += event.Timescale/2 - event.Timescale/25
		}
		p.push(u)
	}
	checkRules(t, p.flush())
	if got := p.chunks[len(p.chunks)-1].Target; got != event.Timescale/2 {
		t.Errorf("at 2 frames a second the target is %v", got.Duration())
	}
	if len(p.warnings) > 0 {
		t.Errorf("warnings %v", p.warnings)
	}
}

// An init is a function of the parameters alone.
func TestInitIsReproducible(t *testing.T) {
	t.Parallel()
	clip := mediatest.Make(t, plain)
	a := cutAll(t, fmp4.Options{}, clip.Configs(), clip.Units(start))[0].Init
	late := fmp4.Options{Warn: func(fmp4.Warning) {}} // it joins in the middle of a GOP
	b := cutAll(t, late, clip.Configs(), clip.Units(start.Add(time.Hour))[100:])[0].Init
	if string(a.Data) != string(b.Data) {
		t.Error("the same encoder settings gave two init segments")
	}
	if a.Width != 320 || a.Height != 180 || a.FrameRate != 25 || a.Codecs != "avc1.42c00c,mp4a.40.2" {
		t.Errorf("init says %+v", a)
	}
}
