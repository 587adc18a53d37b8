package seeder

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

// creator stands for everyone who makes a stream: keyring, ingest and packager.
type creator struct {
	t       testing.TB
	film    film
	name    event.StreamName
	id      event.StreamID
	root    ed25519.PrivateKey
	genesis manifest.Envelope
	serial  uint64
	session ed25519.PrivateKey
	record  manifest.Envelope // of session
	chain   manifest.Chain
	epoch   event.Epoch
	zero    time.Time // when the epoch's media began to arrive
}

func newKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newCreator(t testing.TB, name event.StreamName) *creator {
	t.Helper()
	c := &creator{t: t, film: shoot(t), name: name, root: newKey(t)}
	var err error
	c.genesis, err = manifest.SignGenesis(c.root, name, newKey(t).Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	_, c.id, err = manifest.OpenGenesis(c.genesis)
	if err != nil {
		t.Fatal(err)
	}
	c.rotateSession(event.Position{})
	c.newEpoch(time.Now())
	return c
}

// rotateSession makes a session key that holds from a position on.
func (c *creator) rotateSession(from event.Position) {
	c.t.Helper()
	c.serial++
	c.session = newKey(c.t)
	var err error
	c.record, err = manifest.SignSession(c.root, manifest.Session{
		Stream: c.id, Serial: c.serial, Key: c.session.Public().(ed25519.PublicKey), From: from,
		NotBefore: time.Now().Add(-time.Hour).UnixMilli(), NotAfter: time.Now().Add(time.Hour).UnixMilli(), FreshMS: 3000,
	})
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *creator) newEpoch(begun time.Time) {
	c.epoch, c.zero = max(c.epoch+1, event.Epoch(begun.UnixMilli())), begun
}

func (c *creator) trust() *manifest.Trust {
	c.t.Helper()
	trust, err := manifest.NewTrust(c.genesis)
	if err != nil {
		c.t.Fatal(err)
	}
	if err := trust.AddSession(c.record); err != nil {
		c.t.Fatal(err)
	}
	return trust
}

func (c *creator) initRoot() event.Root { return manifest.RootOf(c.film.init) }

// piece returns the n-th piece of the epoch; the film begins again when it is over.
func (c *creator) piece(n uint64) *event.Piece {
	pts := event.Ticks(n) * pieceTicks
	arrived := c.zero.Add(pts.Duration())
	data := c.film.pieces[n%uint64(len(c.film.pieces))]
	return &event.Piece{
		Address: event.Address{
			Stream: c.id, Rendition: event.Source, Position: event.Position{Epoch: c.epoch, N: n},
		},
		Segment: n / piecesASecond, Key: n%piecesASecond == 0, PTS: pts, Duration: pieceTicks, Target: pieceTicks,
		Init: c.initRoot(), Arrived: arrived, Received: arrived.Add(200 * time.Millisecond),
		Root: manifest.RootOf(data), Size: len(data), Data: data,
	}
}

// hold gives p other bytes, as ingest would describe them.
func hold(p *event.Piece, data []byte) {
	p.Root, p.Size, p.Data = manifest.RootOf(data), len(data), data
}

// sign returns the envelopes that carry the chain on to p, gaps included.
func (c *creator) sign(p *event.Piece) [][]byte {
	c.t.Helper()
	var out [][]byte
	for {
		e, more, err := c.chain.Next(p)
		if err != nil {
			c.t.Fatal(err)
		}
		env, err := manifest.SignEntry(c.session, e.Seal(time.Now(), event.DigestOf(c.record.Payload)))
		if err != nil {
			c.t.Fatal(err)
		}
		signed, err := manifest.DecodeEntry(env)
		if err != nil {
			c.t.Fatal(err)
		}
		if err := c.chain.Check(signed, env.Payload); err != nil {
			c.t.Fatal(err)
		}
		if out = append(out, env.JSON()); !more {
			return out
		}
	}
}

// publisher puts a creator's stream on a bus.
type publisher struct {
	*creator
	bus *bus.Bus
	ctx context.Context
	n   uint64 // of the next piece
}

// publish announces a stream of its own; it is not live yet.
func publish(t testing.TB, b *bus.Bus, name event.StreamName, unlisted bool) *publisher {
	t.Helper()
	p := &publisher{creator: newCreator(t, name), bus: b, ctx: t.Context()}
	p.fact(event.GenesisPublished{Name: name, Envelope: p.genesis.JSON(), Unlisted: unlisted})
	p.fact(event.SessionPublished{Envelope: p.record.JSON()})
	return p
}

func (p *publisher) fact(f event.StreamFact) {
	p.t.Helper()
	if _, err := p.bus.AppendStreamFact(p.ctx, p.id, f, bus.AnySeq); err != nil {
		p.t.Fatal(err)
	}
}

// golive begins an epoch whose media began to arrive at begun.
func (p *publisher) golive(begun time.Time) {
	p.t.Helper()
	p.newEpoch(begun)
	p.n = 0
	p.fact(event.EpochClaimed{Epoch: p.epoch, Instance: "test"})
	p.fact(event.TracksAnnounced{
		Epoch: p.epoch, Rendition: event.Source, Root: p.initRoot(), Init: p.film.init, Codecs: filmCodecs,
		Width: 320, Height: 180, FrameRate: 25,
	})
}

func (p *publisher) end() {
	p.t.Helper()
	p.fact(event.EpochEnded{Epoch: p.epoch, Reason: "test"})
}

// send publishes the next k pieces with their entries.
func (p *publisher) send(k int) {
	p.t.Helper()
	for range k {
		piece := p.piece(p.n)
		p.sendPiece(piece)
		for _, b := range p.sign(piece) {
			p.sendEntry(b)
		}
		p.n++
	}
}

func (p *publisher) sendPiece(piece *event.Piece) {
	p.t.Helper()
	if err := p.bus.PublishPiece(p.ctx, piece); err != nil {
		p.t.Fatal(err)
	}
}

func (p *publisher) sendEntry(b []byte) {
	p.t.Helper()
	id := event.DigestOf(b).String()
	if _, err := p.bus.AppendEntry(p.ctx, p.id, event.Source, b, bus.AnySeq, time.Hour, "", id); err != nil {
		p.t.Fatal(err)
	}
}

// at writes a position of the current epoch as manifest.json's query wants it.
func (p *publisher) at(n uint64) string { return fmt.Sprintf("%d.%d", p.epoch, n) }
