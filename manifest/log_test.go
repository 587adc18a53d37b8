package manifest_test

import (
	"errors"
	"testing"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

func fill(t *testing.T, l *manifest.Log, signed ...manifest.Signed) {
	t.Helper()
	for _, s := range signed {
		added, err := l.Add(s)
		must(t, err)
		if !added {
			t.Fatalf("entry %s was not taken in", s.Entry.Position())
		}
	}
}

func TestALogFindsEntriesEveryWay(t *testing.T) {
	c := withSession(t)
	signed := append(c.stream(t, epoch0, 12), c.stream(t, epoch0+5000, 8)...)
	var l manifest.Log
	if _, ok := l.Newest(); ok || len(l.Entries()) != 0 || len(l.After(event.Position{}, 9)) != 0 {
		t.Error("an empty log has entries")
	}
	fill(t, &l, signed...)
	if s, _ := l.Newest(); s.Entry.Epoch != epoch0+5000 || s.Entry.N != 7 {
		t.Errorf("the newest is %s", s.Entry.Position())
	}
	if s, ok := l.Get(at(3)); !ok || s.Entry.N != 3 {
		t.Error("entry 3 is not found")
	}
	if _, ok := l.Get(at(12)); ok {
		t.Error("an entry that never was is found")
	}
	if got := l.Range(epoch0, 4, 9); len(got) != 6 || got[0].Entry.N != 4 || got[5].Entry.N != 9 {
		t.Errorf("%d entries from 4 to 9", len(got))
	}
	if got := l.Range(epoch0, 9, 4); len(got) != 0 {
		t.Errorf("%d entries from 9 to 4", len(got))
	}
	if got := l.After(at(10), 3); len(got) != 3 || got[0].Entry.N != 11 || got[1].Entry.Epoch != epoch0+5000 {
		t.Errorf("after 10 come %d, first %s", len(got), got[0].Entry.Position())
	}
	if got, whole := l.Segment(1); len(got) != 5 || !whole {
		t.Errorf("segment 1: %d entries, whole: %v", len(got), whole)
	}
	if got, whole := l.Segment(4); len(got) != 3 || whole {
		t.Errorf("the growing segment: %d entries, whole: %v", len(got), whole)
	}
	if got, whole := l.Segment(2); len(got) != 2 || !whole {
		t.Errorf("the segment that the first epoch's end cut: %d entries, whole: %v", len(got), whole)
	}
	if got := l.Recent(event.Timescale); len(got) != 8 || !got[0].Entry.StartsSegment() {
		t.Errorf("the last second is %d entries", len(got))
	}
	if added, err := l.Add(signed[3]); added || err != nil {
		t.Errorf("a second time: %v, %v", added, err)
	}
}

func TestAHoleEndsTheLiveWindow(t *testing.T) {
	c := withSession(t)
	signed := c.stream(t, epoch0, 40)
	var l manifest.Log
	fill(t, &l, signed[:12]...)
	fill(t, &l, signed[13:]...)
	if got := l.Entries(); len(got) != 25 || got[0].N != 15 {
		t.Errorf("%d entries from %d on; 12 is missing, so 15 is the first whole segment's", len(got), got[0].N)
	}
	if _, whole := l.Segment(2); whole {
		t.Error("a segment with a hole is whole")
	}
	fill(t, &l, signed[12])
	if got := l.Entries(); len(got) != 40 {
		t.Errorf("filled, there are %d entries", len(got))
	}
}

func TestALogKeepsTheWindowAndNoMore(t *testing.T) {
	c := withSession(t)
	signed := c.stream(t, epoch0, 1000)
	var l manifest.Log
	for i, s := range signed {
		fill(t, &l, s)
		if l.Len() > 160 {
			t.Fatalf("after %d entries it holds %d", i+1, l.Len())
		}
	}
	if got := l.Entries(); len(got) != 150 || got[0].N != 850 {
		t.Errorf("the window is %d entries from %d on", len(got), got[0].N)
	}
	if added, err := l.Add(signed[5]); added || err != nil {
		t.Errorf("what was trimmed came back: %v, %v", added, err)
	}
	// With every other entry missing nothing can be trimmed as seen, but it stays bounded.
	var holes manifest.Log
	c = withSession(t)
	for i, s := range c.stream(t, epoch0, 2*manifest.ChainWindow+200) {
		if i%2 == 0 {
			_, err := holes.Add(s)
			must(t, err)
		}
	}
	if holes.Len() > manifest.ChainWindow {
		t.Errorf("it holds %d", holes.Len())
	}
}

func TestALogShowsForks(t *testing.T) {
	c := withSession(t)
	var l manifest.Log
	signed := c.stream(t, epoch0, 3)
	fill(t, &l, signed...)
	rival := withSession(t)
	must(t, rival.chain.Restore(signed[:2]))
	p := rival.piece(epoch0, 2)
	hold(p, []byte("other"))
	if _, err := l.Add(rival.sign(t, p)[0]); !errors.Is(err, manifest.ErrFork) {
		t.Errorf("got %v", err)
	}
	if s, _ := l.Get(at(2)); s.Entry.Root != signed[2].Entry.Root {
		t.Error("the rival replaced what was known")
	}
}

func TestAChainThatExpiredStartsAfresh(t *testing.T) {
	c := withSession(t)
	old := c.stream(t, epoch0, 7)
	c.chain = manifest.Chain{}
	fresh := c.stream(t, epoch0+1_000_000, 7)
	if fresh[0].Entry.MSN != 0 {
		t.Fatalf("it starts at %d", fresh[0].Entry.MSN)
	}
	var l manifest.Log
	fill(t, &l, old...)
	fill(t, &l, fresh...)
	if got := l.Entries(); len(got) != 7 || got[0].Epoch != epoch0+1_000_000 {
		t.Errorf("the playlist would hold %d entries", len(got))
	}
	if got, _ := l.Segment(0); len(got) != 5 || got[0].Entry.Epoch != epoch0+1_000_000 {
		t.Error("segment 0 is the old one")
	}
}

func TestBandwidthIsThatOfWholeSegments(t *testing.T) {
	c := withSession(t)
	entries := entriesOf(c.stream(t, epoch0, 13))
	for i := range entries {
		entries[i].Size = 10_000 // 400 kbit/s
	}
	entries[2].Size = 20_000
	entries[12].Size = 1 << 20 // of the growing segment
	peak, average := manifest.Bandwidth(entries)
	if peak != 480_000 || average != 440_000 {
		t.Errorf("peak %d, average %d", peak, average)
	}
	if peak, average = manifest.Bandwidth(nil); peak != 0 || average != 0 {
		t.Errorf("of nothing: %d, %d", peak, average)
	}
}
