package swarm

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

// author is a creator with keys that are the same in every run.
type author struct {
	t                   testing.TB
	root, next, session ed25519.PrivateKey
	genesis, record     manifest.Envelope
	trust               *manifest.Trust
}

const authorEpoch event.Epoch = 1_790_000_000_000

func authorKey(n byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, ed25519.SeedSize))
}

func newAuthor(t testing.TB, seed byte) *author {
	t.Helper()
	a := &author{t: t, root: authorKey(seed), next: authorKey(seed + 1), session: authorKey(seed + 2)}
	var err error
	a.genesis, err = manifest.SignGenesis(a.root, "live", a.next.Public().(ed25519.PublicKey))
	a.must(err)
	a.trust, err = manifest.NewTrust(a.genesis)
	a.must(err)
	a.record = a.lend(a.root, 1, a.session, event.Position{})
	a.must(a.trust.AddSession(a.record))
	return a
}

func (a *author) must(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}

// lend signs a session record.
func (a *author) lend(root ed25519.PrivateKey, serial uint64, key ed25519.PrivateKey, from event.Position) manifest.Envelope {
	a.t.Helper()
	env, err := manifest.SignSession(root, manifest.Session{
		Stream: a.trust.ID(), Serial: serial, Key: key.Public().(ed25519.PublicKey), From: from,
		NotBefore: int64(authorEpoch) - 1000, NotAfter: int64(authorEpoch) + time.Hour.Milliseconds(), FreshMS: 10_000,
	})
	a.must(err)
	return env
}

// verifier returns a Trusted that knows the genesis and these records.
func (a *author) verifier(records ...manifest.Envelope) *Trusted {
	a.t.Helper()
	trust, err := manifest.NewTrust(a.genesis)
	a.must(err)
	v := NewTrusted(trust)
	for _, r := range records {
		if fresh, err := v.AddRecord(r.JSON()); err != nil || !fresh {
			a.t.Fatalf("fresh is %v, %v", fresh, err)
		}
	}
	return v
}

// data is piece n's: three blocks, the last short.
func (a *author) data(n uint64) []byte {
	b := make([]byte, 2*event.BlockSize+100)
	for i := range b {
		b[i] = byte(uint64(i)*7 + n*31 + uint64(i>>14))
	}
	return b
}

// entry returns what is to be signed of piece n, 200 ms long, five to a segment.
func (a *author) entry(n uint64, prev event.Digest) manifest.Entry {
	data := a.data(n)
	e := manifest.Entry{
		V: 1, Stream: a.trust.ID(), R: "v0", Epoch: authorEpoch, N: n, Prev: prev,
		Issued: int64(authorEpoch) + int64(n)*200 + 200, At: int64(authorEpoch) + int64(n)*200,
		MSN: n / 5, Part: n % 5, Key: n%5 == 0, PTS: event.Ticks(n) * 18000, Dur: 18000,
		Size: int64(len(data)), Root: manifest.RootOf(data),
	}
	if n%5 == 0 {
		e.Seg, e.Target, e.Session, e.Init = n/5, 18000, event.DigestOf(a.record.Payload), manifest.RootOf([]byte("init"))
	}
	if n == 0 {
		e.Prev = e.Session
	}
	return e
}

// head signs e. It is not opened.
func (a *author) head(e manifest.Entry, k ed25519.PrivateKey) *Head {
	a.t.Helper()
	env, err := manifest.SignEntry(k, e)
	a.must(err)
	var leaves [][32]byte
	if !e.Gap {
		leaves = manifest.Leaves(a.data(e.N))
	}
	h, err := HeadOf(manifest.Signed{Envelope: env, Entry: e}, leaves)
	a.must(err)
	h.Entry, h.members = manifest.Entry{}, nil
	return h
}

// film signs count pieces; number 3 was lost.
func (a *author) film(count uint64) []*Head {
	a.t.Helper()
	var out []*Head
	var prev event.Digest
	for n := range count {
		e := a.entry(n, prev)
		if n == 3 {
			e.Gap, e.Size, e.Root = true, 0, event.Root{}
		}
		h := a.head(e, a.session)
		prev = event.DigestOf(h.Payload)
		out = append(out, h)
	}
	return out
}

func (a *author) digest(h *Head) event.Digest { return event.DigestOf(h.Payload) }

func TestWhatTheCreatorSignedIsTakenInAnyOrder(t *testing.T) {
	a := newAuthor(t, 1)
	v := a.verifier(a.record)
	film := a.film(10)
	for _, n := range []int{4, 2, 9, 0, 3, 3, 1, 8, 5, 7, 6, 0} {
		if err := v.OpenHead(film[n]); err != nil {
			t.Fatal(err)
		}
	}
	for n, h := range film {
		if h.Entry.N != uint64(n) || h.Entry.Gap != (n == 3) || h.Blocks() != len(h.Leaves) {
			t.Errorf("head %d is opened as %+v with %d leaves", n, h.Entry, len(h.Leaves))
		}
		data := a.data(uint64(n))
		for i := range h.Blocks() {
			block := data[i*event.BlockSize:][:h.BlockLen(i)]
			if !v.Block(h, i, block) {
				t.Errorf("block %d of %d is not genuine", i, n)
			}
			block[0]++
			if v.Block(h, i, block) {
				t.Errorf("a changed block %d of %d is genuine", i, n)
			}
		}
	}
	h, data := film[1], a.data(1)
	if v.Block(h, 2, data[2*event.BlockSize:][:99]) || v.Block(h, 0, data[:event.BlockSize+1]) || v.Block(h, 3, nil) || v.Block(h, -1, data[:event.BlockSize]) ||
		v.Block(h, 1, data[:event.BlockSize]) || v.Block(film[3], 0, nil) {
		t.Error("a block of another length, place or of a gap is genuine")
	}
}

// A creator can sign a size that its hashes do not have. No such block is of use.
func TestABlockHasTheLengthThatTheSizeLeavesForIt(t *testing.T) {
	a := newAuthor(t, 1)
	v := a.verifier(a.record)
	e := a.entry(0, event.Digest{})
	e.Size--
	h := a.head(e, a.session)
	a.must(v.OpenHead(h))
	if last := a.data(0)[2*event.BlockSize:]; v.Block(h, 2, last) || v.Block(h, 2, last[:99]) {
		t.Error("a block of another length is genuine")
	}
}

// lies are what may be wrong with a head, and what is said about it.
func lies(a *author, film []*Head) map[string]struct {
	h    *Head
	want error
} {
	type lie = struct {
		h    *Head
		want error
	}
	change := func(n int, by func(h *Head)) *Head {
		h := *film[n]
		h.Leaves = append([][32]byte(nil), h.Leaves...)
		by(&h)
		return &h
	}
	entry := func(n uint64, k ed25519.PrivateKey, by func(e *manifest.Entry)) *Head {
		e := a.entry(n, a.digest(film[n-1]))
		by(&e)
		return a.head(e, k)
	}
	other := newAuthor(a.t, 101)
	return map[string]lie{
		"a payload that is no JSON": {change(1, func(h *Head) { h.Payload = []byte("{") }), manifest.ErrMalformed},
		"a changed payload":         {change(1, func(h *Head) { h.Payload = bytes.Replace(h.Payload, []byte(`"n":1`), []byte(`"n":2`), 1) }), manifest.ErrSignature},
		"a changed signature":       {change(1, func(h *Head) { h.Sig[0]++ }), manifest.ErrSignature},
		"another stream's":          {other.film(2)[1], manifest.ErrWrongStream},
		"a changed leaf":            {change(1, func(h *Head) { h.Leaves[1][0]++ }), ErrLeaves},
		"leaves in another order":   {change(1, func(h *Head) { h.Leaves[0], h.Leaves[1] = h.Leaves[1], h.Leaves[0] }), ErrLeaves},
		"a leaf too few":            {change(1, func(h *Head) { h.Leaves = h.Leaves[:2] }), ErrLeaves},
		"a leaf of padding":         {change(1, func(h *Head) { h.Leaves = append(h.Leaves, [32]byte{}) }), ErrLeaves},
		"no leaves":                 {change(1, func(h *Head) { h.Leaves = nil }), ErrLeaves},
		"a gap with a leaf":         {change(3, func(h *Head) { h.Leaves = make([][32]byte, 1) }), ErrLeaves},
		"issued before its session": {entry(1, a.session, func(e *manifest.Entry) { e.Issued -= time.Hour.Milliseconds() }), manifest.ErrSuperseded},
		"an unknown session":        {entry(1, authorKey(50), func(*manifest.Entry) {}), ErrNeedRecords},
		"an unknown key id":         {change(1, func(h *Head) { h.KeyID[0]++ }), ErrNeedRecords},
		"a second one of its place": {entry(1, a.session, func(e *manifest.Entry) { e.At++ }), manifest.ErrFork},
		"another history":           {entry(6, a.session, func(e *manifest.Entry) { e.Prev[0]++ }), manifest.ErrFork},
		"out of step":               {entry(6, a.session, func(e *manifest.Entry) { e.Part = 3 }), manifest.ErrLink},
	}
}

func TestEachLieAboutAHeadIsToldByItsName(t *testing.T) {
	a := newAuthor(t, 1)
	film := a.film(6)
	for what, lie := range lies(a, film) {
		t.Run(what, func(t *testing.T) {
			v := a.verifier(a.record)
			for _, h := range film {
				a.must(v.OpenHead(h))
			}
			err := v.OpenHead(lie.h)
			if !errors.Is(err, lie.want) || lie.h.Entry.V != 0 && !errors.Is(lie.want, ErrLeaves) {
				t.Fatal(err)
			}
			blamed := !errors.Is(err, ErrStale) && !errors.Is(err, ErrNeedRecords)
			forks := errors.Is(lie.want, manifest.ErrFork)
			signed := forks || errors.Is(lie.want, manifest.ErrLink) || errors.Is(lie.want, ErrNeedRecords)
			if blamed == signed {
				t.Errorf("whoever sent it is blamed: %v", blamed)
			}
			if again := v.OpenHead(lie.h); !errors.Is(again, lie.want) {
				t.Errorf("the second time: %v", again)
			}
			if found := v.Forks(); (len(found) == 1) != forks {
				t.Errorf("%d forks", len(found))
			}
		})
	}
}

func TestAForkIsShownOnceWithItsEvidence(t *testing.T) {
	a := newAuthor(t, 1)
	v := a.verifier(a.record)
	film := a.film(3)
	for _, h := range film {
		a.must(v.OpenHead(h))
	}
	e := a.entry(2, a.digest(film[1]))
	e.At++
	second := a.head(e, a.session)
	for range 2 {
		if err := v.OpenHead(second); !errors.Is(err, manifest.ErrFork) {
			t.Fatal(err)
		}
	}
	forks := v.Forks()
	if len(forks) != 1 || len(forks[0].Envelopes) != 2 || forks[0].Error.At.N != 2 ||
		!bytes.Equal(forks[0].Envelopes[0].Payload, second.Payload) || !bytes.Equal(forks[0].Envelopes[1].Payload, film[2].Payload) {
		t.Fatalf("%+v", forks)
	}
	for _, env := range forks[0].Envelopes {
		if _, err := a.trust.Open(env); err != nil {
			t.Error(err)
		}
	}
	if forks := v.Forks(); forks != nil {
		t.Errorf("they are shown again: %v", forks)
	}
	for i := range 1000 {
		e.At++
		if err := v.OpenHead(a.head(e, a.session)); !errors.Is(err, manifest.ErrFork) {
			t.Fatal(i, err)
		}
	}
	if forks := v.Forks(); len(forks) != maxForks || len(v.forks.seen) > maxForksSeen {
		t.Errorf("%d forks are kept, %d are remembered", len(forks), len(v.forks.seen))
	}
}

func TestOneWhoDemandsANewerVersionIsNotBlamed(t *testing.T) {
	a := newAuthor(t, 1)
	v := a.verifier(a.record)
	h := a.film(1)[0]
	h.Payload = bytes.Replace(h.Payload, []byte(`{"v":1`), []byte(`{"v":1,"enc":1,"crit":["enc"]`), 1)
	if err := v.OpenHead(h); !errors.Is(err, manifest.ErrCritical) || !errors.Is(err, ErrStale) {
		t.Error(err)
	}
}

func TestAHeadIsJudgedOnceItsRecordIsKnown(t *testing.T) {
	a := newAuthor(t, 1)
	v := a.verifier()
	h := a.film(1)[0]
	if err := v.OpenHead(h); !errors.Is(err, ErrNeedRecords) {
		t.Fatal(err)
	}
	if fresh, err := v.AddRecord(a.record.JSON()); err != nil || !fresh {
		t.Fatal(fresh, err)
	}
	a.must(v.OpenHead(h))
}

// A key may be lent twice. Who knows only the later record cannot judge what came before.
func TestALaterRecordOfTheSameKeyIsNotHeldAgainstEarlierHeads(t *testing.T) {
	a := newAuthor(t, 1)
	v := a.verifier(a.lend(a.root, 2, a.session, event.Position{Epoch: authorEpoch, N: 5}))
	if err := v.OpenHead(a.film(2)[1]); !errors.Is(err, ErrNeedRecords) {
		t.Error(err)
	}
}

func TestAHeadOfASupersededSessionIsALie(t *testing.T) {
	a := newAuthor(t, 1)
	v := a.verifier(a.record)
	film := a.film(3)
	a.must(v.OpenHead(film[2]))
	if fresh, err := v.AddRecord(a.lend(a.root, 2, authorKey(9), event.Position{Epoch: authorEpoch, N: 2}).JSON()); err != nil || !fresh {
		t.Fatal(fresh, err)
	}
	a.must(v.OpenHead(film[1]))
	if err := v.OpenHead(film[2]); !errors.Is(err, manifest.ErrSuperseded) || errors.Is(err, ErrStale) {
		t.Errorf("though it was taken before: %v", err)
	}
}

func TestWhatLiesBeforeTheWindowIsStale(t *testing.T) {
	a := newAuthor(t, 1)
	v := a.verifier(a.record)
	film := a.film(manifest.ChainWindow + 1)
	for _, h := range film[1:] {
		a.must(v.OpenHead(h))
	}
	if err := v.OpenHead(film[0]); !errors.Is(err, ErrStale) {
		t.Error(err)
	}
	if len(v.opened.byID) > maxOpened || len(v.opened.ring) > maxOpened {
		t.Errorf("%d opened heads are kept", len(v.opened.byID))
	}
}

func TestRenditionsAreBounded(t *testing.T) {
	a := newAuthor(t, 1)
	v := a.verifier(a.record)
	at := func(r int, epoch event.Epoch) error {
		e := a.entry(0, event.Digest{})
		e.R, e.Epoch = event.Rendition(fmt.Sprintf("v%d", r)), epoch
		return v.OpenHead(a.head(e, a.session))
	}
	for r := range 3 * maxTracks {
		a.must(at(r, authorEpoch+event.Epoch(r)))
	}
	if len(v.chains) > maxTracks {
		t.Errorf("%d chains", len(v.chains))
	}
	if err := at(99, authorEpoch-1); !errors.Is(err, ErrStale) {
		t.Errorf("an old one drives out a newer one: %v", err)
	}
}

func TestRecordsArePassedOnOnceAndTheNewestAreKept(t *testing.T) {
	a := newAuthor(t, 1)
	v := a.verifier(a.record)
	for range 2 {
		if fresh, err := v.AddRecord(append(a.record.JSON(), ' ')); err != nil || fresh {
			t.Errorf("a known record: %v, %v", fresh, err)
		}
	}
	for serial := range uint64(200) {
		r := a.lend(a.root, serial+2, authorKey(9), event.Position{Epoch: authorEpoch * 2, N: serial})
		if fresh, err := v.AddRecord(r.JSON()); err != nil || !fresh {
			t.Fatal(fresh, err)
		}
	}
	if fresh, err := v.AddRecord(a.record.JSON()); err != nil || fresh {
		t.Errorf("one that is not kept would be passed on for ever: %v, %v", fresh, err)
	}
	records := v.Records()
	if len(records) != 64 {
		t.Fatalf("%d records", len(records))
	}
	newcomer := a.verifier()
	for _, r := range records {
		if _, err := newcomer.AddRecord(r); err != nil {
			t.Fatal(err)
		}
	}
	if last := newcomer.trust.Sessions(); last[len(last)-1].Serial != 201 {
		t.Errorf("the newest is %d", last[len(last)-1].Serial)
	}
}

func TestARecordThatIsKnownCostsNoSignatureCheck(t *testing.T) {
	a := newAuthor(t, 1)
	v := a.verifier(a.record)
	v.trust = nil // who would check one
	if fresh, err := v.AddRecord(a.record.JSON()); err != nil || fresh {
		t.Error(fresh, err)
	}
}

func TestARotationGoesBeforeSessionsAndDisownsSome(t *testing.T) {
	a := newAuthor(t, 1)
	late := a.lend(a.root, 7, authorKey(9), event.Position{Epoch: authorEpoch * 2})
	v := a.verifier(a.record, late)
	rotation, err := manifest.SignRotation(a.next, manifest.Rotation{
		Stream: a.trust.ID(), Serial: 1, Root: a.next.Public().(ed25519.PublicKey), Next: event.Digest{1}, Sessions: 1,
	})
	a.must(err)
	if fresh, err := v.AddRecord(rotation.JSON()); err != nil || !fresh {
		t.Fatal(fresh, err)
	}
	if fresh, err := v.AddRecord(rotation.JSON()); err != nil || fresh {
		t.Error(fresh, err)
	}
	records := v.Records()
	if len(records) != 2 || !bytes.Equal(records[0], rotation.JSON()) || !bytes.Equal(records[1], a.record.JSON()) {
		t.Errorf("%s", records)
	}
	if _, err := v.AddRecord(late.JSON()); !errors.Is(err, manifest.ErrSignature) {
		t.Errorf("a session of the replaced key: %v", err)
	}
	if fresh, err := v.AddRecord(a.lend(a.next, 2, authorKey(9), event.Position{Epoch: authorEpoch * 2}).JSON()); err != nil || !fresh {
		t.Errorf("a session of the new key: %v, %v", fresh, err)
	}
}

// However often a root key was replaced, what a newcomer needs fits in one message.
func TestAllRotationsArePassedOn(t *testing.T) {
	a := newAuthor(t, 1)
	v := a.verifier(a.record)
	successor := a.next
	for serial := range uint64(64) {
		after := authorKey(byte(100 + serial))
		rotation, err := manifest.SignRotation(successor, manifest.Rotation{
			Stream: a.trust.ID(), Serial: serial + 1, Root: successor.Public().(ed25519.PublicKey),
			Next: event.DigestOf(after.Public().(ed25519.PublicKey)), Sessions: 1,
		})
		a.must(err)
		if fresh, err := v.AddRecord(rotation.JSON()); err != nil || !fresh {
			t.Fatal(fresh, err)
		}
		successor = after
	}
	for serial := range uint64(20) {
		_, err := v.AddRecord(a.lend(authorKey(100+62), serial+2, a.session, event.Position{}).JSON())
		a.must(err)
	}
	records := v.Records()
	if len(records) != 64+leastRecords {
		t.Fatalf("%d records", len(records))
	}
	got, _ := over(t, &Encoder{}, &Decoder{}, &Records{Envelopes: records})
	newcomer := a.verifier()
	for _, r := range got.(*Records).Envelopes {
		if fresh, err := newcomer.AddRecord(r); err != nil || !fresh {
			t.Fatal(fresh, err)
		}
	}
}

func TestWhatIsNoRecordIsRefused(t *testing.T) {
	a := newAuthor(t, 1)
	forged := a.lend(authorKey(60), 2, authorKey(9), event.Position{})
	twice := a.lend(a.root, 1, authorKey(9), event.Position{})
	other := newAuthor(t, 101)
	for what, c := range map[string]struct {
		json []byte
		want error
	}{
		"no JSON":          {[]byte("x"), ErrRecord},
		"too long":         {append(a.lend(a.root, 2, authorKey(9), event.Position{}).JSON(), bytes.Repeat([]byte(" "), MaxEnvelope)...), ErrRecord},
		"an entry":         {a.film(1)[0].Envelope().JSON(), ErrRecord},
		"the genesis":      {a.genesis.JSON(), ErrRecord},
		"a forged one":     {forged.JSON(), manifest.ErrSignature},
		"a second of one":  {twice.JSON(), manifest.ErrConflict},
		"another stream's": {other.record.JSON(), manifest.ErrWrongStream},
	} {
		v := a.verifier(a.record)
		if fresh, err := v.AddRecord(c.json); fresh || !errors.Is(err, c.want) || len(v.Records()) != 1 {
			t.Errorf("%s: %v, %v", what, fresh, err)
		}
	}
}

func TestAnInitSegmentIsWhatItsRootSays(t *testing.T) {
	v := NewTrusted(nil)
	data := []byte("init")
	if !v.Init(manifest.RootOf(data), data) {
		t.Error("the genuine one is refused")
	}
	large := make([]byte, MaxInit+1)
	if v.Init(manifest.RootOf(data), []byte("tini")) || v.Init(event.Root{}, nil) || v.Init(manifest.RootOf(large), large) {
		t.Error("another, none or a giant is taken")
	}
}

func TestASecondPusherCostsNoSignatureCheck(t *testing.T) {
	a := newAuthor(t, 1)
	v := a.verifier(a.record)
	h := a.film(1)[0]
	a.must(v.OpenHead(h))
	again := *h
	again.Entry, again.members = manifest.Entry{}, nil
	v.trust = nil // who would check one
	if a.must(v.OpenHead(&again)); again.Entry.Root != h.Entry.Root || again.members == nil {
		t.Errorf("opened as %+v", again.Entry)
	}
	again.Leaves = again.Leaves[:2]
	if v.opened.find(idOf(&again)) != nil {
		t.Error("other leaves are taken for the same head")
	}
}

func BenchmarkOpenHead(b *testing.B) {
	a := newAuthor(b, 1)
	h := a.film(1)[0]
	for what, v := range map[string]*Trusted{"first": a.verifier(a.record), "again": a.verifier(a.record)} {
		b.Run(what, func(b *testing.B) {
			for b.Loop() {
				if what == "first" {
					v.opened.forget()
				}
				a.must(v.OpenHead(h))
			}
		})
	}
}

// FuzzOpenHead: of whatever arrives as a head, nothing opens but what the creator signed.
func FuzzOpenHead(f *testing.F) {
	a := newAuthor(f, 1)
	signed := map[string]bool{}
	greet := func() (*Encoder, *Decoder) {
		return greeted(f, a.trust.ID(), Key{"v0", event.Position{Epoch: authorEpoch}})
	}
	v := a.verifier(a.record)
	for _, h := range a.film(7) {
		for range 2 { // whole, then in short
			e, _ := greet()
			frames, err := e.Encode(nil, h)
			a.must(err)
			f.Add(frames[0])
			a.must(v.OpenHead(h))
		}
		signed[string(h.Payload)] = true
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		_, d := greet()
		m, err := d.Decode(frame)
		h, ok := m.(*Head)
		if err != nil || !ok {
			return
		}
		if v.OpenHead(h) == nil && (!signed[string(h.Payload)] || manifest.RootOfLeaves(h.Leaves) != h.Entry.Root) {
			t.Errorf("opened as %+v", h.Entry)
		}
	})
}
