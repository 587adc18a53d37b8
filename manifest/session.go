package manifest

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"time"

	"github.com/shoalcast/shoal/event"
)

// Session lends a stream's name to a short-lived key. It is signed by the root key and
// knows nothing of media. The record with the highest serial whose From is not after
// a position is the one in force there: a higher serial supersedes from its From on.
type Session struct {
	V         int            `json:"v"`
	Stream    event.StreamID `json:"stream"`
	Serial    uint64         `json:"serial"` // from 1, greater for every record
	Key       []byte         `json:"key"`    // Ed25519 public key that signs entries
	From      event.Position `json:"from"`
	NotBefore int64          `json:"not_before"` // Unix ms
	NotAfter  int64          `json:"not_after"`  // Unix ms, at most MaxSession later
	FreshMS   int64          `json:"fresh_ms"`   // a newest entry older than this is stale
	Crit      []string       `json:"crit,omitzero"`
}

// Bounds of a session record.
const (
	MaxSession = 24 * time.Hour
	MaxFresh   = time.Minute
)

// Skew is how far an entry's time of issue may lie outside of its session's times:
// the signers' clocks are the servers', not the viewers'.
const Skew = 5 * time.Second

// SignSession signs s with the stream's root key, filling in V.
func SignSession(root ed25519.PrivateKey, s Session) (Envelope, error) {
	s.V = documentVersion
	if err := s.check(); err != nil {
		return Envelope{}, fmt.Errorf("sign session record: %w", err)
	}
	return sign(root, TypeSession, s)
}

// decodeSession reads a session record without checking its signature.
func decodeSession(env Envelope) (Session, error) {
	var s Session
	var from json.RawMessage
	err := decodeSigned(env.Payload, []field{
		{"v", &s.V, true},
		{"stream", &s.Stream, true},
		{"serial", &s.Serial, true},
		{"key", &base64Into{&s.Key}, true},
		{"from", &from, true},
		{"not_before", &s.NotBefore, true},
		{"not_after", &s.NotAfter, true},
		{"fresh_ms", &s.FreshMS, true},
	}, &s.Crit)
	if err == nil {
		err = decodeObject(from, []field{{"epoch", &s.From.Epoch, true}, {"n", &s.From.N, true}})
	}
	if err == nil {
		err = s.check()
	}
	return s, err
}

func (s Session) check() error {
	_, err := event.ParseStreamID(string(s.Stream))
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	case s.V != documentVersion:
		return fmt.Errorf("%w: version %d", ErrMalformed, s.V)
	case s.Serial == 0 || s.Serial > maxInteger:
		return fmt.Errorf("%w: serial %d", ErrMalformed, s.Serial)
	case !sound(s.Key):
		return fmt.Errorf("%w: key is no Ed25519 key that may be used", ErrMalformed)
	case s.From.Epoch < 0 || s.From.Epoch > maxInteger || s.From.N > maxInteger:
		return fmt.Errorf("%w: from %s is out of bounds", ErrMalformed, s.From)
	case s.NotBefore < 0 || s.NotAfter > maxInteger || s.NotAfter <= s.NotBefore:
		return fmt.Errorf("%w: not after %d must come after not before %d", ErrMalformed, s.NotAfter, s.NotBefore)
	case s.NotAfter-s.NotBefore > MaxSession.Milliseconds():
		return fmt.Errorf("%w: a session of more than 24 hours", ErrMalformed)
	case s.FreshMS <= 0 || s.FreshMS > MaxFresh.Milliseconds():
		return fmt.Errorf("%w: fresh_ms must be 1 to %d", ErrMalformed, MaxFresh.Milliseconds())
	}
	return nil
}

// Covers reports whether an entry issued at unixMilli may be signed in this session:
// what a signer obeys. A verifier allows Skew beyond.
func (s Session) Covers(unixMilli int64) bool {
	return unixMilli >= s.NotBefore && unixMilli <= s.NotAfter
}
