package keyring

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/internal/atomicfile"
	"github.com/shoalcast/shoal/manifest"
)

// SessionKeys holds the private halves of session keys, one file a key:
// <dir>/<stream id>/<key id>.key. The keyring writes them, the packager reads them. It
// is safe for concurrent use, and by several processes.
type SessionKeys struct {
	dir string

	mu     sync.Mutex
	loaded map[string]ed25519.PrivateKey
}

// maxLoaded bounds how many keys stay in memory.
const maxLoaded = 1024

// ErrNoKey means that a session's private key is not in the folder.
var ErrNoKey = errors.New("the session key is not here: keyring and packager need one folder for them (--sessions)")

var keyIDPattern = regexp.MustCompile(`^[0-9a-f]{16}$`)

// OpenSessions opens the folder of session keys, making it if need be.
func OpenSessions(dir string) (*SessionKeys, error) {
	if err := makeDir(dir); err != nil {
		return nil, fmt.Errorf("open session keys: %w", err)
	}
	return &SessionKeys{dir: dir, loaded: map[string]ed25519.PrivateKey{}}, nil
}

// Key returns the private key with the given id (manifest.KeyID) of a stream, or
// ErrNoKey.
func (s *SessionKeys) Key(stream event.StreamID, keyID string) (ed25519.PrivateKey, error) {
	path, err := s.path(stream, keyID)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if key, ok := s.loaded[path]; ok {
		return key, nil
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("session key %s of %s: %w", keyID, stream, ErrNoKey)
	}
	if err != nil {
		return nil, fmt.Errorf("read session key: %w", err)
	}
	seed, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("session key %s is damaged: the keyring will issue another", path)
	}
	key := ed25519.NewKeyFromSeed(seed)
	if manifest.KeyID(key.Public().(ed25519.PublicKey)) != keyID {
		return nil, fmt.Errorf("session key %s is damaged: the keyring will issue another", path)
	}
	if len(s.loaded) >= maxLoaded {
		clear(s.loaded)
	}
	s.loaded[path] = key
	return key, nil
}

// holds reports whether the private half of a session's key is here.
func (s *SessionKeys) holds(session manifest.Session) bool {
	_, err := s.Key(session.Stream, manifest.KeyID(session.Key))
	return err == nil
}

// create makes a session key and stores it before anyone can be told of it.
func (s *SessionKeys) create(stream event.StreamID) (ed25519.PublicKey, error) {
	pub, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, fmt.Errorf("make session key: %w", err)
	}
	path, err := s.path(stream, manifest.KeyID(pub))
	if err != nil {
		return nil, err
	}
	if err := makeDir(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("store session key: %w", err)
	}
	if err := atomicfile.Write(path, []byte(hex.EncodeToString(key.Seed())+"\n"), fileMode); err != nil {
		return nil, fmt.Errorf("store session key: %w", err)
	}
	return pub, nil
}

// retain deletes a stream's session keys but those named.
func (s *SessionKeys) retain(stream event.StreamID, keyIDs []string) error {
	if _, err := event.ParseStreamID(string(stream)); err != nil {
		return err
	}
	dir := filepath.Join(s.dir, string(stream))
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("tidy session keys: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range files {
		id, ok := strings.CutSuffix(f.Name(), ".key")
		if !ok || slices.Contains(keyIDs, id) {
			continue
		}
		path := filepath.Join(dir, f.Name())
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("tidy session keys: %w", err)
		}
		delete(s.loaded, path)
	}
	return nil
}

// removeAll deletes a stream's session keys and their folder.
func (s *SessionKeys) removeAll(stream event.StreamID) error {
	if err := s.retain(stream, nil); err != nil {
		return err
	}
	err := os.Remove(filepath.Join(s.dir, string(stream)))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("tidy session keys: %w", err)
	}
	return nil
}

func (s *SessionKeys) path(stream event.StreamID, keyID string) (string, error) {
	if _, err := event.ParseStreamID(string(stream)); err != nil {
		return "", err
	}
	if !keyIDPattern.MatchString(keyID) {
		return "", fmt.Errorf("%q is not a key id: 16 hexadecimal digits", keyID)
	}
	return filepath.Join(s.dir, string(stream), keyID+".key"), nil
}
