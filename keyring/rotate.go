package keyring

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/internal/atomicfile"
	"github.com/shoalcast/shoal/manifest"
)

// RotateRoot replaces a stream's root key by the successor it committed to, and
// commits to another. Session records that were signed stay valid; the replaced key can
// sign no further ones. The successor is read from the stream's folder: whoever keeps
// it elsewhere puts it back for this.
func (s *Store) RotateRoot(name event.StreamName) (manifest.Envelope, error) {
	unlock, err := s.lockForChange()
	if err != nil {
		return manifest.Envelope{}, err
	}
	defer unlock()
	env, err := s.rotateRoot(name)
	if err != nil {
		return manifest.Envelope{}, fmt.Errorf("rotate root key of %s: %w", name, err)
	}
	return env, nil
}

func (s *Store) rotateRoot(name event.StreamName) (manifest.Envelope, error) {
	var none manifest.Envelope
	r, err := s.read(name)
	if err != nil {
		return none, err
	}
	stream, err := r.open()
	if err != nil {
		return none, err
	}
	dir, i := s.path(name), len(r.Rotations)+1
	seed, err := readNext(dir, i)
	if err != nil {
		return none, err
	}
	if seed == nil {
		return none, fmt.Errorf("the next root key is missing: put %s back where it was", filepath.Join(dir, nextName(i)))
	}
	serial, err := readSerial(dir)
	if err != nil {
		return none, err
	}
	afterPub, after, err := ed25519.GenerateKey(nil)
	if err != nil {
		return none, fmt.Errorf("make next root key: %w", err)
	}
	successor := ed25519.NewKeyFromSeed(seed)
	env, err := manifest.SignRotation(successor, manifest.Rotation{
		Stream: stream.ID, Serial: uint64(i), Next: event.DigestOf(afterPub), Sessions: serial,
	})
	if err != nil {
		return none, err
	}
	// The key after it is on disk before anything commits to it; the old root goes
	// with the rename of stream.json.
	if err := writeNext(dir, i+1, after.Seed()); err != nil {
		return none, err
	}
	r.Root = seed
	r.Rotations = append(r.Rotations, env)
	if _, err := r.open(); err != nil {
		return none, err
	}
	if err := writeRecord(dir, r); err != nil {
		return none, err
	}
	if err := os.Remove(filepath.Join(dir, nextName(i))); err != nil {
		return none, fmt.Errorf("tidy up: %w", err)
	}
	return env, nil
}

func nextName(i int) string { return fmt.Sprintf("next-%d.key", i) }

func writeNext(dir string, i int, seed []byte) error {
	return atomicfile.Write(filepath.Join(dir, nextName(i)), []byte(hex.EncodeToString(seed)+"\n"), fileMode)
}

// readNext returns nil when the key is kept elsewhere.
func readNext(dir string, i int) ([]byte, error) {
	path := filepath.Join(dir, nextName(i))
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read next root key: %w", err)
	}
	seed, err := hex.DecodeString(strings.TrimSpace(string(b)))
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("%s is damaged, restore it from an export", path)
	}
	return seed, nil
}

func writeSerial(dir string, serial uint64) error {
	return atomicfile.Write(filepath.Join(dir, "serial"), []byte(strconv.FormatUint(serial, 10)+"\n"), fileMode)
}

func readSerial(dir string) (uint64, error) {
	b, err := os.ReadFile(filepath.Join(dir, "serial"))
	if err != nil {
		return 0, fmt.Errorf("read last session serial: %w", err)
	}
	serial, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read last session serial: %w", err)
	}
	return serial, nil
}

// lastSerial returns the last session serial that was signed for a stream here.
func (s *Store) lastSerial(name event.StreamName) (uint64, error) {
	return readSerial(s.path(name))
}

// signSession signs a session record with the stream's root key as it is now, and
// remembers the serial before anyone can see the record: no serial is signed twice.
func (s *Store) signSession(name event.StreamName, session manifest.Session) (manifest.Envelope, error) {
	unlock, err := s.lockForChange()
	if err != nil {
		return manifest.Envelope{}, err
	}
	defer unlock()
	r, err := s.read(name)
	if err != nil {
		return manifest.Envelope{}, err
	}
	stream, err := r.open()
	if err != nil {
		return manifest.Envelope{}, err
	}
	last, err := readSerial(s.path(name))
	if err != nil {
		return manifest.Envelope{}, err
	}
	if session.Serial <= last {
		return manifest.Envelope{}, fmt.Errorf("session serial %d of %s was signed before", session.Serial, name)
	}
	if err := writeSerial(s.path(name), session.Serial); err != nil {
		return manifest.Envelope{}, err
	}
	session.Stream = stream.ID
	return manifest.SignSession(stream.root, session)
}
