package manifest_test

import (
	"bytes"
	"crypto/ed25519"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

var update = flag.Bool("update", false, "write golden files anew")

// key returns a key that is the same in every run: vectors for other implementations
// need that.
func key(n byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, ed25519.SeedSize))
}

func public(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

const epoch0 event.Epoch = 1_790_000_000_000

// creator is a stream with its keys, and a trust that knows its genesis.
type creator struct {
	root, next, session ed25519.PrivateKey
	genesis             manifest.Envelope
	trust               *manifest.Trust
	chain               manifest.Chain
}

func newCreator(t testing.TB) *creator {
	t.Helper()
	c := &creator{root: key(1), next: key(2), session: key(3)}
	var err error
	c.genesis, err = manifest.SignGenesis(c.root, "live", public(c.next))
	must(t, err)
	c.trust, err = manifest.NewTrust(c.genesis)
	must(t, err)
	return c
}

func (c *creator) record(serial uint64, k ed25519.PrivateKey, from event.Position) manifest.Session {
	return manifest.Session{
		Stream: c.trust.ID(), Serial: serial, Key: public(k), From: from,
		NotBefore: int64(epoch0) - 1000, NotAfter: int64(epoch0) + time.Hour.Milliseconds(), FreshMS: 10_000,
	}
}

// lend signs and adds a session record.
func (c *creator) lend(t testing.TB, s manifest.Session) manifest.Envelope {
	t.Helper()
	env, err := manifest.SignSession(c.root, s)
	must(t, err)
	must(t, c.trust.AddSession(env))
	return env
}

// withSession is newCreator with session record 1 in force from the beginning.
func withSession(t testing.TB) *creator {
	c := newCreator(t)
	c.lend(t, c.record(1, c.session, event.Position{}))
	return c
}

// piece returns piece n of an epoch with 200 ms pieces and a keyframe every five.
func (c *creator) piece(epoch event.Epoch, n uint64) *event.Piece {
	const dur = event.Timescale / 5
	data := bytes.Repeat([]byte{byte(n), byte(n >> 8), byte(epoch)}, 7000)
	return &event.Piece{
		Address: event.Address{Stream: c.trust.ID(), Rendition: "v0", Position: event.Position{Epoch: epoch, N: n}},
		Segment: n / 5, Key: n%5 == 0, PTS: event.Ticks(n) * dur, Duration: dur, Target: dur,
		Init:    manifest.RootOf([]byte("init")),
		Arrived: time.UnixMilli(int64(epoch) + int64(n)*200), Received: time.UnixMilli(int64(epoch) + int64(n)*200 + 200),
		Root: manifest.RootOf(data), Size: len(data), Data: data,
	}
}

// hold gives p other bytes.
func hold(p *event.Piece, data []byte) {
	p.Root, p.Size, p.Data = manifest.RootOf(data), len(data), data
}

// sign continues the creator's chain up to and including piece p.
func (c *creator) sign(t testing.TB, p *event.Piece) []manifest.Signed {
	t.Helper()
	return c.signWith(t, p, c.session)
}

func (c *creator) signWith(t testing.TB, p *event.Piece, k ed25519.PrivateKey) []manifest.Signed {
	t.Helper()
	var out []manifest.Signed
	for {
		e, more, err := c.chain.Next(p)
		must(t, err)
		_, digest, ok := c.trust.SessionAt(e.Position())
		if !ok {
			t.Fatalf("no session at %s", e.Position())
		}
		e = e.Seal(p.Received, digest)
		env, err := manifest.SignEntry(k, e)
		must(t, err)
		must(t, c.chain.Check(e, env.Payload))
		out = append(out, manifest.Signed{Entry: e, Envelope: env})
		if !more {
			return out
		}
	}
}

// stream signs count pieces of one epoch.
func (c *creator) stream(t testing.TB, epoch event.Epoch, count uint64) []manifest.Signed {
	t.Helper()
	var out []manifest.Signed
	for n := range count {
		out = append(out, c.sign(t, c.piece(epoch, n))...)
	}
	return out
}

func entriesOf(signed []manifest.Signed) []manifest.Entry {
	out := make([]manifest.Entry, len(signed))
	for i, s := range signed {
		out[i] = s.Entry
	}
	return out
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.WriteFile(path, got, 0o644))
		return
	}
	want, err := os.ReadFile(path)
	must(t, err)
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs, if that is meant run go test -update:\n got %s\nwant %s", path, got, want)
	}
}
