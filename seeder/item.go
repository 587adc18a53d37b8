package seeder

import (
	"encoding/base64"
	"fmt"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

// item is a verified entry and what belongs to it. Once it is shown to requests it
// does not change any more: a repair replaces it.
type item struct {
	entry    manifest.Entry
	signed   manifest.Envelope
	payload  []byte // the signed bytes
	envelope []byte // DSSE JSON
	header   string // the same in base64, for the Shoal-Entry header
	data     []byte // the piece; nil for a gap, and while it is awaited
	leaves   [][32]byte
	received time.Time // when ingest had the piece's last byte
	trace    string    // W3C traceparent of the piece
	added    time.Time // when the entry verified
}

func newItem(now time.Time, e manifest.Entry, env manifest.Envelope) *item {
	text := env.JSON() // not the bytes from the bus: those could carry more
	return &item{
		entry:    e,
		signed:   env,
		payload:  env.Payload,
		envelope: text,
		header:   base64.StdEncoding.EncodeToString(text),
		added:    now,
	}
}

func (i *item) position() event.Position { return i.entry.Position() }

// matches reports whether a piece is what the entry signed.
func (i *item) matches(p *pending) bool {
	return !i.entry.Gap && i.entry.Size == int64(len(p.piece.Data)) && i.entry.Root == p.root
}

// fill gives the item its bytes.
func (i *item) fill(p *pending) {
	i.data, i.leaves, i.received, i.trace = p.piece.Data, p.leaves, p.piece.Received, p.piece.Trace
}

// complete reports whether all bytes of the item itself are there.
func (i *item) complete() bool { return i.entry.Gap || i.data != nil }

// continues checks the link between two items that stand next to each other.
func (i *item) continues(before *item) error {
	var pair manifest.Chain
	if err := pair.Check(before.entry, before.payload); err != nil {
		return fmt.Errorf("check the link of %s: %w", i.position(), err)
	}
	if err := pair.Check(i.entry, i.payload); err != nil {
		return fmt.Errorf("check the link of %s: %w", i.position(), err)
	}
	return nil
}
