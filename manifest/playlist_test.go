package manifest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

// scenes are streams whose playlists are fixed by golden files.
func scenes(t testing.TB) map[string]manifest.View {
	view := func(signed []manifest.Signed) manifest.View {
		return manifest.View{Name: "live", Rendition: "v0", Entries: manifest.Window(entriesOf(signed))}
	}
	out := map[string]manifest.View{}
	c := withSession(t)
	out["first-part"] = view(c.stream(t, epoch0, 1))
	c = withSession(t)
	out["growing-segment"] = view(c.stream(t, epoch0, 13))
	c = withSession(t)
	out["full-window"] = view(c.stream(t, epoch0, 203))
	c = withSession(t)
	signed := c.stream(t, epoch0, 12)
	signed = append(signed, c.stream(t, epoch0+60_000, 7)...)
	p := c.piece(epoch0+60_000, 7)
	p.Segment, p.Init = 100, manifest.RootOf([]byte("another init"))
	out["discontinuities"] = view(append(signed, c.sign(t, p)...))
	c = withSession(t)
	signed = c.stream(t, epoch0, 7)
	for _, n := range []uint64{9, 50, 51, 55, 56} { // a part is lost, whole segments are, a start is
		signed = append(signed, c.sign(t, c.piece(epoch0, n))...)
	}
	out["gaps"] = view(signed)
	c = withSession(t)
	ended := view(c.stream(t, epoch0, 13))
	ended.Ended = true
	out["ended"] = ended
	return out
}

func TestPlaylistsStayAsTheyAre(t *testing.T) {
	for name, v := range scenes(t) {
		golden(t, "playlists/"+name+".m3u8", manifest.MediaPlaylist(v, manifest.MediaOptions{}))
		// The entries, for who writes playlists in another language.
		var entries []byte
		for _, e := range v.Entries {
			line, err := json.Marshal(e)
			must(t, err)
			entries = append(append(entries, line...), '\n')
		}
		golden(t, "playlists/"+name+".jsonl", entries)
	}
	golden(t, "playlists/full-window-skip.m3u8",
		manifest.MediaPlaylist(scenes(t)["full-window"], manifest.MediaOptions{Skip: true}))
	golden(t, "playlists/empty.m3u8", manifest.MediaPlaylist(manifest.View{}, manifest.MediaOptions{Skip: true}))
	golden(t, "playlists/multivariant.m3u8", manifest.MultivariantPlaylist([]manifest.Variant{
		{Rendition: "v0", Codecs: "avc1.64001f,mp4a.40.2", Width: 1280, Height: 720, FrameRate: 30, Bandwidth: 4_400_000, AverageBandwidth: 4_000_000},
		{Rendition: "a0", Codecs: "opus", Bandwidth: 64_000},
	}))
}

// segment is what a player makes of a playlist's lines.
type segment struct {
	msn, dsn int
	uri      string
	init     string
	date     string
	gap      bool
	duration float64
	parts    []string
}

type playlist struct {
	partTarget float64
	segments   []segment // whole ones
	open       []string  // parts of the one that grows
	hint       string
	skipped    int
}

var attribute = regexp.MustCompile(`([A-Z-]+)=("[^"]*"|[^,]*)`)

func attributes(line string) map[string]string {
	out := map[string]string{}
	for _, m := range attribute.FindAllStringSubmatch(line, -1) {
		out[m[1]] = strings.Trim(m[2], `"`)
	}
	return out
}

func seconds(t testing.TB, s string) float64 {
	v, err := strconv.ParseFloat(s, 64)
	must(t, err)
	return v
}

// read parses a playlist as RFC 8216bis says, on top of what is known from before.
func read(t testing.TB, text []byte, before *playlist) playlist {
	t.Helper()
	var p playlist
	var s segment
	msn, dsn, init := 0, 0, ""
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if lines[0] != "#EXTM3U" {
		t.Fatalf("not a playlist: %s", text)
	}
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ":")
		switch name {
		case "#EXT-X-PART-INF":
			p.partTarget = seconds(t, attributes(value)["PART-TARGET"])
		case "#EXT-X-MEDIA-SEQUENCE":
			msn, _ = strconv.Atoi(value)
		case "#EXT-X-DISCONTINUITY-SEQUENCE":
			dsn, _ = strconv.Atoi(value)
		case "#EXT-X-SKIP":
			p.skipped, _ = strconv.Atoi(attributes(value)["SKIPPED-SEGMENTS"])
			for range p.skipped {
				i := slices.IndexFunc(before.segments, func(s segment) bool { return s.msn == msn })
				if i < 0 {
					t.Fatalf("segment %d is skipped, but was not in the playlist before", msn)
				}
				old := before.segments[i]
				p.segments = append(p.segments, old)
				msn, dsn, init = msn+1, old.dsn, old.init
			}
		case "#EXT-X-DISCONTINUITY":
			dsn++
		case "#EXT-X-MAP":
			init = attributes(value)["URI"]
		case "#EXT-X-PROGRAM-DATE-TIME":
			s.date = value
		case "#EXT-X-PART":
			s.parts = append(s.parts, value)
		case "#EXT-X-GAP":
			s.gap = true
		case "#EXTINF":
			s.duration = seconds(t, strings.TrimSuffix(value, ","))
		case "#EXT-X-PRELOAD-HINT":
			p.hint = attributes(value)["URI"]
		case "#EXT-X-ENDLIST":
			t.Error("a live playlist never ends")
		default:
			if !strings.HasPrefix(line, "#") {
				s.uri, s.msn, s.dsn, s.init = line, msn, dsn, init
				p.segments = append(p.segments, s)
				msn, s = msn+1, segment{}
			}
		}
	}
	p.open = s.parts
	return p
}

func TestAPlaylistKeepsThePromisesOfLowLatencyHLS(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := withSession(t)
		entries := entriesOf(publish(rt, c))
		if len(entries) == 0 {
			return
		}
		upTo := rapid.IntRange(1, len(entries)).Draw(rt, "up to")
		v := manifest.View{Entries: manifest.Window(entries[:upTo])}
		text := manifest.MediaPlaylist(v, manifest.MediaOptions{})
		p := read(t, text, nil)
		var total, dated float64
		for i, s := range slices.Backward(p.segments) {
			if int(s.duration+0.5) > manifest.TargetDuration {
				rt.Fatalf("segment %d lasts %v s", s.msn, s.duration)
			}
			if s.init == "" || s.date == "" || s.uri != fmt.Sprintf("seg/%d.m4s", s.msn) {
				rt.Fatalf("segment %+v", s)
			}
			if i > 0 && (s.msn != p.segments[i-1].msn+1 || s.dsn < p.segments[i-1].dsn) {
				rt.Fatalf("segment %d follows %d", s.msn, p.segments[i-1].msn)
			}
			if len(s.parts) > 0 && total > 3*manifest.TargetDuration {
				rt.Fatalf("parts of a segment %v s from the end", total)
			}
			if len(s.parts) == 0 && total < 2*manifest.TargetDuration {
				rt.Fatalf("no parts of a segment %v s from the end", total)
			}
			total += s.duration
			dated += s.duration
		}
		for _, s := range append(slices.Clone(p.segments), segment{parts: p.open}) {
			var sum float64
			gaps := 0
			for _, part := range s.parts {
				a := attributes(part)
				d := seconds(t, a["DURATION"])
				if d > p.partTarget {
					rt.Fatalf("a part of %v s, the target is %v s", d, p.partTarget)
				}
				if a["GAP"] == "YES" {
					gaps++
				}
				sum += d
			}
			if s.uri == "" || len(s.parts) == 0 {
				continue
			}
			if diff := sum - s.duration; diff > 0.001 || diff < -0.001 {
				rt.Fatalf("segment %d lasts %v s, its parts %v s", s.msn, s.duration, sum)
			}
			if s.gap != (gaps == len(s.parts)) {
				rt.Fatalf("segment %d with %d of %d parts lost: gap is %v", s.msn, gaps, len(s.parts), s.gap)
			}
		}
		last := v.Entries[len(v.Entries)-1]
		if want := fmt.Sprintf("%d/%d.m4s", last.Epoch, last.N+1); p.hint != want {
			rt.Fatalf("the hint is %s, not %s", p.hint, want)
		}
		if len(p.open) == 0 {
			rt.Fatal("the growing segment has no parts")
		}
	})
}

func TestADeltaUpdateOnWhatIsKnownGivesTheWholePlaylist(t *testing.T) {
	seen := 0
	c := withSession(t)
	all := entriesOf(append(c.stream(t, epoch0, 250), c.stream(t, epoch0+100_000, 250)...))
	rapid.Check(t, func(rt *rapid.T) {
		entries := all
		now := rapid.IntRange(1, len(entries)).Draw(rt, "now")
		v := manifest.View{Entries: manifest.Window(entries[:now])}
		// A player asks for a delta only if what it has is at most half of CAN-SKIP-UNTIL old.
		var age event.Ticks
		then := now
		for then > 1 && age+entries[then-1].Dur < 12*event.Timescale {
			then--
			age += entries[then].Dur
		}
		then = rapid.IntRange(then, now).Draw(rt, "then")
		old := read(t, manifest.MediaPlaylist(manifest.View{Entries: manifest.Window(entries[:then])}, manifest.MediaOptions{}), nil)
		delta := read(t, manifest.MediaPlaylist(v, manifest.MediaOptions{Skip: true}), &old)
		full := read(t, manifest.MediaPlaylist(v, manifest.MediaOptions{}), nil)
		if delta.skipped > 0 {
			seen++
		}
		if len(delta.segments) != len(full.segments) || delta.hint != full.hint || !slices.Equal(delta.open, full.open) {
			rt.Fatalf("%d segments of %d", len(delta.segments), len(full.segments))
		}
		for i := range full.segments {
			a, b := delta.segments[i], full.segments[i]
			if i < delta.skipped {
				a.parts, b.parts = nil, nil
			}
			if fmt.Sprint(a) != fmt.Sprint(b) {
				rt.Fatalf("merged:\n%+v\nwhole:\n%+v", a, b)
			}
		}
	})
	if seen == 0 {
		t.Error("no delta update skipped anything")
	}
}

func TestTheWindowHoldsThirtySecondsOrTwoGroupsOfPictures(t *testing.T) {
	c := withSession(t)
	entries := entriesOf(c.stream(t, epoch0, 400)) // 1 s segments
	w := manifest.Window(entries)
	if len(w) != 150 || !w[0].StartsSegment() {
		t.Errorf("of 80 s with a keyframe a second, %d entries are kept", len(w))
	}
	if n := len(manifest.Window(entries[:399])); n != 154 {
		t.Errorf("cut inside a segment, %d entries are kept: the start lies before the 30 s", n)
	}
	if n := len(manifest.Window(entries[:20])); n != 20 {
		t.Errorf("of 4 s, %d entries are kept", n)
	}

	long := withSession(t) // a keyframe every 40 s, in segments of 4 s
	var signed []manifest.Signed
	for n := range uint64(450) {
		p := long.piece(epoch0, n)
		p.Segment, p.Key = n/20, n%200 == 0
		signed = append(signed, long.sign(t, p)...)
	}
	if w := manifest.Window(entriesOf(signed)); w[0].N != 200 || !w[0].Key {
		t.Errorf("with a keyframe every 40 s it starts at %d, not with the group before the current one", w[0].N)
	}
	big := slices.Clone(entries)
	for i := range big {
		big[i].Size = event.MaxPiece
	}
	if n := len(manifest.Window(big)); n*event.MaxPiece > manifest.MaxWindowBytes {
		t.Errorf("%d pieces of 4 MiB are kept", n)
	}
}

func TestABlockingRequestIsAnsweredInItsTime(t *testing.T) {
	c := withSession(t)
	v := manifest.View{Entries: entriesOf(c.stream(t, epoch0, 13))} // segment 2 has parts 0 to 2
	for _, q := range []struct {
		msn  uint64
		part int64
		want manifest.Answer
	}{
		{1, -1, manifest.Ready},
		{1, 4, manifest.Ready},
		{1, 9, manifest.Ready},
		{2, 2, manifest.Ready},
		{2, 3, manifest.Hold},
		{2, -1, manifest.Hold},
		{3, 0, manifest.Hold},
		{4, 0, manifest.Hold},
		{5, 0, manifest.Refuse},
		{1 << 60, -1, manifest.Refuse},
	} {
		if got := v.Answers(q.msn, q.part); got != q.want {
			t.Errorf("segment %d part %d: %v, want %v", q.msn, q.part, got, q.want)
		}
	}
	v.Ended = true
	if v.Answers(2, -1) != manifest.Ready {
		t.Error("the last segment of an ended epoch is whole")
	}
}

// TestAForeignParserReadsThePlaylists runs npm's m3u8-parser over every golden file.
func TestAForeignParserReadsThePlaylists(t *testing.T) {
	for name, v := range scenes(t) {
		cmd := exec.Command("node", "testdata/parse.mjs")
		cmd.Stdin = bytes.NewReader(manifest.MediaPlaylist(v, manifest.MediaOptions{}))
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("run m3u8-parser (make setup installs it): %v", err)
		}
		var got struct {
			Warnings []string
			Segments []struct {
				URI      string
				Duration float64
				Timeline int
				Parts    []map[string]any
				Map      struct{ URI string }
			}
			MediaSequence  int
			TargetDuration float64
			PartTarget     float64
			Hints          []struct{ URI string }
			Control        struct{ CanBlockReload bool }
		}
		must(t, json.Unmarshal(out, &got))
		ours := read(t, manifest.MediaPlaylist(v, manifest.MediaOptions{}), nil)
		if len(got.Warnings) > 0 {
			t.Errorf("%s: it warns: %q", name, got.Warnings)
		}
		whole := got.Segments[:0:0]
		for _, s := range got.Segments {
			if s.URI != "" {
				whole = append(whole, s)
			}
		}
		if len(whole) != len(ours.segments) || got.TargetDuration != manifest.TargetDuration ||
			got.PartTarget != ours.partTarget || !got.Control.CanBlockReload ||
			uint64(got.MediaSequence) != v.Entries[0].MSN {
			t.Errorf("%s: it read %s", name, out)
			continue
		}
		for i, s := range whole {
			o := ours.segments[i]
			if s.URI != o.uri || s.Map.URI != o.init || len(s.Parts) != len(o.parts) || s.Duration != o.duration {
				t.Errorf("%s: segment %d: %+v, ours is %+v", name, i, s, o)
			}
		}
		if v.Ended != (len(got.Hints) == 0) {
			t.Errorf("%s: %d hints", name, len(got.Hints))
		}
	}
}

func BenchmarkMediaPlaylist(b *testing.B) {
	v := scenes(b)["full-window"]
	b.ReportAllocs()
	for b.Loop() {
		manifest.MediaPlaylist(v, manifest.MediaOptions{})
	}
}
