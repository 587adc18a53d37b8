package manifest_test

import (
	"errors"
	"testing"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

// ladder is a source of which another rendition is made.
type ladder struct {
	*creator
	t       *testing.T
	sources map[event.Position]manifest.Entry
	below   manifest.Chain
}

func newLadder(t *testing.T) *ladder {
	return &ladder{creator: withSession(t), t: t, sources: map[event.Position]manifest.Entry{}}
}

// source signs the source's pieces from..to-1 of an epoch.
func (l *ladder) source(epoch event.Epoch, from, to uint64) {
	l.t.Helper()
	for n := from; n < to; n++ {
		for _, s := range l.sign(l.t, l.piece(epoch, n)) {
			l.sources[s.Entry.Position()] = s.Entry
		}
	}
}

// make signs the other rendition's piece n and what is missing before it.
func (l *ladder) make(epoch event.Epoch, n uint64) ([]manifest.Entry, error) {
	l.t.Helper()
	p := l.piece(epoch, n)
	p.Rendition = "v1"
	p.Init = manifest.RootOf([]byte("small"))
	hold(p, []byte{byte(n), 1})
	var out []manifest.Entry
	for {
		e, more, err := l.below.NextBeside(p, func(at event.Position) (manifest.Entry, bool) {
			s, ok := l.sources[at]
			return s, ok
		})
		if err != nil {
			return out, err
		}
		_, digest, _ := l.trust.SessionAt(e.Position())
		e = e.Seal(p.Received, digest)
		env, err := manifest.SignEntry(l.session, e)
		must(l.t, err)
		opened, err := l.trust.Open(env)
		must(l.t, err)
		must(l.t, l.below.Check(opened, env.Payload))
		out = append(out, opened)
		if !more {
			return out, nil
		}
	}
}

func (l *ladder) meets(entries []manifest.Entry) {
	l.t.Helper()
	for _, e := range entries {
		s := l.sources[e.Position()]
		if e.MSN != s.MSN || e.DSN != s.DSN || e.Part != s.Part || e.Dur != s.Dur || e.At != s.At || e.Target != s.Target || e.Seg != s.Seg || e.PTS != s.PTS {
			l.t.Fatalf("%+v does not meet %+v", e, s)
		}
		if e.StartsSegment() && e.Init != manifest.RootOf([]byte("small")) {
			l.t.Fatalf("%s has the source's init segment", e.Position())
		}
	}
}

func TestRenditionsMeetInEverySegmentAndPart(t *testing.T) {
	l := newLadder(t)
	l.source(epoch0, 0, 23)
	l.source(epoch0+60_000, 0, 12)
	for n := range uint64(23) {
		got, err := l.make(epoch0, n)
		must(t, err)
		if len(got) != 1 || got[0].Gap || got[0].R != "v1" {
			t.Fatalf("piece %d is signed as %+v", n, got)
		}
		l.meets(got)
	}
	for n := range uint64(12) {
		got, err := l.make(epoch0+60_000, n)
		must(t, err)
		l.meets(got)
	}
	if _, err := l.make(epoch0+60_000, 11); !errors.Is(err, manifest.ErrSigned) {
		t.Errorf("a second time: %v", err)
	}
}

// What the encoder of a rendition left out is a gap, as long as the source's piece would be.
func TestARenditionThatLostPiecesMeetsTheSourceAgain(t *testing.T) {
	l := newLadder(t)
	l.source(epoch0, 0, 60)
	for n := range uint64(8) {
		_, err := l.make(epoch0, n)
		must(t, err)
	}
	got, err := l.make(epoch0, 41)
	must(t, err)
	if len(got) != 34 {
		t.Fatalf("%d entries up to piece 41", len(got))
	}
	l.meets(got)
	for _, e := range got[:33] {
		if !e.Gap {
			t.Fatalf("%s is no gap", e.Position())
		}
	}
}

func TestARenditionMayBeginInTheMiddleOfAnEpoch(t *testing.T) {
	l := newLadder(t)
	l.source(epoch0, 0, 60)
	if _, err := l.make(epoch0, 33); !errors.Is(err, manifest.ErrNoPlace) {
		t.Errorf("within a segment: %v", err)
	}
	got, err := l.make(epoch0, 35)
	must(t, err)
	if len(got) != 1 || got[0].Prev != got[0].Session {
		t.Fatalf("it begins with %+v", got)
	}
	l.meets(got)
	got, err = l.make(epoch0, 36)
	must(t, err)
	l.meets(got)
	if got[0].Prev == (event.Digest{}) || got[0].Prev == got[0].Session {
		t.Error("the second entry does not follow the first")
	}
}

// Hours without an encoder are not made up for by thousands of gaps.
func TestARenditionBeginsAfreshAfterALongHole(t *testing.T) {
	l := newLadder(t)
	l.source(epoch0, 0, manifest.MaxHole+40)
	_, err := l.make(epoch0, 0)
	must(t, err)
	if _, err := l.make(epoch0, manifest.MaxHole+22); !errors.Is(err, manifest.ErrNoPlace) {
		t.Errorf("within a segment: %v", err)
	}
	at := uint64(manifest.MaxHole+30) / 5 * 5
	got, err := l.make(epoch0, at)
	must(t, err)
	if len(got) != 1 || got[0].Gap || got[0].Prev != got[0].Session {
		t.Fatalf("%d entries, the first %+v", len(got), got[0])
	}
	l.meets(got)
}

func TestNothingIsSignedBeforeItsSource(t *testing.T) {
	l := newLadder(t)
	l.source(epoch0, 0, 3)
	if _, err := l.make(epoch0, 3); !errors.Is(err, manifest.ErrOutsideWindow) {
		t.Errorf("%v", err)
	}
}
