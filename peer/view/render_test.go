package view

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"pgregory.net/rapid"

	"github.com/shoalcast/shoal/peer"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(file, []byte(got+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got+"\n" != string(want) {
		t.Errorf("%s: it shows\n%s\nand should\n%s", name, got, want)
	}
}

// session is what a viewer reports for that many seconds: at first all from the origin,
// then most from peers.
func session(seconds int) []peer.Line {
	var out []peer.Line
	var l peer.Line
	for at := range seconds + 1 {
		l.T, l.State, l.WrittenMS = float64(at), peer.Verified, int64(at)*1000
		l.DelayNow, l.DelayMS, l.BufferMS = 412, peer.Delay{P50: 420, P95: 615}, 230
		l.PiecesVerified, l.Peers, l.Upload, l.Up = int64(at)*5, 7, int64(at)*180_000, 1_440_000
		if at <= 20 {
			l.Bytes.Origin += 250_000
		} else {
			l.Bytes.Peer += 205_000
			l.Bytes.Seed += 44_000
			l.Bytes.Origin += 1_000
		}
		out = Trim(append(out, l))
	}
	return out
}

var concert = Info{
	Name: "concert", Page: "http://127.0.0.1:8080/live/concert", Players: "http://127.0.0.1:9000/index.m3u8",
	Output: "film.mp4", Notice: "the origin does not answer, trying again", UpRate: 5_000_000,
}

func TestWhatATerminalShows(t *testing.T) {
	trouble := session(754)
	bad := &trouble[len(trouble)-1]
	bad.State, bad.PiecesRejected, bad.Stalls, bad.StalledMS = peer.Stale, 3, 2, 1730
	plain := Style{}
	for _, c := range []struct {
		name          string
		history       []peer.Line
		info          Info
		width, height int
		style         Style
	}{
		{"80", session(754), concert, 80, 24, plain},
		{"40", session(754), concert, 40, 24, plain},
		{"80-low", session(754), concert, 80, 8, plain},
		{"80-ascii", session(754), concert, 80, 24, Style{ASCII: true}},
		{"80-color", trouble, concert, 80, 24, Style{Color: true}},
		{"80-joining", nil, Info{Name: "concert", Page: concert.Page, NoUp: true}, 80, 24, plain},
		{"80-first-seconds", session(5), Info{Name: "concert", Page: concert.Page}, 80, 24, plain},
		{"80-line", trouble, concert, 80, 1, plain},
		{"40-line", trouble, concert, 40, 1, plain},
	} {
		golden(t, c.name, Render(c.history, c.info, c.width, c.height, c.style))
	}
}

// Whatever the size, nothing is wider or higher than the terminal.
func TestNothingLeavesTheTerminal(t *testing.T) {
	history := session(100)
	rapid.Check(t, func(t *rapid.T) {
		width, height := rapid.IntRange(1, 200).Draw(t, "width"), rapid.IntRange(1, 60).Draw(t, "height")
		style := Style{ASCII: rapid.Bool().Draw(t, "ascii"), Color: rapid.Bool().Draw(t, "color")}
		info := concert
		info.Notice = rapid.String().Draw(t, "notice")
		lines := strings.Split(Render(history, info, width, height, style), "\n")
		if len(lines) > height {
			t.Fatalf("%d rows in %d", len(lines), height)
		}
		for _, l := range lines {
			if ansi.StringWidth(l) > width {
				t.Fatalf("%q is wider than %d", l, width)
			}
			for _, r := range l {
				if style.ASCII && r > 126 || !style.Color && r < 32 {
					t.Fatalf("%q holds %q", l, r)
				}
			}
		}
	})
}

// What the origin says, a viewer may read, but it never steers the terminal.
func TestNobodyElseSteersTheTerminal(t *testing.T) {
	info := concert
	info.Notice = "the origin answered 500: \x1b[2J\x1b]0;owned\a\r\n\u009b31mred\u202e"
	if got := Render(session(3), info, 200, 40, Style{}); strings.ContainsAny(got, "\x1b\a\r\u009b\u202e") || !strings.Contains(got, "owned") {
		t.Errorf("it shows %q", got)
	}
}

func TestTheSourcesAreThoseOfTheLastMinute(t *testing.T) {
	for seconds, want := range map[int]int64{0: 250_000, 10: 11 * 250_000, 59: 60 * 250_000, 60: 60 * 250_000, 61: 60 * 250_000, 3600: 60 * 250_000} {
		s := lastSpan(session(seconds))
		percent := 0
		for _, p := range s.parts {
			percent += p.percent
		}
		if s.total != want || percent != 100 {
			t.Errorf("after %d s: %d bytes, %d percent, want %d", seconds, s.total, percent, want)
		}
	}
	if kept := len(session(3600)); kept > Span+1 {
		t.Errorf("%d lines are kept", kept)
	}
	var often []peer.Line
	for at := range 100_000 {
		often = Trim(append(often, peer.Line{T: float64(at) / 1000}))
	}
	if len(often) > maxLines+1 {
		t.Errorf("%d lines are kept of those that come often", len(often))
	}
}
