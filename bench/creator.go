package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
	"github.com/shoalcast/shoal/swarm"
)

// creator signs a stream whose pieces are whatever bytes it is given, 200 ms long each and
// five to a segment.
type creator struct {
	genesis, record manifest.Envelope
	stream          event.StreamID
	session         ed25519.PrivateKey
	epoch           event.Epoch
	next            uint64
	prev            event.Digest
}

const (
	pieceTime   = 200 * time.Millisecond
	pieceTicks  = event.Ticks(18_000)
	segmentSize = 5
)

func newCreator() (*creator, error) {
	_, root, err1 := ed25519.GenerateKey(rand.Reader)
	heir, _, err2 := ed25519.GenerateKey(rand.Reader)
	public, session, err3 := ed25519.GenerateKey(rand.Reader)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, fmt.Errorf("make keys: %w", err)
	}
	now := time.Now().UnixMilli()
	c := &creator{session: session, epoch: event.Epoch(now)}
	var err error
	if c.genesis, err = manifest.SignGenesis(root, "bench", heir); err != nil {
		return nil, err
	}
	if _, c.stream, err = manifest.OpenGenesis(c.genesis); err != nil {
		return nil, err
	}
	c.record, err = manifest.SignSession(root, manifest.Session{
		Stream: c.stream, Serial: 1, Key: public, NotBefore: now - 1000, NotAfter: now + time.Hour.Milliseconds(), FreshMS: 10_000,
	})
	return c, err
}

// verifier returns what trusts the stream and nothing else.
func (c *creator) verifier() (*swarm.Trusted, error) {
	trust, err := manifest.NewTrust(c.genesis)
	if err != nil {
		return nil, err
	}
	v := swarm.NewTrusted(trust)
	if _, err := v.AddRecord(c.record.JSON()); err != nil {
		return nil, err
	}
	return v, nil
}

// sign returns the head of the next piece.
func (c *creator) sign(data []byte) (*swarm.Head, error) {
	n := c.next
	now := time.Now().UnixMilli()
	leaves := manifest.Leaves(data)
	e := manifest.Entry{
		V: 1, Stream: c.stream, R: event.Source, Epoch: c.epoch, N: n, Prev: c.prev, Issued: now, At: now,
		MSN: n / segmentSize, Part: n % segmentSize, Key: n%segmentSize == 0, PTS: event.Ticks(n) * pieceTicks, Dur: pieceTicks,
		Size: int64(len(data)), Root: manifest.RootOfLeaves(leaves),
	}
	if e.Part == 0 {
		e.Seg, e.Target, e.Session, e.Init = e.MSN, pieceTicks, event.DigestOf(c.record.Payload), manifest.RootOf([]byte("init"))
	}
	if n == 0 {
		e.Prev = e.Session
	}
	env, err := manifest.SignEntry(c.session, e)
	if err != nil {
		return nil, err
	}
	c.next, c.prev = n+1, event.DigestOf(env.Payload)
	return swarm.HeadOf(manifest.Signed{Entry: e, Envelope: env}, leaves)
}
