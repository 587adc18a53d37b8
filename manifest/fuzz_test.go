package manifest_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

func FuzzEnvelope(f *testing.F) {
	f.Add(withSession(f).genesis.JSON())
	f.Fuzz(func(t *testing.T, b []byte) {
		env, err := manifest.ParseEnvelope(b)
		if err != nil {
			return
		}
		again, err := manifest.ParseEnvelope(env.JSON())
		if err != nil || !bytes.Equal(again.JSON(), env.JSON()) {
			t.Errorf("%+v is read back as %+v, %v", env, again, err)
		}
	})
}

// readsLikeOthers checks that a payload that was accepted means to encoding/json what it
// means to us, as far as encoding/json can tell.
func readsLikeOthers(t *testing.T, payload []byte, ours any) {
	t.Helper()
	var theirs, mine map[string]any
	decode := func(b []byte, into *map[string]any) {
		d := json.NewDecoder(bytes.NewReader(b))
		d.UseNumber()
		if err := d.Decode(into); err != nil {
			t.Fatalf("accepted, but not JSON: %v", err)
		}
	}
	decode(payload, &theirs)
	b, err := json.Marshal(ours)
	must(t, err)
	decode(b, &mine)
	for name, v := range mine {
		a, err := json.Marshal(v)
		must(t, err)
		b, err := json.Marshal(theirs[name])
		must(t, err)
		if !bytes.Equal(a, b) && string(b) != "-0" {
			t.Errorf("%s: ours %s, theirs %s", name, a, b)
		}
	}
}

func FuzzEntry(f *testing.F) {
	c := withSession(f)
	for _, s := range c.stream(f, epoch0, 2) {
		f.Add(s.Envelope.Payload)
	}
	f.Add(c.sign(f, c.piece(epoch0, 3))[0].Envelope.Payload)
	f.Fuzz(func(t *testing.T, payload []byte) {
		e, err := c.trust.Open(signRaw(c.session, manifest.TypeEntry, payload))
		if err != nil {
			return
		}
		readsLikeOthers(t, payload, e)
		if _, err := manifest.SignEntry(c.session, e); err != nil {
			t.Errorf("it can be read but not written: %v", err)
		}
	})
}

func FuzzSession(f *testing.F) {
	c := newCreator(f)
	f.Add(c.lend(f, c.record(1, c.session, event.Position{})).Payload)
	f.Fuzz(func(t *testing.T, payload []byte) {
		c := newCreator(t)
		if err := c.trust.AddSession(signRaw(c.root, manifest.TypeSession, payload)); err != nil {
			return
		}
		s := c.trust.Sessions()[0]
		readsLikeOthers(t, payload, s)
		if _, err := manifest.SignSession(c.root, s); err != nil {
			t.Errorf("it can be read but not written: %v", err)
		}
	})
}

func FuzzGenesis(f *testing.F) {
	f.Add(newCreator(f).genesis.Payload)
	f.Fuzz(func(t *testing.T, payload []byte) {
		g, id, err := manifest.OpenGenesis(signRaw(key(1), manifest.TypeGenesis, payload))
		if err != nil {
			return
		}
		readsLikeOthers(t, payload, g)
		if _, err := event.ParseStreamID(string(id)); err != nil {
			t.Error(err)
		}
	})
}

func FuzzRotation(f *testing.F) {
	c := newCreator(f)
	env, err := manifest.SignRotation(c.next, manifest.Rotation{Stream: c.trust.ID(), Serial: 1, Next: event.Digest{1}})
	must(f, err)
	f.Add(env.Payload)
	f.Fuzz(func(t *testing.T, payload []byte) {
		c := newCreator(t)
		if err := c.trust.AddRotation(signRaw(c.next, manifest.TypeRotation, payload)); err != nil {
			return
		}
		if !c.trust.RootKey().Equal(public(c.next)) {
			t.Errorf("the root key is %x after %s", c.trust.RootKey(), payload)
		}
	})
}

func FuzzClose(f *testing.F) {
	c := withSession(f)
	env, err := manifest.SignClose(c.session, c.closing())
	must(f, err)
	f.Add(env.Payload)
	f.Fuzz(func(t *testing.T, payload []byte) {
		r, err := c.trust.OpenClose(signRaw(c.session, manifest.TypeClose, payload))
		if err != nil {
			return
		}
		readsLikeOthers(t, payload, r)
		if _, err := manifest.SignClose(c.session, r); err != nil {
			t.Errorf("it can be read but not written: %v", err)
		}
	})
}
