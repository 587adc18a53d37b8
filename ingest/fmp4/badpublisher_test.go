package fmp4_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/fmp4"
	"github.com/shoalcast/shoal/ingest/media"
	"github.com/shoalcast/shoal/internal/mediatest"
)

// whole checks that all pictures, and all sound but dropped samples, decode.
func whole(t *testing.T, chunks []fmp4.Chunk, pictures, samples int) {
	t.Helper()
	path := join(t, chunks)
	mediatest.Decode(t, path)
	if got := mediatest.Frames(t, path); got != pictures {
		t.Errorf("%d pictures decode, want %d", got, pictures)
	}
	if got := mediatest.Samples(t, path); got < samples-1024 || got > samples+1024 {
		t.Errorf("%d samples decode, want %d", got, samples)
	}
	checkRules(t, chunks)
}

// An encoder whose clock is set in mid-stream goes on where it was: nothing is lost,
// sound and picture stay together, and the log says what happened.
func TestClockJump(t *testing.T) {
	t.Parallel()
	for _, jump := range []event.Ticks{3600 * event.Timescale, -3600 * event.Timescale, 10 * event.Timescale, -event.Timescale} {
		t.Run(jump.Duration().String(), func(t *testing.T) {
			t.Parallel()
			clip := mediatest.Make(t, plain)
			p := newPublisher(t, clip.Configs()...)
			for i, u := range mediatest.Milliseconds(clip.Units(start)) {
				if i >= 300 {
					u.DTS += jump
					u.PTS += jump
				}
				p.push(u)
			}
			whole(t, p.flush(), len(clip.Video.Units), clip.Samples)
			p.warned(fmp4.ClockJump)
			if jump == 3600*event.Timescale && !strings.Contains(p.warnings[fmp4.ClockJump], "clock jumped by +3600.0 s") {
				t.Errorf("the log says %q", p.warnings[fmp4.ClockJump])
			}
			if d := end(p.chunks) - 10*event.Timescale; d < -9000 || d > 9000 {
				t.Errorf("10 s of media end at %v", end(p.chunks).Duration())
			}
		})
	}
}

// Packets from before a jump may come after the first one from behind it.
func TestClockJumpWhileTracksOverlap(t *testing.T) {
	t.Parallel()
	clip := mediatest.Make(t, plain)
	p := newPublisher(t, clip.Configs()...)
	for i, u := range clip.Units(start) {
		if i >= 300 && u.Kind == media.Video || i >= 306 {
			u.DTS += 3600 * event.Timescale
			u.PTS += 3600 * event.Timescale
		}
		p.push(u)
	}
	whole(t, p.flush(), len(clip.Video.Units), clip.Samples)
	p.warned(fmp4.ClockJump)
}

// A gap of up to 3 s stays one in the picture; the sound is filled with silence, and
// decode times do not leap, since browsers would drop everything up to a keyframe.
func TestGap(t *testing.T) {
	t.Parallel()
	clip := mediatest.Make(t, plain)
	p := newPublisher(t, clip.Configs()...)
	pictures := 0
	for _, u := range clip.Units(start) {
		if u.DTS >= 4*event.Timescale && u.DTS < 13*event.Timescale/2 {
			continue
		}
		if u.Kind == media.Video {
			pictures++
			u.Key = u.Key && u.DTS < 4*event.Timescale
		}
		p.push(u)
	}
	whole(t, p.flush(), pictures, clip.Samples)
	p.warned(fmp4.AudioDrift)
	last := map[uint32]written{}
	for _, c := range p.chunks {
		samples, err := readChunk(c)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range samples {
			if before, ok := last[s.track]; ok && s.dts-before.dts > 2*before.duration {
				t.Errorf("track %d: decode time leaps from %d to %d after a sample of %d", s.track, before.dts, s.dts, before.duration)
			}
			last[s.track] = s
		}
	}
	if d := end(p.chunks) - 10*event.Timescale; d < -9000 || d > 9000 {
		t.Errorf("10 s of media end at %v", end(p.chunks).Duration())
	}
}

func TestBackwardJitter(t *testing.T) {
	t.Parallel()
	clip := mediatest.Make(t, plain)
	p := newPublisher(t, clip.Configs()...)
	for i, u := range clip.Units(start) {
		if u.Kind == media.Video && i%10 == 7 {
			u.DTS -= 8000
			u.PTS -= 8000
		}
		p.push(u)
	}
	whole(t, p.flush(), len(clip.Video.Units), clip.Samples)
	p.warned(fmp4.BackwardTime)
}

// A publisher that says pictures are shown before they are decoded is repaired.
func TestShownBeforeDecoded(t *testing.T) {
	t.Parallel()
	clip := mediatest.Make(t, mediatest.Spec{Video: "-c:v libx264 -preset ultrafast -bf 2 -g 25", Seconds: 4})
	p := newPublisher(t, clip.Configs()...)
	for _, u := range clip.Units(start) {
		u.PTS -= 2 * event.Timescale / 25
		p.push(u)
	}
	path := join(t, p.flush())
	mediatest.Decode(t, path)
	if got := mediatest.Frames(t, path); got != len(clip.Video.Units) {
		t.Errorf("%d pictures decode, want %d", got, len(clip.Video.Units))
	}
	checkRules(t, p.chunks)
}

// Sound that slowly runs away from its timestamps is brought back to them.
func TestAudioClockDrifts(t *testing.T) {
	t.Parallel()
	for name, permille := range map[string]event.Ticks{"slow": 1020, "fast": 980} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clip := mediatest.Make(t, plain)
			p := newPublisher(t, clip.Configs()...)
			for _, u := range clip.Units(start) {
				if u.Kind == media.Audio {
					u.PTS = u.PTS * permille / 1000
					u.DTS = u.PTS
				}
				p.push(u)
			}
			path := join(t, p.flush())
			mediatest.Decode(t, path)
			p.warned(fmp4.AudioDrift)
			want := clip.Samples * int(permille) / 1000
			if got := mediatest.Samples(t, path); got < want-5000 || got > want+5000 {
				t.Errorf("%d samples decode, want about %d", got, want)
			}
		})
	}
}

// Jitter in the sound's timestamps changes nothing: it is counted by samples.
func TestAudioJitter(t *testing.T) {
	t.Parallel()
	clip := mediatest.Make(t, plain)
	p := newPublisher(t, clip.Configs()...)
	for i, u := range clip.Units(start) {
		if u.Kind == media.Audio {
			u.PTS += event.Ticks(i%7-3) * 2500
			u.DTS = u.PTS
		}
		p.push(u)
	}
	path := join(t, p.flush())
	mediatest.Decode(t, path)
	if got := mediatest.Samples(t, path); got != clip.Samples || len(p.warnings) > 0 {
		t.Errorf("%d samples decode, want %d; warnings %v", got, clip.Samples, p.warnings)
	}
}

func TestPicturesBeforeTheFirstKeyframe(t *testing.T) {
	t.Parallel()
	clip := mediatest.Make(t, plain)
	p := newPublisher(t, clip.Configs()...)
	dropped := 0
	for _, u := range clip.Units(start) {
		if u.DTS <= 0 && u.Kind == media.Video {
			continue // the first keyframe got lost
		}
		if u.Kind == media.Video && u.DTS < event.Timescale {
			dropped++
		}
		p.push(u)
	}
	path := join(t, p.flush())
	mediatest.Decode(t, path)
	if got, want := mediatest.Frames(t, path), len(clip.Video.Units)-1-dropped; got != want || dropped != 24 {
		t.Errorf("%d pictures decode, want %d of them", got, want)
	}
	if p.warnings[fmp4.NotDecodable] == "" {
		t.Errorf("warnings %v", p.warnings)
	}
	if !p.chunks[0].Key || p.chunks[0].PTS > event.Timescale/2 {
		t.Errorf("the epoch starts with %+v", p.chunks[0].PTS)
	}
}

// An access unit that no piece can hold costs pictures up to the next keyframe and
// nothing else.
func TestTooLargePicture(t *testing.T) {
	t.Parallel()
	clip := mediatest.Make(t, plain)
	p := newPublisher(t, clip.Configs()...)
	n := 0
	for _, u := range clip.Units(start) {
		if u.Kind == media.Video {
			if n++; n == 60 {
				u.Data = make([]byte, event.MaxPiece)
			}
		}
		p.push(u)
	}
	whole(t, p.flush(), len(clip.Video.Units)-16, clip.Samples)
	if p.warnings[fmp4.TooLarge] == "" {
		t.Errorf("warnings %v", p.warnings)
	}
}

// Pieces close early rather than pass their limit.
func TestPieceLimit(t *testing.T) {
	t.Parallel()
	clip := mediatest.Make(t, plain)
	const limit = 12 << 10
	chunks := cutAll(t, fmp4.Options{MaxPiece: limit}, clip.Configs(), clip.Units(start))
	whole(t, chunks, len(clip.Video.Units), clip.Samples)
	full := false
	for i, c := range chunks {
		if len(c.Data) > limit {
			t.Errorf("piece %d has %d bytes", i, len(c.Data))
		}
		full = full || c.Duration < c.Target
	}
	if !full {
		t.Error("no piece was closed early: the test is too easy")
	}
}

// New parameters take effect at the next keyframe, with a new init and segment, and
// what ffmpeg decodes from each part is whole.
func TestParametersChange(t *testing.T) {
	t.Parallel()
	small := mediatest.Make(t, plain)
	large := mediatest.Make(t, mediatest.Spec{Source: "testsrc2=size=640x360:rate=25", Video: "-c:v libx264 -preset ultrafast -bf 0 -g 25", Audio: "-c:a aac -ac 1", Seconds: 4})
	p := newPublisher(t, small.Configs()...)
	p.push(small.Units(start)...)
	p.config(small.Configs()...) // said again: nothing changes
	p.config(large.Configs()...)
	for _, u := range large.Units(start) {
		u.DTS += 10 * event.Timescale
		u.PTS += 10 * event.Timescale
		p.push(u)
	}
	p.flush()
	checkRules(t, p.chunks)
	var parts [][]fmp4.Chunk
	for i, c := range p.chunks {
		if i == 0 || c.Init != p.chunks[i-1].Init {
			if !c.Key {
				t.Errorf("piece %d has a new init and is no keyframe", i)
			}
			parts = append(parts, nil)
		}
		parts[len(parts)-1] = append(parts[len(parts)-1], c)
	}
	if len(parts) != 2 {
		t.Fatalf("%d inits, want 2", len(parts))
	}
	for i, clip := range []mediatest.Clip{small, large} {
		path := join(t, parts[i])
		mediatest.Decode(t, path)
		if got := mediatest.Frames(t, path); got != len(clip.Video.Units) {
			t.Errorf("part %d: %d pictures decode, want %d", i, got, len(clip.Video.Units))
		}
	}
	if got := parts[1][0].Init; got.Width != 640 || got.Channels != 1 {
		t.Errorf("the second init says %+v", got)
	}
}

// A track that stops, or comes late, does not stop the other.
func TestTrackComesAndGoes(t *testing.T) {
	t.Parallel()
	for _, k := range []media.Kind{media.Video, media.Audio} {
		t.Run(fmt.Sprint(k), func(t *testing.T) {
			t.Parallel()
			clip := mediatest.Make(t, mediatest.Spec{Video: "-c:v libx264 -preset ultrafast -bf 0 -g 25", Audio: aac, Seconds: 16})
			p := newPublisher(t, clip.Configs()...)
			longest := event.Ticks(0)
			for _, u := range clip.Units(start) {
				if u.Kind == k && u.DTS > 4*event.Timescale && u.DTS < 10*event.Timescale {
					continue
				}
				p.push(u)
				if n := len(p.chunks); n > 0 {
					longest = max(longest, u.PTS-end(p.chunks))
				}
			}
			checkRules(t, p.flush())
			var codecs []string
			for i, c := range p.chunks {
				if i == 0 || c.Init != p.chunks[i-1].Init {
					codecs = append(codecs, c.Init.Codecs)
				}
			}
			both, other := "avc1.42c00c,mp4a.40.2", "mp4a.40.2"
			if k == media.Audio {
				other = "avc1.42c00c"
			}
			if fmt.Sprint(codecs) != fmt.Sprint([]string{both, other, both}) {
				t.Errorf("the stream's codecs were %q", codecs)
			}
			if longest > event.Timescale {
				t.Errorf("pieces came up to %v late", longest.Duration())
			}
			if p.warnings[fmp4.TrackStopped] == "" {
				t.Errorf("warnings %v", p.warnings)
			}
		})
	}
}

// A publisher that announces one track only does not wait for ever for another.
func TestLateSecondTrack(t *testing.T) {
	t.Parallel()
	clip := mediatest.Make(t, plain)
	p := newPublisher(t, clip.Audio.Config)
	for i, u := range clip.Units(start) {
		if i == 200 {
			p.config(clip.Video.Config)
		}
		if i >= 200 || u.Kind == media.Audio {
			p.push(u)
		}
	}
	checkRules(t, p.flush())
	if a, b := p.chunks[0].Init.Codecs, p.chunks[len(p.chunks)-1].Init.Codecs; a != "mp4a.40.2" || b != "avc1.42c00c,mp4a.40.2" {
		t.Errorf("codecs %q, then %q", a, b)
	}
}
