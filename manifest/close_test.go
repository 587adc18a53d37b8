package manifest_test

import (
	"errors"
	"testing"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

// closing is the record of an archive file that the creator could sign.
func (c *creator) closing() manifest.Close {
	return manifest.Close{
		Stream: c.trust.ID(), R: "v0", Kind: manifest.CloseWindow, Epoch: epoch0, First: 0, Last: 299,
		Issued: int64(epoch0) + 61_000, At: int64(epoch0), Dur: 60 * event.Timescale,
		Init: manifest.RootOf([]byte("init")), Size: 6_300_004,
		SHA256: event.DigestOf([]byte("file")), InfoHash: manifest.InfoHash{1, 2, 3},
	}
}

func TestACloseRecordIsSignedInTheSessionOfItsTime(t *testing.T) {
	c := withSession(t)
	open := func(k byte, change func(*manifest.Close)) error {
		t.Helper()
		r := c.closing()
		change(&r)
		env, err := manifest.SignClose(key(k), r)
		must(t, err)
		_, err = c.trust.OpenClose(env)
		return err
	}
	same := func(*manifest.Close) {}
	if err := open(3, same); err != nil {
		t.Error(err)
	}
	if err := open(7, same); !errors.Is(err, manifest.ErrUnknownSession) {
		t.Errorf("a stranger's: %v", err)
	}
	if err := open(3, func(r *manifest.Close) { r.Issued += 2 * time.Hour.Milliseconds() }); !errors.Is(err, manifest.ErrSuperseded) {
		t.Errorf("after the session's end: %v", err)
	}
	// A session that takes over in the middle of the file signs it; the one before may not.
	c.lend(t, c.record(2, key(7), event.Position{Epoch: epoch0, N: 200}))
	if err := open(7, same); err != nil {
		t.Error(err)
	}
	if err := open(3, same); !errors.Is(err, manifest.ErrSuperseded) {
		t.Errorf("the superseded one: %v", err)
	}
	// One that takes over later may close what lies before it, as when the first is over.
	next := c.record(3, key(8), event.Position{Epoch: epoch0, N: 1000})
	next.NotBefore, next.NotAfter = next.NotAfter, next.NotAfter+time.Hour.Milliseconds()
	c.lend(t, next)
	later := int64(epoch0) + (90 * time.Minute).Milliseconds()
	if err := open(8, func(r *manifest.Close) { r.Issued = later }); err != nil {
		t.Error(err)
	}
	for at, want := range map[int64]uint64{int64(epoch0) + 61_000: 2, later: 3} {
		if s, ok := c.trust.CloserAt(c.closing().LastPosition(), at); !ok || s.Serial != want {
			t.Errorf("session %d may sign at %d, want %d", s.Serial, at, want)
		}
	}
	if s, ok := c.trust.CloserAt(c.closing().LastPosition(), later*2); ok {
		t.Errorf("session %d may sign when all are over", s.Serial)
	}
}

func TestACloseRecordMustMakeSense(t *testing.T) {
	c := withSession(t)
	for what, change := range map[string]func(*manifest.Close){
		"another kind":      func(r *manifest.Close) { r.Kind = "year" },
		"no kind":           func(r *manifest.Close) { r.Kind = "" },
		"last before first": func(r *manifest.Close) { r.First = r.Last + 1 },
		"no bytes":          func(r *manifest.Close) { r.Size = 0 },
		"no duration":       func(r *manifest.Close) { r.Dur = 0 },
		"no init":           func(r *manifest.Close) { r.Init = event.Root{} },
		"no digest":         func(r *manifest.Close) { r.SHA256 = event.Digest{} },
		"no infohash":       func(r *manifest.Close) { r.InfoHash = manifest.InfoHash{} },
		"no epoch":          func(r *manifest.Close) { r.Epoch = 0 },
		"no issue":          func(r *manifest.Close) { r.Issued = 0 },
		"a wrong rendition": func(r *manifest.Close) { r.R = "../v0" },
		"no stream":         func(r *manifest.Close) { r.Stream = "live" },
	} {
		r := c.closing()
		change(&r)
		if _, err := manifest.SignClose(c.session, r); !errors.Is(err, manifest.ErrMalformed) {
			t.Errorf("%s: signed, with %v", what, err)
		}
	}
	env, err := manifest.SignClose(c.session, c.closing())
	must(t, err)
	if _, err := c.trust.Open(env); err == nil {
		t.Error("a close record passes for an entry")
	}
	if _, err := c.trust.OpenClose(c.stream(t, epoch0, 1)[0].Envelope); err == nil {
		t.Error("an entry passes for a close record")
	}
}
