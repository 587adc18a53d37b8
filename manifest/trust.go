package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/shoalcast/shoal/event"
)

var (
	// ErrUnknownSession means that an entry was signed in a session whose record has
	// not been seen: fetch the records and try again.
	ErrUnknownSession = errors.New("the session record is not known yet")
	// ErrSuperseded means that an entry's session was not the one in force at its
	// position, or was issued outside of the session's times.
	ErrSuperseded = errors.New("signed in a session that was not in force")
	// ErrConflict means that the root key signed two documents for one place: it was
	// stolen or misused.
	ErrConflict = errors.New("the root key signed two different ones")
)

// Bounds of what a Trust remembers: the newest are kept.
const (
	maxTrustSessions  = 256
	maxTrustRotations = 64
)

// Trust is what a verifier knows of one stream: its genesis, the rotations of its root
// key, and its session records. It is safe for concurrent use.
type Trust struct {
	id      event.StreamID
	genesis Genesis

	mu        sync.RWMutex
	rotations []Rotation
	sessions  []trustedSession // by serial
}

type trustedSession struct {
	Session
	digest event.Digest
	keyID  string
	signer PublicKey // the root key that signed it
}

// NewTrust begins with a genesis. Whether it is the stream one wants is told by ID:
// compare it with the id in the link that was followed.
func NewTrust(genesis Envelope) (*Trust, error) {
	g, id, err := OpenGenesis(genesis)
	if err != nil {
		return nil, err
	}
	return &Trust{id: id, genesis: g}, nil
}

// ID returns the stream's id.
func (t *Trust) ID() event.StreamID { return t.id }

// Name returns the name that the creator gave the stream.
func (t *Trust) Name() event.StreamName { return t.genesis.Name }

// RootKey returns the creator's key as of the newest rotation known.
func (t *Trust) RootKey() PublicKey {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.rootKey()
}

func (t *Trust) rootKey() PublicKey {
	if len(t.rotations) == 0 {
		return t.genesis.Root
	}
	return t.rotations[len(t.rotations)-1].Root
}

// AddRotation takes in the next rotation of the root key. One that is known already
// changes nothing; one whose predecessor is missing is an error.
func (t *Trust) AddRotation(env Envelope) error {
	r, err := openRotation(env)
	if err != nil {
		return fmt.Errorf("add rotation: %w", err)
	}
	if r.Stream != t.id {
		return fmt.Errorf("add rotation: %w", ErrWrongStream)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	known := uint64(len(t.rotations))
	next, floor := t.genesis.Next, uint64(0)
	switch {
	case r.Serial <= known:
		if !bytes.Equal(t.rotations[r.Serial-1].Root, r.Root) || t.rotations[r.Serial-1].Next != r.Next ||
			t.rotations[r.Serial-1].Sessions != r.Sessions {
			return fmt.Errorf("add rotation %d: %w", r.Serial, ErrConflict)
		}
		return nil
	case r.Serial > known+1:
		return fmt.Errorf("add rotation %d: only %d known before it", r.Serial, known)
	case known == maxTrustRotations:
		return fmt.Errorf("add rotation %d: at most %d are kept", r.Serial, maxTrustRotations)
	case known > 0:
		next, floor = t.rotations[known-1].Next, t.rotations[known-1].Sessions
	}
	if event.DigestOf(r.Root) != next || r.Sessions < floor {
		return fmt.Errorf("add rotation %d: not the successor that was committed to: %w", r.Serial, ErrSignature)
	}
	t.rotations = append(t.rotations, r)
	// Whatever the replaced key signed beyond its bound was never the creator's.
	t.sessions = slices.DeleteFunc(t.sessions, func(s trustedSession) bool {
		return !bytes.Equal(s.signer, t.rootFor(s.Serial))
	})
	return nil
}

// rootFor returns the root key that signs the session record with the given serial.
func (t *Trust) rootFor(serial uint64) PublicKey {
	root := PublicKey(t.genesis.Root)
	for _, r := range t.rotations {
		if serial > r.Sessions {
			root = r.Root
		}
	}
	return root
}

// AddSession takes in a session record. One that is known already changes nothing.
func (t *Trust) AddSession(env Envelope) error {
	s, err := decodeSession(env)
	if err != nil {
		return fmt.Errorf("add session record: %w", err)
	}
	if s.Stream != t.id {
		return fmt.Errorf("add session record %d: %w", s.Serial, ErrWrongStream)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	signer := t.rootFor(s.Serial)
	if err := env.Verify(signer, TypeSession); err != nil {
		return fmt.Errorf("add session record %d: %w", s.Serial, err)
	}
	digest := event.DigestOf(env.Payload)
	i, found := slices.BinarySearchFunc(t.sessions, s.Serial, func(t trustedSession, serial uint64) int {
		return int(int64(t.Serial) - int64(serial)) // both at most 2^53
	})
	if found {
		if t.sessions[i].digest != digest {
			return fmt.Errorf("add session record %d: %w", s.Serial, ErrConflict)
		}
		return nil
	}
	t.sessions = slices.Insert(t.sessions, i, trustedSession{Session: s, digest: digest, keyID: KeyID(s.Key), signer: signer})
	if len(t.sessions) > maxTrustSessions {
		t.sessions = slices.Delete(t.sessions, 0, 1)
	}
	return nil
}

// Sessions returns the known session records by serial.
func (t *Trust) Sessions() []Session {
	t.mu.RLock()
	defer t.mu.RUnlock()
	out := make([]Session, len(t.sessions))
	for i, s := range t.sessions {
		out[i] = s.Session
	}
	return out
}

// SessionAt returns the session in force at p, by what is known so far, and the digest
// of its record: of those whose From is not after p, the one with the highest serial.
func (t *Trust) SessionAt(p event.Position) (Session, event.Digest, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if i := t.sessionAt(p); i >= 0 {
		return t.sessions[i].Session, t.sessions[i].digest, true
	}
	return Session{}, event.Digest{}, false
}

func (t *Trust) sessionAt(p event.Position) int {
	for i := len(t.sessions) - 1; i >= 0; i-- {
		if !p.Before(t.sessions[i].From) {
			return i
		}
	}
	return -1
}

// Open verifies one entry by itself: its form, its stream, that the session in force
// at its position signed it, and that it was issued within that session's times. What
// ties entries to each other is checked by Chain.
func (t *Trust) Open(env Envelope) (Entry, error) {
	e, err := DecodeEntry(env)
	if err != nil {
		return Entry{}, fmt.Errorf("open entry: %w", err)
	}
	if e.Stream != t.id {
		return Entry{}, fmt.Errorf("open entry %s: %w", e.Position(), ErrWrongStream)
	}
	t.mu.RLock()
	i := t.sessionAt(e.Position())
	var s trustedSession
	if i >= 0 {
		s = t.sessions[i]
	}
	known := slices.ContainsFunc(t.sessions, func(s trustedSession) bool { return s.keyID == env.KeyID })
	t.mu.RUnlock()
	if err := s.opens(e, env, known); err != nil {
		return Entry{}, fmt.Errorf("open entry %s: %w", e.Position(), err)
	}
	return e, nil
}

// OpenJSON is ParseEnvelope and Open.
func (t *Trust) OpenJSON(b []byte) (Signed, error) {
	env, err := ParseEnvelope(b)
	if err != nil {
		return Signed{}, err
	}
	e, err := t.Open(env)
	if err != nil {
		return Signed{}, err
	}
	return Signed{Entry: e, Envelope: env}, nil
}

func (s trustedSession) opens(e Entry, env Envelope, known bool) error {
	if !known {
		return ErrUnknownSession
	}
	if s.keyID != env.KeyID {
		return ErrSuperseded
	}
	if err := env.Verify(s.Key, TypeEntry); err != nil {
		return err
	}
	skew := Skew.Milliseconds()
	if e.Issued < s.NotBefore-skew || e.Issued > s.NotAfter+skew {
		return fmt.Errorf("%w: issued outside of its times", ErrSuperseded)
	}
	if e.StartsSegment() && e.Session != s.digest {
		return fmt.Errorf("%w: it names another record", ErrSuperseded)
	}
	return nil
}
