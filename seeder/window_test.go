package seeder

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

// bench is a window on a creator's stream, with what it noted.
type bench struct {
	*window
	noted map[string]int
	now   time.Time
}

func newBench(c *creator, change func(*Options)) *bench {
	o := Options{}.withDefaults()
	if change != nil {
		change(&o)
	}
	b := &bench{noted: map[string]int{}, now: c.zero}
	b.window = newWindow(o, event.Source, c.trust(), func(r event.Root) bool { return r == c.initRoot() }, notes{
		piece:   func(result string, n int) { b.noted["piece "+result] += n },
		entry:   func(result string, n int) { b.noted["entry "+result] += n },
		trouble: func(string, event.Position, error) {},
	})
	return b
}

func (b *bench) piece(p *event.Piece)  { b.addPiece(b.now, newPending(p)) }
func (b *bench) entry(envelope []byte) { b.addEntry(b.now, envelope) }
func (b *bench) both(c *creator, n uint64) {
	p := c.piece(n)
	b.piece(p)
	for _, e := range c.sign(p) {
		b.entry(e)
	}
}

// served returns the n of all pieces whose bytes are served.
func (b *bench) served() []uint64 {
	var out []uint64
	for _, it := range b.shown {
		if it.data != nil {
			if manifest.RootOf(it.data) != it.entry.Root {
				panic("served bytes are not what was signed")
			}
			out = append(out, it.entry.N)
		}
	}
	return out
}

func (b *bench) want(t *testing.T, what string, ns ...uint64) {
	t.Helper()
	if got := b.served(); !slices.Equal(got, ns) {
		t.Errorf("%s: served %v, want %v", what, got, ns)
	}
}

func TestAPieceAndItsEntryWaitForEachOther(t *testing.T) {
	c := newCreator(t, "live")
	b := newBench(c, nil)
	p := c.piece(0)
	b.piece(p)
	b.want(t, "a piece without its entry")
	b.entry(c.sign(p)[0])
	b.want(t, "piece, then entry", 0)

	p = c.piece(1)
	b.entry(c.sign(p)[0])
	b.want(t, "an entry without its piece", 0)
	b.piece(p)
	b.want(t, "entry, then piece", 0, 1)
}

func TestOnlyWhatWasSignedIsServed(t *testing.T) {
	c, other := newCreator(t, "live"), newCreator(t, "live")
	altered := func(n uint64) *event.Piece {
		p := c.piece(n)
		p.Data = bytes.Clone(p.Data)
		p.Data[len(p.Data)-1] ^= 1
		return p
	}
	for name, play := range map[string]func(b *bench, p *event.Piece, entry []byte){
		"altered bytes after the entry":  func(b *bench, p *event.Piece, e []byte) { b.entry(e); b.piece(altered(0)) },
		"altered bytes before the entry": func(b *bench, p *event.Piece, e []byte) { b.piece(altered(0)); b.entry(e) },
		"another piece's bytes": func(b *bench, p *event.Piece, e []byte) {
			q := c.piece(0)
			q.Data = c.film.pieces[7]
			b.piece(q)
			b.entry(e)
		},
		"another stream's entry": func(b *bench, p *event.Piece, _ []byte) { b.piece(p); b.entry(other.sign(p)[0]) },
		"a signature changed": func(b *bench, p *event.Piece, e []byte) {
			env, err := manifest.ParseEnvelope(e)
			if err != nil {
				t.Fatal(err)
			}
			env.Sig[3] ^= 1
			b.piece(p)
			b.entry(env.JSON())
		},
		"a key that is in no session record": func(b *bench, p *event.Piece, e []byte) {
			forged := *c
			forged.session, forged.chain = newKey(t), manifest.Chain{}
			b.piece(p)
			b.entry(forged.sign(p)[0])
		},
		"an entry for another rendition": func(b *bench, p *event.Piece, e []byte) {
			b.rendition = "v1"
			b.piece(p)
			b.entry(e)
		},
		"no envelope at all": func(b *bench, p *event.Piece, e []byte) { b.piece(p); b.entry([]byte(`{"payload":1}`)); b.entry(nil) },
	} {
		t.Run(name, func(t *testing.T) {
			c.chain = manifest.Chain{}
			b := newBench(c, nil)
			p := c.piece(0)
			play(b, p, c.sign(p)[0])
			for range 50 {
				b.now = b.now.Add(tickInterval)
				b.tick(b.now)
			}
			b.want(t, name)
			if len(b.shown) != 0 {
				t.Errorf("a playlist lists %d pieces, want none", len(b.shown))
			}
		})
	}
}

func TestAFalsePieceDoesNotKeepTheTrueOneOut(t *testing.T) {
	c := newCreator(t, "live")
	b := newBench(c, nil)
	p := c.piece(0)
	for i := range byte(3) {
		q := *p
		q.Data = bytes.Clone(p.Data)
		q.Data[0] = i + 1
		b.piece(&q)
	}
	b.piece(p)
	b.entry(c.sign(p)[0])
	b.want(t, "after three false ones", 0)
	if b.noted["piece rejected"] != 3 || b.noted["piece verified"] != 1 {
		t.Errorf("noted %v, want 3 rejected and 1 verified", b.noted)
	}
}

func TestAnEntryWaitsForItsSessionRecord(t *testing.T) {
	c := newCreator(t, "live")
	b := newBench(c, nil)
	b.both(c, 0)
	c.rotateSession(event.Position{Epoch: c.epoch, N: 1})
	b.both(c, 1)
	b.want(t, "before the record of the next session", 0)
	if err := b.trust.(*manifest.Trust).AddSession(c.record); err != nil {
		t.Fatal(err)
	}
	b.retry(b.now)
	b.want(t, "after it", 0, 1)
}

func TestTwoEntriesForOnePieceAreAFork(t *testing.T) {
	c := newCreator(t, "live")
	b := newBench(c, nil)
	b.both(c, 0)
	twin := *c
	twin.chain = manifest.Chain{}
	if err := twin.chain.Check(b.shown[0].entry, b.shown[0].payload); err != nil {
		t.Fatal(err)
	}
	b.both(c, 1)
	forged := twin.piece(1)
	hold(forged, c.film.pieces[30])
	b.piece(forged)
	b.entry(twin.sign(forged)[0])
	b.want(t, "the first", 0, 1)
	if b.noted["entry fork"] != 1 || !bytes.Equal(b.shown[1].data, c.film.pieces[1]) {
		t.Errorf("noted %v; the first of two must stay and the fork must be told", b.noted)
	}
	// What follows the second history does not continue the first.
	b.both(&twin, 2)
	b.want(t, "the first history", 0, 1)
	if b.noted["entry fork"] != 2 {
		t.Errorf("noted %v, want two forks", b.noted)
	}
}

func TestALostPieceDoesNotStopTheStream(t *testing.T) {
	c := newCreator(t, "live")
	b := newBench(c, nil)
	b.both(c, 0)
	lost := c.piece(1)
	b.entry(c.sign(lost)[0])
	b.both(c, 2)
	b.want(t, "while it may still come", 0)
	b.now = b.now.Add(holeGrace)
	b.tick(b.now)
	b.want(t, "after a second", 0, 2)
	if len(b.shown) != 3 {
		t.Fatalf("%d entries are listed, want 3: the playlist must be the same everywhere", len(b.shown))
	}
	before := b.shown
	b.piece(lost)
	b.want(t, "when it comes after all", 0, 1, 2)
	if before[1].data != nil {
		t.Error("what a request already reads was changed")
	}
}

func TestAMissingEntryBeginsThePlaylistAgain(t *testing.T) {
	c := newCreator(t, "live")
	b := newBench(c, nil)
	b.both(c, 0)
	c.sign(c.piece(1)) // never arrives
	for n := uint64(2); n < 8; n++ {
		b.both(c, n)
	}
	b.want(t, "while it may still come", 0)
	b.now = b.now.Add(holeGrace)
	b.tick(b.now)
	b.want(t, "after a second: from the next keyframe", 5, 6, 7)
	b.both(c, 8)
	b.want(t, "and on", 5, 6, 7, 8)
}

func TestSignedGapsAreListedWithoutBytes(t *testing.T) {
	c := newCreator(t, "live")
	b := newBench(c, nil)
	b.both(c, 0)
	b.piece(c.piece(1)) // known here, but not to the packager
	b.both(c, 4)
	b.want(t, "around a gap", 0, 4)
	if len(b.shown) != 5 || !b.shown[1].entry.Gap {
		t.Errorf("%d entries are listed, want 5 with gaps", len(b.shown))
	}
}

func TestOldOrRepeatedMessagesChangeNothing(t *testing.T) {
	c := newCreator(t, "live")
	b := newBench(c, nil)
	var envelopes [][]byte
	for n := range uint64(400) {
		p := c.piece(n)
		e := c.sign(p)[0]
		envelopes = append(envelopes, e)
		b.piece(p)
		b.entry(e)
	}
	want := b.served()
	for n, e := range envelopes {
		b.piece(c.piece(uint64(n)))
		b.entry(e)
	}
	b.want(t, "after all came again", want...)
	if len(b.pieces.order) != 0 || len(b.waiting) != 0 {
		t.Errorf("%d pieces and %d entries wait for nothing", len(b.pieces.order), len(b.waiting))
	}
	media := event.Ticks(len(want)) * pieceTicks
	if min, max := 34*time.Second, 36*time.Second; media.Duration() < min || media.Duration() > max {
		t.Errorf("%v of media are kept, want 30 s and 4 s for late requests", media.Duration())
	}
}

func TestMemoryIsBounded(t *testing.T) {
	c := newCreator(t, "live")
	piece := int64(len(c.film.pieces[3]))
	b := newBench(c, func(o *Options) { o.PendingBytes = 10 * piece; o.WindowBytes = 40 * piece })
	for n := range uint64(200) {
		p := c.piece(n)
		hold(p, c.film.pieces[3])
		b.piece(p)
	}
	if b.pieces.bytes > 10*piece || len(b.pieces.order) != 10 || b.noted["piece evicted"] != 190 {
		t.Errorf("%d pieces with %d bytes wait, %d went; want 10 and 190", len(b.pieces.order), b.pieces.bytes, b.noted["piece evicted"])
	}
	b = newBench(c, func(o *Options) { o.WindowBytes = 40 * piece })
	for n := range uint64(200) {
		p := c.piece(n)
		hold(p, c.film.pieces[3])
		b.piece(p)
		b.entry(c.sign(p)[0])
	}
	if k := len(b.shown); k < 30 || k > 45 {
		t.Errorf("%d pieces are kept, want about 40", k)
	}
	if !b.shown[0].entry.StartsSegment() {
		t.Error("the window does not begin at a segment")
	}
	// Signatures by a key that is not known yet are kept in small number only.
	b = newBench(c, nil)
	c.rotateSession(event.Position{})
	for n := uint64(200); n < 200+2*maxSealed; n++ {
		b.entry(c.sign(c.piece(n))[0])
	}
	if len(b.sealed) != maxSealed {
		t.Errorf("%d entries wait for a session record, want %d", len(b.sealed), maxSealed)
	}
}

func TestTheWindowAgesByTime(t *testing.T) {
	c := newCreator(t, "live")
	b := newBench(c, nil)
	for n := range uint64(10) {
		b.now = c.zero.Add(time.Duration(n) * 200 * time.Millisecond)
		b.both(c, n)
	}
	b.end(b.now, c.epoch)
	b.now = c.zero.Add(31 * time.Second)
	b.tick(b.now)
	if len(b.shown) != 10 {
		t.Errorf("29 s after the end %d pieces are served, want all 10", len(b.shown))
	}
	b.now = c.zero.Add(33 * time.Second)
	if _, aged := b.tick(b.now); !aged || len(b.shown) != 0 || !b.idle() {
		t.Errorf("31 s after the end %d pieces are served, want none", len(b.shown))
	}
	c.newEpoch(b.now)
	b.both(c, 0)
	b.want(t, "the next epoch", 0)
}

func TestTheLastSegmentIsCompleteOnceAllOfItCame(t *testing.T) {
	c := newCreator(t, "live")
	b := newBench(c, nil)
	b.both(c, 0)
	b.both(c, 1)
	tail := c.piece(2)
	b.piece(tail)
	b.end(b.now, c.epoch)
	b.now = b.now.Add(3 * endSettle)
	if b.isEnded(b.now) {
		t.Error("it ended although a piece waits for its entry")
	}
	b.entry(c.sign(tail)[0])
	if b.isEnded(b.now) {
		t.Error("it ended in the moment in which something came")
	}
	if !b.isEnded(b.now.Add(endSettle)) {
		t.Error("it has not ended although nothing more came")
	}
	c.newEpoch(b.now)
	b.both(c, 0)
	if b.isEnded(b.now.Add(endSettle)) {
		t.Error("the next epoch counts as ended")
	}
}

// Two origins whose bus delivered pieces and entries at different paces write the same
// bytes.
func TestPlaylistsDoNotDependOnTheOrderOfArrival(t *testing.T) {
	c := newCreator(t, "live")
	var pieces []*pending
	var entries [][]byte
	for n := range uint64(90) {
		k := n % 40
		if n > 0 && k == 0 {
			c.newEpoch(c.zero.Add(9 * time.Second))
		}
		if k == 13 { // lost before it was signed
			continue
		}
		p := c.piece(k)
		pieces = append(pieces, newPending(p))
		entries = append(entries, c.sign(p)...)
	}
	playlist := func(pieceNext func() bool) []byte {
		b := newBench(c, nil)
		p, e := pieces, entries
		for len(p) > 0 || len(e) > 0 {
			if len(e) == 0 || len(p) > 0 && pieceNext() {
				b.addPiece(b.now, p[0])
				p = p[1:]
			} else {
				b.entry(e[0])
				e = e[1:]
			}
		}
		s := &snapshot{name: c.name, rendition: event.Source, items: b.shown, metrics: NewMetrics(nil)}
		return append(bytes.Clone(s.playlist(false).text), s.playlist(true).text...)
	}
	want := playlist(func() bool { return true })
	if bytes.Count(want, []byte("#EXT-X-PART:")) < 20 || !bytes.Contains(want, []byte("DISCONTINUITY\n")) {
		t.Fatalf("not the playlist that was meant:\n%s", want)
	}
	if got := playlist(func() bool { return false }); !bytes.Equal(got, want) {
		t.Fatalf("entries first: another playlist:\n%s", got)
	}
	rapid.Check(t, func(rt *rapid.T) {
		run := 0
		piece := false
		got := playlist(func() bool {
			if run == 0 {
				run, piece = rapid.IntRange(1, 20).Draw(rt, "run"), !piece
			}
			run--
			return piece
		})
		if !bytes.Equal(got, want) {
			rt.Fatalf("another playlist:\n%s\nwant\n%s", got, want)
		}
	})
}

func TestEnvelopesFromTheBusCarryNothingElse(t *testing.T) {
	c := newCreator(t, "live")
	b := newBench(c, nil)
	p := c.piece(0)
	b.piece(p)
	var loose map[string]any
	if err := json.Unmarshal(c.sign(p)[0], &loose); err != nil {
		t.Fatal(err)
	}
	loose["smuggled"] = "unsigned"
	text, err := json.Marshal(loose)
	if err != nil {
		t.Fatal(err)
	}
	b.entry(text)
	for _, it := range b.shown {
		if bytes.Contains(it.envelope, []byte("smuggled")) {
			t.Error("an unsigned member of an envelope is served")
		}
	}
}
