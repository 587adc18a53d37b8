package manifest_test

import (
	"errors"
	"testing"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

func at(n uint64) event.Position { return event.Position{Epoch: epoch0, N: n} }

func TestSessionKeysRotateInMidEpochUnseen(t *testing.T) {
	c := newCreator(t)
	// Ten-second keys: each signs 50 pieces of 200 ms.
	keys := []byte{10, 11, 12}
	records := make([]manifest.Envelope, len(keys))
	for i, k := range keys {
		s := c.record(uint64(i+1), key(k), at(uint64(i)*50))
		s.NotBefore = int64(epoch0) + int64(i)*10_000 - 3000
		s.NotAfter = int64(epoch0) + int64(i+1)*10_000 + 1000
		records[i] = c.lend(t, s)
	}
	viewer := newCreator(t).trust
	for _, i := range []int{2, 0, 1} { // records arrive in any order
		must(t, viewer.AddSession(records[i]))
		must(t, viewer.AddSession(records[i])) // and twice
	}
	var chain manifest.Chain
	for n := range uint64(150) {
		for _, s := range c.signWith(t, c.piece(epoch0, n), key(keys[n/50])) {
			e, err := viewer.Open(s.Envelope)
			must(t, err)
			must(t, chain.Check(e, s.Envelope.Payload))
		}
	}
}

func TestASupersededKeySignsNothingMore(t *testing.T) {
	c := withSession(t)
	old := c.stream(t, epoch0, 20)
	c.lend(t, c.record(2, key(10), at(10)))
	for _, s := range old {
		_, err := c.trust.Open(s.Envelope)
		if before := s.Entry.N < 10; before && err != nil {
			t.Errorf("entry %d, signed before its key was superseded: %v", s.Entry.N, err)
		} else if !before && !errors.Is(err, manifest.ErrSuperseded) {
			t.Errorf("entry %d by the old key: %v", s.Entry.N, err)
		}
	}
	// A later record may start earlier than the one it replaces.
	c.lend(t, c.record(3, key(11), at(5)))
	if s, _, _ := c.trust.SessionAt(at(12)); s.Serial != 3 {
		t.Errorf("serial %d is in force at n=12", s.Serial)
	}
	if s, _, _ := c.trust.SessionAt(at(4)); s.Serial != 1 {
		t.Errorf("serial %d is in force at n=4", s.Serial)
	}
}

func TestAMissingRecordIsAskedForNotBlamed(t *testing.T) {
	c := withSession(t)
	c.lend(t, c.record(2, key(10), at(3)))
	viewer := newCreator(t)
	viewer.lend(t, viewer.record(1, c.session, event.Position{}))
	var last manifest.Signed
	for n := range uint64(4) {
		k := c.session
		if n >= 3 {
			k = key(10)
		}
		last = c.signWith(t, c.piece(epoch0, n), k)[0]
	}
	if _, err := viewer.trust.Open(last.Envelope); !errors.Is(err, manifest.ErrUnknownSession) {
		t.Errorf("got %v", err)
	}
}

func TestAnEntryBelongsIntoItsSessionsTime(t *testing.T) {
	for _, c := range []struct {
		off  time.Duration // from the session's end
		good bool
	}{
		{0, true},
		{manifest.Skew, true},
		{manifest.Skew + time.Millisecond, false},
		{-time.Hour - 6*time.Second, true},
		{-time.Hour - 7*time.Second, false},
	} {
		w := withSession(t)
		e, _, err := w.chain.Next(w.piece(epoch0, 0))
		must(t, err)
		_, digest, _ := w.trust.SessionAt(e.Position())
		env, err := manifest.SignEntry(w.session, e.Seal(time.UnixMilli(int64(epoch0)).Add(time.Hour+c.off), digest))
		must(t, err)
		if _, err := w.trust.Open(env); (err == nil) != c.good || err != nil && !errors.Is(err, manifest.ErrSuperseded) {
			t.Errorf("issued %v from the session's end: %v", c.off, err)
		}
	}
}

func TestARootKeyCanBeReplacedOnlyByItsSuccessor(t *testing.T) {
	c := withSession(t)
	rotation := func(k byte, serial uint64, next byte, sessions uint64) manifest.Envelope {
		env, err := manifest.SignRotation(key(k), manifest.Rotation{
			Stream: c.trust.ID(), Serial: serial, Next: event.DigestOf(public(key(next))), Sessions: sessions,
		})
		must(t, err)
		return env
	}
	if err := c.trust.AddRotation(rotation(66, 1, 4, 1)); !errors.Is(err, manifest.ErrSignature) {
		t.Errorf("a stranger became root: %v", err)
	}
	if err := c.trust.AddRotation(rotation(4, 2, 5, 1)); err == nil {
		t.Error("a rotation was skipped")
	}
	id := c.trust.ID()
	// The thief of the first root key signs record 2 before the creator rotates.
	stolen := c.record(2, key(77), event.Position{})
	c.lend(t, stolen)
	first := rotation(2, 1, 4, 1)
	must(t, c.trust.AddRotation(first))
	must(t, c.trust.AddRotation(first))
	if s, _, _ := c.trust.SessionAt(at(0)); s.Serial != 1 {
		t.Errorf("record %d, signed by the replaced key, is still in force", s.Serial)
	}
	env, err := manifest.SignSession(c.root, stolen)
	must(t, err)
	if err := c.trust.AddSession(env); !errors.Is(err, manifest.ErrSignature) {
		t.Errorf("the replaced key lends still: %v", err)
	}
	env, err = manifest.SignSession(c.next, c.record(2, key(12), at(7)))
	must(t, err)
	must(t, c.trust.AddSession(env))
	must(t, c.trust.AddRotation(rotation(4, 2, 5, 2)))
	if c.trust.ID() != id || !c.trust.RootKey().Equal(public(key(4))) {
		t.Error("the id must stay and the root key be the newest")
	}
	if err := c.trust.AddRotation(rotation(2, 1, 9, 1)); !errors.Is(err, manifest.ErrConflict) {
		t.Errorf("another first rotation: %v", err)
	}
}

func TestTwoRecordsWithOneSerialAreRefused(t *testing.T) {
	c := withSession(t)
	env, err := manifest.SignSession(c.root, c.record(1, key(10), event.Position{}))
	must(t, err)
	if err := c.trust.AddSession(env); !errors.Is(err, manifest.ErrConflict) {
		t.Errorf("got %v", err)
	}
}

func TestATrustForgetsTheOldestRecordsOnly(t *testing.T) {
	c := newCreator(t)
	for i := range uint64(300) {
		c.lend(t, c.record(i+1, c.session, at(i)))
	}
	if got := c.trust.Sessions(); len(got) != 256 || got[255].Serial != 300 {
		t.Errorf("%d records, the last is %d", len(got), got[len(got)-1].Serial)
	}
}
