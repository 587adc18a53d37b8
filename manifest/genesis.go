package manifest

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"

	"github.com/shoalcast/shoal/event"
)

const documentVersion = 1

// Genesis begins a stream. Its digest is the stream's id, so nothing in it can ever
// change; it is signed by the root key it names.
type Genesis struct {
	V    int              `json:"v"`
	Name event.StreamName `json:"name"`
	Root []byte           `json:"root"` // the creator's Ed25519 public key
	Next event.Digest     `json:"next"` // SHA-256 of the public key that may succeed it
}

// SignGenesis makes the genesis of a stream whose root key is root and whose next root
// key, should this one ever have to be replaced, is next.
func SignGenesis(root ed25519.PrivateKey, name event.StreamName, next ed25519.PublicKey) (Envelope, error) {
	g := Genesis{V: documentVersion, Name: name, Root: root.Public().(ed25519.PublicKey), Next: event.DigestOf(next)}
	if err := g.check(); err != nil {
		return Envelope{}, fmt.Errorf("sign genesis: %w", err)
	}
	return sign(root, TypeGenesis, g)
}

// OpenGenesis checks that an envelope holds a genesis signed by the key it names, and
// returns it with the id it gives to its stream.
func OpenGenesis(env Envelope) (Genesis, event.StreamID, error) {
	var g Genesis
	var crit []string
	err := decodeSigned(env.Payload, []field{
		{"v", &g.V, true}, {"name", &g.Name, true}, {"root", &base64Into{&g.Root}, true}, {"next", &g.Next, true},
	}, &crit)
	if err == nil {
		err = g.check()
	}
	if err == nil {
		err = env.Verify(g.Root, TypeGenesis)
	}
	if err != nil {
		return Genesis{}, "", fmt.Errorf("open genesis: %w", err)
	}
	return g, streamID(env.Payload), nil
}

func (g Genesis) check() error {
	if g.V != documentVersion {
		return fmt.Errorf("%w: version %d", ErrMalformed, g.V)
	}
	if !sound(g.Root) {
		return fmt.Errorf("%w: root is no Ed25519 key that may be used", ErrMalformed)
	}
	if _, err := event.ParseStreamName(string(g.Name)); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return nil
}

// streamID derives a stream's id: lower-case base32 of the first 20 bytes of
// SHA-256("shoal-stream-v1" ‖ genesis payload).
func streamID(genesis []byte) event.StreamID {
	h := sha256.New()
	h.Write([]byte("shoal-stream-v1"))
	h.Write(genesis)
	return event.StreamID(strings.ToLower(base32.StdEncoding.EncodeToString(h.Sum(nil)[:20])))
}

// Rotation replaces a stream's root key by the successor that the genesis, or the
// rotation before it, committed to. It is signed by that successor.
type Rotation struct {
	V      int            `json:"v"`
	Stream event.StreamID `json:"stream"`
	Serial uint64         `json:"serial"` // 1, 2, 3, …
	Root   []byte         `json:"root"`   // the successor's public key, now revealed
	Next   event.Digest   `json:"next"`   // SHA-256 of the key that may succeed it in turn
	// Sessions is the last session serial that an earlier root key may have signed:
	// whoever stole that key cannot extend it.
	Sessions uint64 `json:"sessions"`
}

// SignRotation signs r with the successor's private key, filling in V and Root.
func SignRotation(successor ed25519.PrivateKey, r Rotation) (Envelope, error) {
	r.V, r.Root = documentVersion, successor.Public().(ed25519.PublicKey)
	if err := r.check(); err != nil {
		return Envelope{}, fmt.Errorf("sign rotation: %w", err)
	}
	return sign(successor, TypeRotation, r)
}

func openRotation(env Envelope) (Rotation, error) {
	var r Rotation
	var crit []string
	err := decodeSigned(env.Payload, []field{
		{"v", &r.V, true},
		{"stream", &r.Stream, true},
		{"serial", &r.Serial, true},
		{"root", &base64Into{&r.Root}, true},
		{"next", &r.Next, true},
		{"sessions", &r.Sessions, true},
	}, &crit)
	if err == nil {
		err = r.check()
	}
	if err == nil {
		err = env.Verify(r.Root, TypeRotation)
	}
	return r, err
}

func (r Rotation) check() error {
	_, err := event.ParseStreamID(string(r.Stream))
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	case r.V != documentVersion:
		return fmt.Errorf("%w: version %d", ErrMalformed, r.V)
	case r.Serial == 0 || r.Serial > maxInteger || r.Sessions > maxInteger:
		return fmt.Errorf("%w: serial out of bounds", ErrMalformed)
	case !sound(r.Root):
		return fmt.Errorf("%w: root is no Ed25519 key that may be used", ErrMalformed)
	}
	return nil
}

// ErrWrongStream means that a document belongs to another stream.
var ErrWrongStream = errors.New("signed for another stream")
