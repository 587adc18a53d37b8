package manifest_test

import (
	"bytes"
	"errors"
	"math/rand"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

// publish draws what a publisher and an unreliable bus do to a stream, and signs it.
func publish(t *rapid.T, c *creator) []manifest.Signed {
	var out []manifest.Signed
	epoch := epoch0
	for range rapid.IntRange(1, 3).Draw(t, "epochs") {
		var segment uint64
		var pts event.Ticks
		init := manifest.RootOf([]byte("init"))
		count := rapid.IntRange(1, 40).Draw(t, "pieces")
		for n := range uint64(count) {
			p := c.piece(epoch, n)
			if n > 0 && rapid.IntRange(0, 4).Draw(t, "cut") == 0 {
				segment++
				if rapid.IntRange(0, 4).Draw(t, "reconfigure") == 0 {
					init = manifest.RootOf([]byte{byte(n)})
				}
			}
			p.Segment, p.Init, p.PTS = segment, init, pts
			p.Duration = event.Ticks(rapid.IntRange(1, 45_000).Draw(t, "duration"))
			p.Target = max(p.Duration, 45_000)
			pts += p.Duration
			if rapid.IntRange(0, 9).Draw(t, "lost") == 0 {
				continue
			}
			for {
				e, more, err := c.chain.Next(p)
				check(t, err)
				_, digest, _ := c.trust.SessionAt(e.Position())
				e = e.Seal(p.Received, digest)
				env, err := manifest.SignEntry(c.session, e)
				check(t, err)
				check(t, c.chain.Check(e, env.Payload))
				out = append(out, manifest.Signed{Entry: e, Envelope: env})
				if !more {
					break
				}
			}
		}
		epoch += 60_000
	}
	return out
}

func check(t *rapid.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestEntriesVerifyInAnyOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := withSession(t)
		signed := publish(rt, c)
		order := rand.New(rand.NewSource(rapid.Int64().Draw(rt, "order"))).Perm(len(signed))
		var chain manifest.Chain
		var log, inOrder manifest.Log
		for _, s := range signed {
			added, err := inOrder.Add(s)
			check(rt, err)
			if !added {
				rt.Fatalf("entry %s was not taken in", s.Entry.Position())
			}
		}
		for _, i := range order {
			e, err := c.trust.Open(signed[i].Envelope)
			check(rt, err)
			if !reflect.DeepEqual(e, with(signed[i].Entry, func(e *manifest.Entry) { e.V = 1 })) {
				rt.Fatalf("read back it is another entry:\n%+v\n%+v", e, signed[i].Entry)
			}
			check(rt, chain.Check(e, signed[i].Envelope.Payload))
			check(rt, chain.Check(e, signed[i].Envelope.Payload)) // twice is no fork
			_, err = log.Add(signed[i])
			check(rt, err)
		}
		a, b := manifest.View{Entries: inOrder.Entries()}, manifest.View{Entries: log.Entries()}
		if !bytes.Equal(manifest.MediaPlaylist(a, manifest.MediaOptions{}), manifest.MediaPlaylist(b, manifest.MediaOptions{})) {
			rt.Fatalf("another order of arrival, another playlist:\n%s\n%s",
				manifest.MediaPlaylist(a, manifest.MediaOptions{}), manifest.MediaPlaylist(b, manifest.MediaOptions{}))
		}
	})
}

func TestARestoredChainGoesOnAsIfNothingHadHappened(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := withSession(t)
		signed := publish(rt, c)
		if len(signed) == 0 {
			return // all of it was lost
		}
		cut := rapid.IntRange(0, len(signed)).Draw(rt, "killed after")
		kept := rapid.IntRange(manifest.MaxParts, 2*manifest.MaxParts).Draw(rt, "kept")
		var restored manifest.Chain
		check(rt, restored.Restore(signed[max(0, cut-kept):cut]))
		for _, s := range signed[cut:] {
			check(rt, restored.Check(s.Entry, s.Envelope.Payload))
		}
		last := signed[len(signed)-1].Entry
		for _, next := range []*event.Piece{
			withPiece(c.piece(last.Epoch, last.N+1), func(p *event.Piece) { p.Segment = 1000 }),
			c.piece(last.Epoch, last.N+3),
			c.piece(last.Epoch+1, 0),
			c.piece(last.Epoch+1, 4),
		} {
			a, moreA, errA := c.chain.Next(next)
			b, moreB, errB := restored.Next(next)
			if !reflect.DeepEqual(a, b) || moreA != moreB || errA != nil || errB != nil {
				rt.Fatalf("after a restart\n%+v %v\nwithout\n%+v %v", b, errB, a, errA)
			}
		}
	})
}

func withPiece(p *event.Piece, change func(*event.Piece)) *event.Piece {
	change(p)
	return p
}

func TestAChainCannotBeContinuedFromItsTailAlone(t *testing.T) {
	c := withSession(t)
	signed := c.stream(t, epoch0, 8)
	var tail manifest.Chain
	must(t, tail.Restore(signed[6:]))
	if _, _, err := tail.Next(c.piece(epoch0, 8)); !errors.Is(err, manifest.ErrUnrestored) {
		t.Errorf("got %v", err)
	}
	if _, _, err := tail.Next(c.piece(epoch0+1, 0)); err != nil {
		t.Errorf("a new epoch needs nothing of the old segment: %v", err)
	}
}

func TestTwoPackagersCannotBothHaveTheHead(t *testing.T) {
	c := withSession(t)
	signed := c.stream(t, epoch0, 7)
	rival := withSession(t)
	must(t, rival.chain.Restore(signed))
	mine := c.sign(t, c.piece(epoch0, 7))[0]
	other := rival.piece(epoch0, 7)
	hold(other, []byte("not what the others saw"))
	theirs := rival.sign(t, other)[0]

	for name, order := range map[string][2]manifest.Signed{"mine first": {mine, theirs}, "theirs first": {theirs, mine}} {
		var viewer manifest.Chain
		must(t, viewer.Restore(signed))
		must(t, viewer.Check(order[0].Entry, order[0].Envelope.Payload))
		err := viewer.Check(order[1].Entry, order[1].Envelope.Payload)
		var fork *manifest.ForkError
		if !errors.As(err, &fork) || !errors.Is(err, manifest.ErrFork) {
			t.Fatalf("%s: %v", name, err)
		}
		if fork.At != at(7) || fork.Known == fork.Seen || fork.Seen != event.DigestOf(order[1].Envelope.Payload) {
			t.Errorf("%s: the evidence is %+v", name, fork)
		}
	}
	// Whoever sees only the next entry of the other history sees the fork, too.
	follow := rival.sign(t, rival.piece(epoch0, 8))[0]
	var viewer manifest.Chain
	must(t, viewer.Restore(append(signed, mine)))
	if err := viewer.Check(follow.Entry, follow.Envelope.Payload); !errors.Is(err, manifest.ErrFork) {
		t.Errorf("the successor of another history: %v", err)
	}
	var late manifest.Chain // in the other order: the successor first
	must(t, late.Check(follow.Entry, follow.Envelope.Payload))
	if err := late.Check(mine.Entry, mine.Envelope.Payload); !errors.Is(err, manifest.ErrFork) {
		t.Errorf("the predecessor of another history: %v", err)
	}
}

func TestAnEntryMustContinueItsNeighbours(t *testing.T) {
	c := withSession(t)
	signed := c.stream(t, epoch0, 12)
	for what, change := range map[string]func(*manifest.Entry){
		"a segment is left out":          func(e *manifest.Entry) { e.MSN += 2; e.Part = 0 },
		"a part is left out":             func(e *manifest.Entry) { e.Part++ },
		"the segment goes back":          func(e *manifest.Entry) { e.MSN-- },
		"a discontinuity in mid-segment": func(e *manifest.Entry) { e.DSN++ },
	} {
		last := signed[8].Entry
		change(&last)
		env := rewriteEntry(t, c, last)
		var chain manifest.Chain
		must(t, chain.Restore(signed[:8]))
		if err := chain.Check(last, env.Payload); !errors.Is(err, manifest.ErrLink) {
			t.Errorf("%s: %v", what, err)
		}
		var sparse manifest.Chain // a neighbour farther away says less, but never yes to going back
		must(t, sparse.Restore(signed[:5]))
		err := sparse.Check(last, env.Payload)
		if what == "the segment goes back" && !errors.Is(err, manifest.ErrLink) {
			t.Errorf("%s, seen from afar: %v", what, err)
		}
		if n, _, _ := chain.Newest(); n.N != 7 {
			t.Errorf("%s: a refused entry changed the chain", what)
		}
	}
}

func rewriteEntry(t *testing.T, c *creator, e manifest.Entry) manifest.Envelope {
	t.Helper()
	if e.StartsSegment() {
		e.Session, e.Init, e.Target = event.Digest{1}, event.Root{1}, e.Dur
	}
	env, err := manifest.SignEntry(c.session, e)
	must(t, err)
	return env
}

func TestAPieceIsSignedOnce(t *testing.T) {
	c := withSession(t)
	c.stream(t, epoch0, 5)
	for _, p := range []*event.Piece{c.piece(epoch0, 4), c.piece(epoch0, 0), c.piece(epoch0-1, 9)} {
		if _, _, err := c.chain.Next(p); !errors.Is(err, manifest.ErrSigned) {
			t.Errorf("piece %s: %v", p.Position, err)
		}
	}
}

func TestLostPiecesBecomeGapsThatFillTheTime(t *testing.T) {
	c := withSession(t)
	c.stream(t, epoch0, 7)
	signed := c.sign(t, c.piece(epoch0, 12)) // 7 to 11 are lost, and with 10 the start of segment 2
	if len(signed) != 6 {
		t.Fatalf("%d entries", len(signed))
	}
	for i, s := range signed[:5] {
		e := s.Entry
		if !e.Gap || e.N != uint64(7+i) || e.MSN != 1 || e.PTS != event.Ticks(7+i)*18_000 || e.Dur != 18_000 {
			t.Errorf("gap %d: %+v", i, e)
		}
		if want := c.piece(epoch0, e.N).Arrived.UnixMilli(); e.At < want-200 || e.At > want+200 {
			t.Errorf("gap %d is said to have arrived at %d, not about %d", i, e.At, want)
		}
	}
	if e := signed[5].Entry; e.Gap || e.MSN != 2 || e.Part != 0 || e.DSN != 0 || e.Key {
		t.Errorf("what follows them: %+v", e)
	}
}

func TestAnEpochsLostBeginningIsAGap(t *testing.T) {
	c := withSession(t)
	c.stream(t, epoch0, 3)
	signed := c.sign(t, c.piece(epoch0+5000, 2))
	if len(signed) != 3 || !signed[0].Entry.Gap || !signed[1].Entry.Gap || signed[2].Entry.Gap {
		t.Fatalf("%d entries", len(signed))
	}
	first := signed[0].Entry
	if first.MSN != 1 || first.DSN != 1 || first.N != 0 || first.Prev != first.Session || first.PTS != 0 {
		t.Errorf("the first: %+v", first)
	}
	if e := signed[2].Entry; e.MSN != 1 || e.Part != 2 {
		t.Errorf("the first that is there: %+v", e)
	}
}

func TestALongLossStaysWithinTheBoundsOfSegments(t *testing.T) {
	c := withSession(t)
	c.stream(t, epoch0, 3)
	p := c.piece(epoch0, 1000)
	signed := c.sign(t, p)
	var dur event.Ticks
	for _, s := range signed {
		if s.Entry.StartsSegment() {
			dur = 0
		}
		if dur += s.Entry.Dur; dur > manifest.MaxSegment {
			t.Fatalf("segment %d lasts %v", s.Entry.MSN, dur.Duration())
		}
	}
	p = c.piece(epoch0, 1001+manifest.MaxGap+1)
	if _, _, err := c.chain.Next(p); !errors.Is(err, manifest.ErrGapTooLong) {
		t.Errorf("a jump of the counter: %v", err)
	}
}

func TestTheChainRemembersABoundedPast(t *testing.T) {
	c := withSession(t)
	signed := c.stream(t, epoch0, manifest.ChainWindow+10)
	err := c.chain.Check(signed[3].Entry, signed[3].Envelope.Payload)
	if !errors.Is(err, manifest.ErrOutsideWindow) {
		t.Errorf("got %v", err)
	}
}
