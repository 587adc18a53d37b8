package manifest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

// vector is one line of testdata/vectors.json: what implementations in other languages
// must agree with.
type vector struct {
	Name     string            `json:"name"`
	Payload  string            `json:"payload"` // as text, for people
	Envelope manifest.Envelope `json:"envelope"`
}

func TestDocumentsStayAsTheyAre(t *testing.T) {
	c := withSession(t)
	session := c.lend(t, c.record(1, c.session, event.Position{}))
	rotation, err := manifest.SignRotation(c.next, manifest.Rotation{
		Stream: c.trust.ID(), Serial: 1, Next: event.DigestOf(public(key(4))), Sessions: 1,
	})
	must(t, err)
	entries := append(c.stream(t, epoch0, 2), c.sign(t, c.piece(epoch0, 3))...)
	closed, err := manifest.SignClose(c.session, c.closing())
	must(t, err)
	vectors := []vector{
		{Name: "genesis", Envelope: c.genesis},
		{Name: "rotation", Envelope: rotation},
		{Name: "session", Envelope: session},
		{Name: "an epoch's first entry", Envelope: entries[0].Envelope},
		{Name: "an entry inside a segment", Envelope: entries[1].Envelope},
		{Name: "a gap", Envelope: entries[2].Envelope},
		{Name: "the entry after a gap", Envelope: entries[3].Envelope},
		{Name: "a close record", Envelope: closed},
	}
	for i := range vectors {
		vectors[i].Payload = string(vectors[i].Envelope.Payload)
	}
	got, err := json.MarshalIndent(map[string]any{
		"stream_id":   c.trust.ID(),
		"root_key":    []byte(public(c.root)),
		"fingerprint": manifest.Fingerprint(public(c.root)),
		"key_id":      manifest.KeyID(public(c.session)),
		"init_root":   manifest.RootOf([]byte("init")),
		"documents":   vectors,
	}, "", "  ")
	must(t, err)
	golden(t, "vectors.json", append(got, '\n'))

	for _, v := range vectors {
		again, err := manifest.ParseEnvelope(v.Envelope.JSON())
		must(t, err)
		if !bytes.Equal(again.JSON(), v.Envelope.JSON()) {
			t.Errorf("%s: read and written again it is another document", v.Name)
		}
	}
}

func TestAStreamsIdComesFromItsGenesisAlone(t *testing.T) {
	a, err := manifest.SignGenesis(key(1), "live", public(key(2)))
	must(t, err)
	_, id, err := manifest.OpenGenesis(a)
	must(t, err)
	if _, err := event.ParseStreamID(string(id)); err != nil {
		t.Error(err)
	}
	for name, env := range map[string]manifest.Envelope{
		"another root": sign(t, key(9), "live", 2),
		"another name": sign(t, key(1), "other", 2),
		"another next": sign(t, key(1), "live", 8),
	} {
		_, other, err := manifest.OpenGenesis(env)
		must(t, err)
		if other == id {
			t.Errorf("%s gave the same id", name)
		}
	}
}

func TestTheKeyIdMustBeTheSigners(t *testing.T) {
	c := newCreator(t)
	c.genesis.KeyID = manifest.KeyID(public(key(9)))
	if _, _, err := manifest.OpenGenesis(c.genesis); !errors.Is(err, manifest.ErrSignature) {
		t.Errorf("got %v", err)
	}
}

func sign(t *testing.T, k []byte, name event.StreamName, next byte) manifest.Envelope {
	env, err := manifest.SignGenesis(k, name, public(key(next)))
	must(t, err)
	return env
}

// rewrite signs a payload that was changed by hand, with the session key.
func rewrite(t *testing.T, payload []byte, old, new string) manifest.Envelope {
	t.Helper()
	if !bytes.Contains(payload, []byte(old)) {
		t.Fatalf("%s is not in %s", old, payload)
	}
	return signRaw(key(3), manifest.TypeEntry, bytes.Replace(payload, []byte(old), []byte(new), 1))
}

func TestAPayloadThatTwoParsersCouldReadDifferentlyIsRefused(t *testing.T) {
	c := withSession(t)
	good := c.stream(t, epoch0, 2)[1].Envelope
	for what, edit := range map[string][2]string{
		"a duplicate name":                   {`"n":1,`, `"n":1,"n":1,`},
		"a duplicate by escape":              {`"n":1,`, `"n":1,"\u006e":1,`},
		"a duplicate deep inside":            {`"n":1,`, `"n":1,"x":[{"a":1,"a":2}],`},
		"an integer of 2^53":                 {`"n":1,`, `"n":9007199254740992,`},
		"a large integer in the unknown":     {`"n":1,`, `"n":1,"x":{"y":[90071992547409920]},`},
		"a fraction":                         {`"n":1,`, `"n":1.0,`},
		"an exponent":                        {`"n":1,`, `"n":1e0,`},
		"a negative count":                   {`"n":1,`, `"n":-1,`},
		"another case":                       {`"n":1,`, `"N":1,`},
		"null":                               {`"n":1,`, `"n":null,`},
		"text for a number":                  {`"n":1,`, `"n":"1",`},
		"something behind":                   {`"size":21000`, `"size":21000}{"v":1`},
		"an unknown critical field":          {`"n":1,`, `"n":1,"enc":{},"crit":["enc"],`},
		"a critical field that is not there": {`"n":1,`, `"n":1,"crit":["gap"],`},
		"an empty crit":                      {`"n":1,`, `"n":1,"crit":[],`},
		"__proto__":                          {`"n":1,`, `"n":1,"__proto__":{},`},
		"a version from the future":          {`"v":1,`, `"v":2,`},
		"a missing field":                    {`"n":1,`, ``},
		"an upper-case hash":                 {`"root":"`, `"root":"ABCDEF`},
		"bytes that are not UTF-8":           {`"n":1,`, "\"n\":1,\"x\":\"\xff\","},
	} {
		t.Run(what, func(t *testing.T) {
			_, err := c.trust.Open(rewrite(t, good.Payload, edit[0], edit[1]))
			if !errors.Is(err, manifest.ErrMalformed) && !errors.Is(err, manifest.ErrCritical) {
				t.Errorf("got %v", err)
			}
		})
	}
	for what, add := range map[string]string{
		"an unknown field":       `"n":1,"x":{"y":[1,"z",null,true]},`,
		"a known critical field": `"n":1,"crit":["n"],`,
	} {
		if _, err := c.trust.Open(rewrite(t, good.Payload, `"n":1,`, add)); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	deep := `"n":1,"x":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `,`
	if _, err := c.trust.Open(rewrite(t, good.Payload, `"n":1,`, deep)); !errors.Is(err, manifest.ErrMalformed) {
		t.Errorf("deep nesting: %v", err)
	}
}

func TestAnEnvelopeHasOneSpelling(t *testing.T) {
	c := withSession(t)
	good := string(c.stream(t, epoch0, 1)[0].Envelope.JSON())
	unsigned, _, _ := strings.Cut(good, "[")
	for what, bad := range map[string]string{
		"two signatures":     strings.Replace(good, `"signatures":[{`, `"signatures":[{"keyid":"x","sig":""},{`, 1),
		"no signature":       unsigned + "[]}",
		"a duplicate member": strings.Replace(good, `{"payloadType"`, `{"payload":"","payloadType"`, 1),
		"base64 for URLs":    strings.Replace(good, `"sig":"`, `"sig":"-_`, 1),
		"a line break":       strings.Replace(good, `"payload":"eyJ2`, `"payload":"eyJ2\n`, 1),
		"no padding":         strings.Replace(good, `=="}]}`, `"}]}`, 1),
		"loose last bits":    good[:len(good)-7] + flipLast(good[len(good)-7]) + good[len(good)-6:],
		"something behind":   good + "x",
		"too long":           strings.Replace(good, `{`, `{"x":"`+strings.Repeat("a", manifest.MaxEnvelope)+`",`, 1),
		"not an object":      `[]`,
		"nothing":            ``,
	} {
		if bad == good {
			t.Fatalf("%s: the test changed nothing", what)
		}
		if _, err := manifest.ParseEnvelope([]byte(bad)); !errors.Is(err, manifest.ErrMalformed) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// flipLast changes the bits of a base64 digit that carry nothing before "==".
func flipLast(c byte) string {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	return string(digits[strings.IndexByte(digits, c)^1])
}

func TestNoSingleBitCanBeFlipped(t *testing.T) {
	c := withSession(t)
	good := c.stream(t, epoch0, 1)[0].Envelope.JSON()
	if _, err := c.trust.OpenJSON(good); err != nil {
		t.Fatal(err)
	}
	for i := range good {
		for bit := range 8 {
			bad := bytes.Clone(good)
			bad[i] ^= 1 << bit
			if _, err := c.trust.OpenJSON(bad); err == nil {
				t.Fatalf("bit %d of byte %d (%q) can be flipped: %s", bit, i, good[i], bad)
			}
		}
	}
}

func TestWhatIsSignedForOneThingIsGoodForNothingElse(t *testing.T) {
	c := withSession(t)
	entry := c.stream(t, epoch0, 1)[0]

	other := &creator{root: key(5), next: key(6), session: key(3)}
	var err error
	other.genesis, err = manifest.SignGenesis(other.root, "live", public(other.next))
	must(t, err)
	other.trust, err = manifest.NewTrust(other.genesis)
	must(t, err)
	other.lend(t, other.record(1, key(3), event.Position{}))
	if _, err := other.trust.Open(entry.Envelope); !errors.Is(err, manifest.ErrWrongStream) {
		t.Errorf("an entry of another stream: %v", err)
	}
	if err := other.trust.AddSession(c.lend(t, c.record(1, c.session, event.Position{}))); !errors.Is(err, manifest.ErrWrongStream) {
		t.Errorf("a session of another stream: %v", err)
	}
	relabelled := entry.Envelope
	relabelled.PayloadType = manifest.TypeSession
	if _, err := c.trust.Open(relabelled); !errors.Is(err, manifest.ErrMalformed) {
		t.Errorf("an entry called a session: %v", err)
	}
	byRoot := signRaw(c.root, manifest.TypeEntry, entry.Envelope.Payload)
	if _, err := c.trust.Open(byRoot); err == nil {
		t.Error("the root key signed an entry")
	}
	bySession, err := manifest.SignSession(c.session, c.record(2, key(7), event.Position{}))
	must(t, err)
	if err := c.trust.AddSession(bySession); !errors.Is(err, manifest.ErrSignature) {
		t.Errorf("a session key lent itself to another: %v", err)
	}
}

func TestASessionRecordHasBounds(t *testing.T) {
	c := newCreator(t)
	for what, change := range map[string]func(*manifest.Session){
		"25 hours":          func(s *manifest.Session) { s.NotAfter = s.NotBefore + (25 * time.Hour).Milliseconds() },
		"ends at its start": func(s *manifest.Session) { s.NotAfter = s.NotBefore },
		"serial 0":          func(s *manifest.Session) { s.Serial = 0 },
		"half a key":        func(s *manifest.Session) { s.Key = s.Key[:16] },
		"never stale":       func(s *manifest.Session) { s.FreshMS = 1 << 40 },
		"no freshness":      func(s *manifest.Session) { s.FreshMS = 0 },
	} {
		s := c.record(1, c.session, event.Position{})
		change(&s)
		if _, err := manifest.SignSession(c.root, s); !errors.Is(err, manifest.ErrMalformed) {
			t.Errorf("%s could be signed: %v", what, err)
		}
		s.V = 1
		raw, err := json.Marshal(s)
		must(t, err)
		if err := c.trust.AddSession(signRaw(c.root, manifest.TypeSession, raw)); !errors.Is(err, manifest.ErrMalformed) {
			t.Errorf("%s was accepted: %v", what, err)
		}
	}
	s := c.record(1, c.session, event.Position{})
	s.NotAfter = s.NotBefore + manifest.MaxSession.Milliseconds()
	c.lend(t, s)
}

func TestAnEntryMustMakeSense(t *testing.T) {
	c := withSession(t)
	first := c.stream(t, epoch0, 1)[0].Entry
	second := c.sign(t, c.piece(epoch0, 1))[0].Entry
	for what, e := range map[string]manifest.Entry{
		"a gap with bytes":               with(second, func(e *manifest.Entry) { e.Gap = true }),
		"a piece without a root":         with(second, func(e *manifest.Entry) { e.Root = event.Root{} }),
		"a piece of 5 MiB":               with(second, func(e *manifest.Entry) { e.Size = 5 << 20 }),
		"a piece of no bytes":            with(second, func(e *manifest.Entry) { e.Size = 0 }),
		"no duration":                    with(second, func(e *manifest.Entry) { e.Dur = 0 }),
		"a piece of 5 s":                 with(second, func(e *manifest.Entry) { e.Dur = 5 * event.Timescale }),
		"a start longer than its target": with(first, func(e *manifest.Entry) { e.Target = e.Dur - 1 }),
		"a start without its session":    with(first, func(e *manifest.Entry) { e.Session = event.Digest{} }),
		"a start without an init":        with(first, func(e *manifest.Entry) { e.Init = event.Root{} }),
		"an init in mid-segment":         with(second, func(e *manifest.Entry) { e.Init = first.Init }),
		"an epoch that follows nothing":  with(first, func(e *manifest.Entry) { e.Prev = event.Digest{1} }),
		"an epoch from mid-segment":      with(second, func(e *manifest.Entry) { e.N = 0 }),
		"part 128":                       with(second, func(e *manifest.Entry) { e.Part = 128 }),
		"epoch 0":                        with(first, func(e *manifest.Entry) { e.Epoch = 0 }),
		"a rendition with a dot":         with(first, func(e *manifest.Entry) { e.R = "v.0" }),
	} {
		if _, err := manifest.SignEntry(c.session, e); !errors.Is(err, manifest.ErrMalformed) {
			t.Errorf("%s could be signed: %v", what, err)
		}
		raw, err := json.Marshal(e)
		must(t, err)
		if _, err := c.trust.Open(signRaw(c.session, manifest.TypeEntry, raw)); !errors.Is(err, manifest.ErrMalformed) {
			t.Errorf("%s was accepted: %v", what, err)
		}
	}
}

func with(e manifest.Entry, change func(*manifest.Entry)) manifest.Entry {
	change(&e)
	return e
}

func TestTheSignedBytesCanBeMadeAgainFromTheMembers(t *testing.T) {
	c := withSession(t)
	for _, s := range c.stream(t, epoch0, 12) {
		e, err := manifest.DecodeEntry(s.Envelope)
		must(t, err)
		e.V = 0
		if payload, err := e.Payload(); err != nil || !bytes.Equal(payload, s.Envelope.Payload) {
			t.Errorf("%s is written again as %s, %v", s.Envelope.Payload, payload, err)
		}
		e.Dur = 0
		if payload, err := e.Payload(); payload != nil || !errors.Is(err, manifest.ErrMalformed) {
			t.Errorf("an entry that nobody may sign is written as %s, %v", payload, err)
		}
	}
}

func TestFreshnessGoesByTheServersTime(t *testing.T) {
	const now = int64(epoch0)
	for _, c := range []struct {
		issued int64
		want   manifest.Freshness
	}{
		{now, manifest.Fresh},
		{now - 10_000, manifest.Fresh},
		{now - 10_001, manifest.Stale},
		{now + 5_000, manifest.Fresh},
		{now + 5_001, manifest.Stale}, // a date in the future keeps nothing fresh
		{now - 3_600_000, manifest.Stale},
	} {
		t.Run(fmt.Sprint(c.issued-now), func(t *testing.T) {
			if got := manifest.FreshAt(c.issued, 10_000, now); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
