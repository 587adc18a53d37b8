package manifest

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/shoalcast/shoal/event"
)

// InfoHash names a v1 torrent (BEP 3), written as 40 lower-case hexadecimal digits.
type InfoHash [20]byte

func (h InfoHash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText writes 40 lower-case hexadecimal digits.
func (h InfoHash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads 40 lower-case hexadecimal digits.
func (h *InfoHash) UnmarshalText(b []byte) error {
	parsed, err := ParseInfoHash(string(b))
	if err == nil {
		*h = parsed
	}
	return err
}

// ParseInfoHash reads 40 lower-case hexadecimal digits.
func ParseInfoHash(s string) (InfoHash, error) {
	var h InfoHash
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(h) || hex.EncodeToString(b) != s {
		return h, errors.New("an infohash is 40 lower-case hexadecimal digits")
	}
	copy(h[:], b)
	return h, nil
}

// CloseKind says what a close record closes.
type CloseKind string

// What an archive file holds.
const (
	CloseWindow CloseKind = "window" // a minute or so
	CloseEpoch  CloseKind = "epoch"  // all that was published without an interruption
)

// Close is the signed record of one archive file: Init's segment, then the pieces
// First to Last verbatim, gaps left out.
type Close struct {
	V        int             `json:"v"`
	Stream   event.StreamID  `json:"stream"`
	R        event.Rendition `json:"r"`
	Kind     CloseKind       `json:"kind"`
	Epoch    event.Epoch     `json:"epoch"`
	First    uint64          `json:"first"`
	Last     uint64          `json:"last"`
	Issued   int64           `json:"issued"` // Unix ms when it was signed
	At       int64           `json:"at"`     // Unix ms, entry First's
	Dur      event.Ticks     `json:"dur"`    // of the entries together, gaps included
	Init     event.Root      `json:"init"`
	Size     int64           `json:"size"`
	SHA256   event.Digest    `json:"sha256"`   // of the file
	InfoHash InfoHash        `json:"infohash"` // of the file's torrent

	Crit []string `json:"crit,omitzero"`
}

// FirstPosition returns the position of the first entry that the file covers.
func (c Close) FirstPosition() event.Position { return event.Position{Epoch: c.Epoch, N: c.First} }

// LastPosition returns the position of the last entry that the file covers.
func (c Close) LastPosition() event.Position { return event.Position{Epoch: c.Epoch, N: c.Last} }

// SignClose signs c with a session's key, filling in V.
func SignClose(key ed25519.PrivateKey, c Close) (Envelope, error) {
	c.V = documentVersion
	if err := c.check(); err != nil {
		return Envelope{}, fmt.Errorf("sign close record of %s: %w", c.FirstPosition(), err)
	}
	return sign(key, TypeClose, c)
}

// DecodeClose reads a close record and checks its form, but not its signature: for what
// one has signed or verified before. Trust.OpenClose is for all else.
func DecodeClose(env Envelope) (Close, error) {
	var c Close
	if env.PayloadType != TypeClose {
		return c, fmt.Errorf("%w: payload type %q where a close record belongs", ErrMalformed, env.PayloadType)
	}
	var kind string
	err := decodeSigned(env.Payload, []field{
		{"v", &c.V, true},
		{"stream", &c.Stream, true},
		{"r", &c.R, true},
		{"kind", &kind, true},
		{"epoch", &c.Epoch, true},
		{"first", &c.First, true},
		{"last", &c.Last, true},
		{"issued", &c.Issued, true},
		{"at", &c.At, true},
		{"dur", &c.Dur, true},
		{"init", &c.Init, true},
		{"size", &c.Size, true},
		{"sha256", &c.SHA256, true},
		{"infohash", &c.InfoHash, true},
	}, &c.Crit)
	c.Kind = CloseKind(kind)
	if err == nil {
		err = c.check()
	}
	return c, err
}

func (c Close) check() error {
	if c.V != documentVersion {
		return fmt.Errorf("%w: version %d", ErrMalformed, c.V)
	}
	if _, err := event.ParseStreamID(string(c.Stream)); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if _, err := event.ParseRendition(string(c.R)); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	switch {
	case c.Kind != CloseWindow && c.Kind != CloseEpoch:
		return fmt.Errorf("%w: a close record of kind %q", ErrMalformed, c.Kind)
	case c.Epoch <= 0 || c.Epoch > maxInteger, c.Last > maxInteger, c.First > c.Last,
		c.Issued <= 0 || c.Issued > maxInteger, c.At < 0 || c.At > maxInteger,
		c.Dur <= 0 || c.Dur > maxInteger, c.Size <= 0 || c.Size > maxInteger:
		return fmt.Errorf("%w: a number is out of bounds", ErrMalformed)
	case c.Init.IsZero() || c.SHA256.IsZero() || c.InfoHash == InfoHash{}:
		return fmt.Errorf("%w: a close record needs init, sha256 and infohash", ErrMalformed)
	}
	return nil
}

// OpenClose verifies a close record: its form, its stream, that the session in force
// at its last position, or a later one, signed it, and that this was within that
// session's times. It is judged as of its issue: an archive outlives its keys.
func (t *Trust) OpenClose(env Envelope) (Close, error) {
	c, err := DecodeClose(env)
	if err != nil {
		return Close{}, fmt.Errorf("open close record: %w", err)
	}
	if c.Stream != t.id {
		return Close{}, fmt.Errorf("open close record of %s: %w", c.FirstPosition(), ErrWrongStream)
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	err = ErrUnknownSession
	from := t.sessionAt(c.LastPosition())
	for i := len(t.sessions) - 1; i >= 0 && err != nil; i-- {
		s := t.sessions[i]
		if s.keyID != env.KeyID {
			continue
		}
		skew := Skew.Milliseconds()
		switch {
		case from < 0 || i < from:
			err = ErrSuperseded
		case c.Issued < s.NotBefore-skew || c.Issued > s.NotAfter+skew:
			err = fmt.Errorf("%w: issued outside of its times", ErrSuperseded)
		default:
			err = env.Verify(s.Key, TypeClose)
		}
	}
	if err != nil {
		return Close{}, fmt.Errorf("open close record of %s: %w", c.FirstPosition(), err)
	}
	return c, nil
}

// CloserAt returns the session in which a close record whose last position is p may be
// signed at unixMilli: the one in force there or, once that is over, the newest that
// covers this moment.
func (t *Trust) CloserAt(p event.Position, unixMilli int64) (Session, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	from := t.sessionAt(p)
	if from < 0 {
		return Session{}, false
	}
	if s := t.sessions[from]; s.Covers(unixMilli) {
		return s.Session, true
	}
	for _, s := range slices.Backward(t.sessions[from:]) {
		if s.Covers(unixMilli) {
			return s.Session, true
		}
	}
	return Session{}, false
}
