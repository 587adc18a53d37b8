package archive_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shoalcast/shoal/archive"
	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

const (
	epoch  event.Epoch = 1_790_000_000_000
	second             = event.Timescale
)

var inits = map[event.Root][]byte{
	manifest.RootOf([]byte("init A")): []byte("init A"), manifest.RootOf([]byte("init B")): []byte("init B"),
}

// tape is what happens to a rendition: segments of 2 s with two pieces each.
type tape struct {
	entries []manifest.Entry
	data    [][]byte // nil: a gap, or lost
}

// segment appends one; key says whether a decoder can start there.
func (p *tape) segment(epoch event.Epoch, init string, key bool) *tape {
	n, pts := uint64(0), event.Ticks(0)
	if k := len(p.entries); k > 0 && p.entries[k-1].Epoch == epoch {
		n, pts = p.entries[k-1].N+1, p.entries[k-1].End()
	}
	for part := range uint64(2) {
		e := manifest.Entry{
			Epoch: epoch, N: n + part, Part: part, PTS: pts, Dur: second, Key: key && part == 0,
			At: int64(epoch) + pts.Duration().Milliseconds(),
		}
		if part == 0 {
			e.Init = manifest.RootOf([]byte(init))
		}
		pts += second
		p.entries = append(p.entries, e)
		p.data = append(p.data, fmt.Appendf(nil, "piece %d/%d ", epoch, e.N))
	}
	return p
}

func (p *tape) segments(count int, epoch event.Epoch, init string) *tape {
	for range count {
		p.segment(epoch, init, true)
	}
	return p
}

func (p *tape) gap(i int) *tape {
	p.entries[i].Gap, p.entries[i].Key, p.data[i] = true, false, nil
	return p
}

func (p *tape) lose(i int) *tape {
	p.data[i] = nil
	return p
}

func newCutter() *archive.Cutter {
	return archive.NewCutter("film", "v0", 10*time.Second, func(r event.Root) ([]byte, bool) {
		b, ok := inits[r]
		return b, ok
	})
}

// play takes the tape from entry i on; at the end the epoch is over.
func (p *tape) play(c *archive.Cutter, i int) (cuts []archive.Cut) {
	for ; i < len(p.entries); i++ {
		cuts = append(cuts, c.Take(p.entries[i], p.data[i])...)
	}
	return append(cuts, c.End()...)
}

// check compares files with what they should be: kind, first, last and init. The bytes
// are derived by themselves.
func (p *tape) check(t *testing.T, cuts []archive.Cut, want ...string) {
	t.Helper()
	var got []string
	for _, f := range cuts {
		got = append(got, fmt.Sprintf("%s %d-%d of %d %s", f.Kind, f.First, f.Last, f.Epoch-epoch, inits[f.Init]))
		var pieces [][]byte
		var dur event.Ticks
		for i, e := range p.entries {
			if e.Epoch == f.Epoch && e.N >= f.First && e.N <= f.Last {
				dur += e.Dur
				if !e.Gap {
					pieces = append(pieces, p.data[i])
				}
			}
		}
		derived := archive.Derive(f.Name, inits[f.Init], slices.Values(pieces))
		if derived.InfoHash != f.InfoHash || derived.SHA256 != f.SHA256 || derived.Size != f.Size || dur != f.Dur {
			t.Errorf("%s: %+v, derived %+v", got[len(got)-1], f.File, derived)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("cut into\n%q, want\n%q", got, want)
	}
}

func TestABroadcastIsCutOnAGridAndAsAWhole(t *testing.T) {
	p := new(tape).segments(12, epoch, "init A")
	p.check(t, p.play(newCutter(), 0), "window 0-9 of 0 init A", "window 10-19 of 0 init A", "window 20-23 of 0 init A", "epoch 0-23 of 0 init A")
}

func TestACutterThatBeginsLaterCutsAtTheSamePlaces(t *testing.T) {
	p := new(tape).segments(12, epoch, "init A")
	p.check(t, p.play(newCutter(), 3), "window 4-9 of 0 init A", "window 10-19 of 0 init A", "window 20-23 of 0 init A", "epoch 4-23 of 0 init A")
}

func TestANewInitSegmentEndsTheFiles(t *testing.T) {
	p := new(tape).segments(2, epoch, "init A").segments(2, epoch, "init B")
	p.check(t, p.play(newCutter(), 0), "window 0-3 of 0 init A", "epoch 0-3 of 0 init A", "window 4-7 of 0 init B", "epoch 4-7 of 0 init B")
}

func TestANewEpochEndsTheFiles(t *testing.T) {
	p := new(tape).segments(2, epoch, "init A").segments(1, epoch+5, "init A")
	p.check(t, p.play(newCutter(), 0), "window 0-3 of 0 init A", "epoch 0-3 of 0 init A", "window 0-1 of 5 init A", "epoch 0-1 of 5 init A")
}

func TestGapsHaveNoBytes(t *testing.T) {
	p := new(tape).segments(3, epoch, "init A").gap(1).gap(2).gap(3)
	p.check(t, p.play(newCutter(), 0), "window 0-5 of 0 init A", "epoch 0-5 of 0 init A")
	p = new(tape).segments(1, epoch, "init A").gap(0).gap(1)
	p.check(t, p.play(newCutter(), 0)) // nothing at all
}

func TestNoFileReachesAcrossLostBytes(t *testing.T) {
	p := new(tape).segments(6, epoch, "init A").lose(5)
	p.check(t, p.play(newCutter(), 0), "window 0-3 of 0 init A", "epoch 0-3 of 0 init A",
		"window 6-9 of 0 init A", "window 10-11 of 0 init A", "epoch 6-11 of 0 init A")
	p = new(tape).segments(2, epoch, "init A").lose(0).lose(1)
	p.check(t, p.play(newCutter(), 0), "window 2-3 of 0 init A", "epoch 2-3 of 0 init A")
	p = new(tape).segments(1, epoch, "unknown").segments(1, epoch, "init A")
	p.check(t, p.play(newCutter(), 0), "window 2-3 of 0 init A", "epoch 2-3 of 0 init A")
}

// Where a decoder cannot start there is no cut, unless the window got twice as long.
func TestAWindowBeginsWhereADecoderCan(t *testing.T) {
	p := new(tape).segments(5, epoch, "init A").segment(epoch, "init A", false).segments(1, epoch, "init A")
	p.check(t, p.play(newCutter(), 0), "window 0-11 of 0 init A", "window 12-13 of 0 init A", "epoch 0-13 of 0 init A")
	p = new(tape).segments(1, epoch, "init A")
	for range 11 {
		p.segment(epoch, "init A", false)
	}
	p.check(t, p.play(newCutter(), 0), "window 0-19 of 0 init A", "window 20-23 of 0 init A", "epoch 0-23 of 0 init A")
}

// However often its program ends in between, a cutter closes the same files.
func TestACutterGoesOnWhereItWas(t *testing.T) {
	p := new(tape).segments(14, epoch, "init A").segments(9, epoch, "init B").gap(13).segments(6, epoch+5, "init B")
	want := p.play(newCutter(), 0)
	for stop := range len(want) {
		var got []archive.Cut
		c, i := newCutter(), 0
		for ; len(got) <= stop && i < len(p.entries); i++ {
			got = append(got, c.Take(p.entries[i], p.data[i])...)
		}
		if len(got) <= stop {
			got = append(got, c.End()...)
		}
		got = got[:stop+1] // what was recorded before the crash
		last := got[stop]
		state, err := json.Marshal(last.Resume)
		if err != nil {
			t.Fatal(err)
		}
		c = newCutter()
		if err := c.Restore(state); err != nil {
			t.Fatal(err)
		}
		i = slices.IndexFunc(p.entries, func(e manifest.Entry) bool {
			return !e.Position().Before(event.Position{Epoch: last.Epoch, N: last.Last + 1})
		})
		if i < 0 {
			i = len(p.entries)
		}
		got = append(got, p.play(c, i)...)
		if len(got) != len(want) {
			t.Fatalf("stopped after %d files: %d files, want %d", stop, len(got), len(want))
		}
		for k := range got {
			if got[k].InfoHash != want[k].InfoHash || got[k].Last != want[k].Last || got[k].Dur != want[k].Dur {
				t.Errorf("stopped after %d files: file %d is %+v, want %+v", stop, k, got[k].File, want[k].File)
			}
		}
	}
	if err := newCutter().Restore([]byte(`{"whole":{"last":3}}`)); err == nil {
		t.Error("a state without hashes was taken")
	}
}

func TestNamesSayWhatIsInAFile(t *testing.T) {
	c := manifest.Close{R: "v0", Kind: manifest.CloseWindow, Epoch: 12, First: 300}
	if got := archive.NameOf("my-show", c); got != "my-show-v0-12-300.mp4" {
		t.Error(got)
	}
	c.Kind = manifest.CloseEpoch
	if got := archive.NameOf("my-show", c); got != "my-show-v0-12-300-whole.mp4" {
		t.Error(got)
	}
	if strings.ContainsAny(archive.NameOf("a_b", c), "/\\") {
		t.Error("a name with a folder")
	}
}
