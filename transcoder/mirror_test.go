package transcoder

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/fmp4"
	"github.com/shoalcast/shoal/internal/mediatest"
)

var start = time.UnixMilli(1_790_000_000_000)

// cut makes pieces of a clip, as ingest does.
func cut(t testing.TB, clip mediatest.Clip) ([]*event.Piece, *fmp4.Init) {
	t.Helper()
	c := fmp4.New(fmp4.Options{})
	for _, cfg := range clip.Configs() {
		if err := c.Config(cfg); err != nil {
			t.Fatal(err)
		}
	}
	var chunks []fmp4.Chunk
	for _, u := range clip.Units(start) {
		more, err := c.Push(u)
		if err != nil {
			t.Fatal(err)
		}
		chunks = append(chunks, more...)
	}
	var out []*event.Piece
	for i, ch := range append(chunks, c.Flush()...) {
		out = append(out, &event.Piece{
			Address: event.Address{Rendition: event.Source, Position: event.Position{Epoch: 1, N: uint64(i)}},
			Segment: ch.Segment, Key: ch.Key, PTS: ch.PTS, Duration: ch.Duration, Target: ch.Target, Data: ch.Data,
		})
	}
	return out, chunks[0].Init
}

// encode is what an encoder makes of pieces that reorders nothing and keeps keyframes.
func encode(t testing.TB, pieces []*event.Piece) []fmp4.Picture {
	t.Helper()
	var out []fmp4.Picture
	for _, p := range pieces {
		in, err := fmp4.Read(p.Data)
		if err != nil {
			t.Fatal(err)
		}
		for _, pic := range in.Pictures {
			out = append(out, fmp4.Picture{DTS: pic.PTS, PTS: pic.PTS, Key: pic.Key, Data: []byte{byte(len(out))}})
		}
	}
	slices.SortStableFunc(out, func(a, b fmp4.Picture) int { return int(a.PTS - b.PTS) })
	return out
}

// sources gives the mirror pieces of the source, and returns what is complete by them.
func sources(t testing.TB, m *mirror, pieces ...*event.Piece) (out []made) {
	t.Helper()
	for _, p := range pieces {
		in, err := fmp4.Read(p.Data)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := m.add(p, in)
		if !ok {
			t.Fatalf("no room for piece %d", p.N)
		}
		out = append(out, got...)
	}
	return out
}

// live gives the mirror all pieces of the source and an encoder's pictures as they come of them,
// calls after with each piece, and returns what was made.
func live(t testing.TB, m *mirror, pieces []*event.Piece, pictures []fmp4.Picture, after func(*event.Piece)) (out []made) {
	t.Helper()
	next := 0
	for _, p := range pieces {
		out = append(out, sources(t, m, p)...)
		in, err := fmp4.Read(p.Data)
		if err != nil {
			t.Fatal(err)
		}
		// The encoder gives out what is shown before anything that it has not got.
		for n := len(in.Pictures); n > 0 && next < len(pictures) && pictures[next].PTS <= in.Pictures[n-1].DTS; next++ {
			out = append(out, m.take(pictures[next])...)
		}
		after(p)
	}
	for _, p := range pictures[next:] {
		out = append(out, m.take(p)...)
	}
	return append(out, m.flush()...)
}

// Each piece of a rendition has the place, the length and the sound of the source's, and it
// is there with its last picture.
func TestARenditionIsCutWhereItsSourceIs(t *testing.T) {
	t.Parallel()
	for name, flags := range map[string]string{
		"in order": "-bf 0 -g 25", "reordered": "-bf 3 -g 40", "short GOPs": "-bf 2 -g 7", "one GOP": "-bf 0 -g 1000",
		"a pyramid": "-bf 5 -b-pyramid normal -g 50",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clip := mediatest.Make(t, mediatest.Spec{Video: "-c:v libx264 -preset ultrafast " + flags, Audio: "-c:a aac -ac 2", Seconds: 6})
			pieces, _ := cut(t, clip)
			pictures := encode(t, pieces)
			m := &mirror{}
			got := live(t, m, pieces, pictures, func(p *event.Piece) {
				if len(m.open) > 2 || m.shift == 0 && len(m.open) > 0 {
					t.Fatalf("after piece %d, %d wait for more", p.N, len(m.open))
				}
			})
			if len(got) != len(pieces) {
				t.Fatalf("%d pieces of %d", len(got), len(pieces))
			}
			count := 0
			var end event.Ticks
			for i, g := range got {
				in, err := fmp4.Read(g.data)
				if err != nil {
					t.Fatal(err)
				}
				count += len(in.Pictures)
				if g.source.N != pieces[i].N || g.key != pieces[i].Key {
					t.Errorf("piece %d: of %d, key %v", i, g.source.N, g.key)
				}
				if g.key != pieces[i].Key || g.key && g.pts != pieces[i].PTS {
					t.Errorf("segment %d begins at %d, the source's at %d", g.source.Segment, g.pts, pieces[i].PTS)
				}
				if len(in.Pictures) > 0 { // there is sound after the last one
					if d := in.Pictures[0].DTS - end; i > 0 && (d < -1 || d > 1) {
						t.Errorf("piece %d begins %d ticks after the one before has ended", i, d)
					}
					end = in.Ends
				}
				source, err := fmp4.Read(pieces[i].Data)
				if err != nil {
					t.Fatal(err)
				}
				if a, b := source.Replace(0, nil, 0, 0), in.Replace(0, nil, 0, 0); !slices.Equal(a, b) {
					t.Errorf("piece %d sounds otherwise", i)
				}
			}
			if count != len(pictures) {
				t.Errorf("%d pictures of %d", count, len(pictures))
			}
		})
	}
}

// Whatever the encoder leaves out or adds, pieces are in order, none twice, and no picture
// goes lost that has a piece.
func TestPiecesOfAnEncoderThatErrs(t *testing.T) {
	t.Parallel()
	clip := mediatest.Make(t, mediatest.Spec{Video: "-c:v libx264 -preset ultrafast -bf 2 -g 25", Audio: "-c:a aac -ac 2", Seconds: 4})
	pieces, _ := cut(t, clip)
	pictures := encode(t, pieces)
	rapid.Check(t, func(rt *rapid.T) {
		m := &mirror{}
		var got []made
		next := 0
		for _, p := range pieces {
			if rapid.IntRange(0, 9).Draw(rt, "input lost") == 0 {
				continue
			}
			got = append(got, sources(t, m, p)...)
			for n := rapid.IntRange(0, 12).Draw(rt, "pictures"); n > 0 && next < len(pictures); n-- {
				if pic := pictures[next]; rapid.IntRange(0, 9).Draw(rt, "picture lost") > 0 {
					pic.PTS += event.Ticks(rapid.IntRange(-40, 40).Draw(rt, "rounding"))
					pic.DTS = pic.PTS
					got = append(got, m.take(pic)...)
				}
				next++
			}
		}
		got = append(got, m.flush()...)
		last := -1
		for _, g := range got {
			if int(g.source.N) <= last {
				rt.Fatalf("piece %d comes after %d", g.source.N, last)
			}
			last = int(g.source.N)
			in, err := fmp4.Read(g.data)
			if err != nil {
				rt.Fatalf("read piece %d: %v", g.source.N, err)
			}
			for i, p := range in.Pictures {
				if p.PTS < p.DTS || i > 0 && p.DTS <= in.Pictures[i-1].DTS {
					rt.Fatalf("piece %d: picture %d is decoded at %d, shown at %d", g.source.N, i, p.DTS, p.PTS)
				}
			}
		}
	})
}

// A piece without pictures, as while the camera is off, is all the source's.
func TestSoundGoesOnWithoutPictures(t *testing.T) {
	t.Parallel()
	clip := mediatest.Make(t, mediatest.Spec{Audio: "-c:a aac -ac 2", Seconds: 1})
	m := &mirror{}
	pieces, _ := cut(t, clip)
	if got := sources(t, m, pieces...); len(got) != len(pieces) || got[0].key {
		t.Errorf("%d pieces of %d", len(got), len(pieces))
	}
}

// A camera that is turned off for a while: what is heard meanwhile waits for no picture.
func TestSoundAloneWaitsForNothing(t *testing.T) {
	t.Parallel()
	m := &mirror{}
	tick := event.Ticks(18_000)
	for n := range uint64(60) {
		p := &event.Piece{Address: event.Address{Position: event.Position{N: n}}, PTS: event.Ticks(n) * tick, Duration: tick, Key: n%5 == 0 && (n < 10 || n >= 40)}
		c := &fmp4.Contents{}
		off := n >= 10 && n < 40
		if !off {
			c.Pictures, c.Ends = []fmp4.Picture{{DTS: p.PTS, PTS: p.PTS, Key: p.Key}}, p.PTS+tick
		}
		if _, ok := m.add(p, c); !ok {
			t.Fatalf("no room for piece %d", n)
		}
		if !off {
			m.take(fmp4.Picture{DTS: p.PTS, PTS: p.PTS, Key: p.Key})
		}
		if len(m.open) > 0 || len(m.due) > 0 {
			t.Fatalf("piece %d waits", n)
		}
	}
}

// Broadcast encoders let pictures lead a keyframe that refer to what came before it. Shown
// before it, they belong into the piece before.
func TestSegmentsOfOpenGroupsBeginWithAKeyframe(t *testing.T) {
	t.Parallel()
	clip := mediatest.Make(t, mediatest.Spec{Video: "-c:v libx264 -preset veryfast -bf 3 -g 25 -x264-params open-gop=1:scenecut=0", Audio: "-c:a aac -ac 2", Seconds: 6})
	pieces, _ := cut(t, clip)
	pictures := encode(t, pieces)
	got := live(t, &mirror{}, pieces, pictures, func(*event.Piece) {})
	keys, count := 0, 0
	for i, g := range got {
		in, err := fmp4.Read(g.data)
		if err != nil {
			t.Fatal(err)
		}
		count += len(in.Pictures)
		if g.source.N != pieces[i].N || g.key != pieces[i].Key {
			t.Errorf("piece %d is made of %d, key %v of %v", i, g.source.N, g.key, pieces[i].Key)
		}
		for k, p := range in.Pictures {
			if p.Key && k > 0 {
				t.Errorf("piece %d has a keyframe in its midst", i)
			}
			if p.Key {
				keys++
			}
		}
	}
	if keys < 5 || len(got) != len(pieces) || count != len(pictures) {
		t.Errorf("%d pieces of %d, %d pictures of %d, %d of them keyframes", len(got), len(pieces), count, len(pictures), keys)
	}
}

// What the encoder left out of a segment's beginning takes the rest with it.
func TestNothingRefersToWhatWasLeftOut(t *testing.T) {
	t.Parallel()
	clip := mediatest.Make(t, mediatest.Spec{Video: "-c:v libx264 -preset ultrafast -bf 0 -g 25", Audio: "-c:a aac -ac 2", Seconds: 4})
	pieces, _ := cut(t, clip)
	m := &mirror{}
	var got []made
	got = append(got, sources(t, m, pieces...)...)
	for i, p := range encode(t, pieces) {
		if i != 25 { // the second segment's keyframe
			got = append(got, m.take(p)...)
		}
	}
	got = append(got, m.flush()...)
	for _, g := range got {
		if g.source.Segment == 1 {
			t.Errorf("piece %d was made", g.source.N)
		}
	}
	if len(got) != len(pieces)-5 {
		t.Errorf("%d pieces of %d", len(got), len(pieces))
	}
}

func TestAnEncoderThatIsFarBehindGetsNoMore(t *testing.T) {
	t.Parallel()
	m := &mirror{}
	for i := range maxOpen {
		p := &event.Piece{Address: event.Address{Position: event.Position{N: uint64(i)}}, PTS: event.Ticks(i) * 18_000, Duration: 18_000}
		if _, ok := m.add(p, &fmp4.Contents{Pictures: []fmp4.Picture{{DTS: p.PTS, PTS: p.PTS}}, Ends: p.PTS + 18_000}); !ok {
			t.Fatalf("no room for %d", i)
		}
	}
	if _, ok := m.add(&event.Piece{}, &fmp4.Contents{}); ok {
		t.Error("there is room without end")
	}
}
