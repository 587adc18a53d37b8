package manifest

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"time"

	"github.com/shoalcast/shoal/event"
)

// Entry is the signed record of one piece, or of a gap where a piece was lost.
type Entry struct {
	V      int             `json:"v"`
	Stream event.StreamID  `json:"stream"`
	R      event.Rendition `json:"r"`
	Epoch  event.Epoch     `json:"epoch"`
	N      uint64          `json:"n"`
	// Prev is the SHA-256 of the payload of entry n-1; for n = 0, of the payload of
	// the session record in force.
	Prev   event.Digest `json:"prev"`
	Issued int64        `json:"issued"` // Unix ms when it was signed
	At     int64        `json:"at"`     // Unix ms when ingest had the piece's first sample
	MSN    uint64       `json:"msn"`    // media sequence number of its segment, across epochs
	DSN    uint64       `json:"dsn"`    // discontinuity sequence number of its segment
	Part   uint64       `json:"part"`   // index in its segment
	Key    bool         `json:"key,omitzero"`
	PTS    event.Ticks  `json:"pts"`
	Dur    event.Ticks  `json:"dur"`
	Size   int64        `json:"size"`
	Root   event.Root   `json:"root,omitzero"` // absent in a gap
	Gap    bool         `json:"gap,omitzero"`

	// In the first entry of a segment (part 0), and only there:

	Seg     uint64       `json:"seg,omitzero"`     // the publisher's own number of the segment in the epoch
	Target  event.Ticks  `json:"target,omitzero"`  // no entry of the segment lasts longer
	Session event.Digest `json:"session,omitzero"` // SHA-256 of the payload of the session record in force
	Init    event.Root   `json:"init,omitzero"`    // root of the init segment

	Crit []string `json:"crit,omitzero"`
}

// Bounds of segments. They keep every playlist valid and let a chain be picked up
// again from its newest MaxParts entries.
const (
	MaxParts = 128
	// TargetDuration is every playlist's EXT-X-TARGETDURATION, in seconds.
	TargetDuration = 4
	// MaxSegment is the longest a segment may last: it rounds to TargetDuration.
	MaxSegment = event.Ticks(44 * event.Timescale / 10)
)

// Signed is an entry that was verified, with the envelope that proves it.
type Signed struct {
	Entry    Entry
	Envelope Envelope
}

// Position returns the entry's place in its rendition.
func (e Entry) Position() event.Position { return event.Position{Epoch: e.Epoch, N: e.N} }

// Address names the piece that the entry records.
func (e Entry) Address() event.Address {
	return event.Address{Stream: e.Stream, Rendition: e.R, Position: e.Position()}
}

// StartsSegment reports whether the entry is the first of its segment.
func (e Entry) StartsSegment() bool { return e.Part == 0 }

// End returns the media time at which the piece ends.
func (e Entry) End() event.Ticks { return e.PTS + e.Dur }

// Arrived returns the wall-clock time at which ingest had the media at pts, by this
// entry's account. A viewer's delay is the server's time now, less this at the playhead.
func (e Entry) Arrived(pts event.Ticks) time.Time {
	return time.UnixMilli(e.At).Add((pts - e.PTS).Duration())
}

// Holds reports whether data is exactly the piece the entry was signed for.
func (e Entry) Holds(data []byte) bool {
	return !e.Gap && int64(len(data)) == e.Size && RootOf(data) == e.Root
}

// Payload returns the bytes that SignEntry signs for e, with V filled in: compact JSON,
// its members in their order here. Who knows an entry's members can make them again.
func (e Entry) Payload() ([]byte, error) {
	e.V = documentVersion
	if err := e.check(); err != nil {
		return nil, fmt.Errorf("write entry %s: %w", e.Position(), err)
	}
	payload, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("write entry %s: %w", e.Position(), err)
	}
	return payload, nil
}

// SignEntry signs e with a session's key, filling in V.
func SignEntry(key ed25519.PrivateKey, e Entry) (Envelope, error) {
	payload, err := e.Payload()
	if err != nil {
		return Envelope{}, fmt.Errorf("sign: %w", err)
	}
	return seal(key, TypeEntry, payload), nil
}

// DecodeEntry reads an entry and checks its form, but not its signature: for what
// one has signed or verified before. Trust.Open is for all else.
func DecodeEntry(env Envelope) (Entry, error) {
	var e Entry
	if env.PayloadType != TypeEntry {
		return e, fmt.Errorf("%w: payload type %q where an entry belongs", ErrMalformed, env.PayloadType)
	}
	err := decodeSigned(env.Payload, []field{
		{"v", &e.V, true},
		{"stream", &e.Stream, true},
		{"r", &e.R, true},
		{"epoch", &e.Epoch, true},
		{"n", &e.N, true},
		{"prev", &e.Prev, true},
		{"issued", &e.Issued, true},
		{"at", &e.At, true},
		{"msn", &e.MSN, true},
		{"dsn", &e.DSN, true},
		{"part", &e.Part, true},
		{"key", &e.Key, false},
		{"pts", &e.PTS, true},
		{"dur", &e.Dur, true},
		{"size", &e.Size, true},
		{"root", &e.Root, false},
		{"gap", &e.Gap, false},
		{"seg", &e.Seg, false},
		{"target", &e.Target, false},
		{"session", &e.Session, false},
		{"init", &e.Init, false},
	}, &e.Crit)
	if err == nil {
		err = e.check()
	}
	return e, err
}

// check applies the rules that an entry must obey by itself.
func (e Entry) check() error {
	if e.V != documentVersion {
		return fmt.Errorf("%w: version %d", ErrMalformed, e.V)
	}
	if _, err := event.ParseStreamID(string(e.Stream)); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if _, err := event.ParseRendition(string(e.R)); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	starts := e.StartsSegment()
	switch {
	case e.Epoch <= 0 || e.Epoch > maxInteger, e.N > maxInteger, e.MSN > maxInteger, e.DSN > e.MSN, e.Seg > maxInteger,
		e.Issued <= 0 || e.Issued > maxInteger, e.At < 0 || e.At > maxInteger, e.PTS > maxInteger || e.PTS < -maxInteger:
		return fmt.Errorf("%w: a number is out of bounds", ErrMalformed)
	case e.N == 0 && !starts:
		return fmt.Errorf("%w: an epoch's first entry must start a segment", ErrMalformed)
	case e.Part >= MaxParts:
		return fmt.Errorf("%w: part %d, a segment has at most %d", ErrMalformed, e.Part, MaxParts)
	case e.Dur <= 0 || e.Dur > MaxSegment:
		return fmt.Errorf("%w: a duration of %d ticks", ErrMalformed, e.Dur)
	case e.Gap && (e.Size != 0 || e.Key || !e.Root.IsZero()):
		return fmt.Errorf("%w: a gap has no size, root or key", ErrMalformed)
	case !e.Gap && (e.Size <= 0 || e.Size > event.MaxPiece || e.Root.IsZero()):
		return fmt.Errorf("%w: a piece needs its root and a size of at most %d bytes", ErrMalformed, event.MaxPiece)
	case starts && (e.Session.IsZero() || e.Init.IsZero() || e.Target < e.Dur || e.Target > MaxSegment):
		return fmt.Errorf("%w: a segment's first entry needs session, init and a target that its duration keeps", ErrMalformed)
	case !starts && (!e.Session.IsZero() || !e.Init.IsZero() || e.Target != 0 || e.Seg != 0):
		return fmt.Errorf("%w: session, init, target and seg belong to a segment's first entry", ErrMalformed)
	case e.N == 0 && e.Prev != e.Session:
		return fmt.Errorf("%w: an epoch's first entry must follow its session record", ErrMalformed)
	}
	return nil
}
