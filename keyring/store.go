package keyring

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/internal/atomicfile"
	"github.com/shoalcast/shoal/manifest"
)

// Store is the creator's keys on disk, one folder a stream, for its owner alone:
//
//	<dir>/<name>/stream.json   root key, publish key, genesis, rotations, options
//	<dir>/<name>/next-<i>.key  the root key after rotation i, to be kept elsewhere if wished
//	<dir>/<name>/serial        the last session serial that was signed
//	<dir>/.removed-<id>        a removal that the bus has not been told of yet
//	<dir>/.lock                held during a change
//
// Every change is one rename. It is safe for concurrent use, and by several processes.
// Reading makes nothing; the folder comes with the first stream.
type Store struct {
	dir        string
	workFactor int // of passphrases, log2; 0 for age's own
}

// Options of a stream that are no part of its identity.
type Options struct {
	Unlisted  bool // not shown on the front page; whoever has the link can watch
	Sensitive bool // without a swarm, so that viewers do not learn each other's addresses
}

// Stream is one stream whose keys are in the store.
type Stream struct {
	Name       event.StreamName
	ID         event.StreamID
	PublishKey string // what a publisher sends to prove that it may
	Options
	Genesis   manifest.Envelope
	Rotations []manifest.Envelope
	Root      manifest.PublicKey // the creator's key now

	root ed25519.PrivateKey
}

// PublishKeyDigest is what the bus knows of the publish key.
func (s Stream) PublishKeyDigest() event.Digest { return event.DigestOf([]byte(s.PublishKey)) }

// Fingerprint writes the creator's key for people to compare.
func (s Stream) Fingerprint() string { return manifest.Fingerprint(s.Root) }

var (
	// ErrExists means that there is a stream of that name already.
	ErrExists = errors.New("there is a stream of this name already")
	// ErrNotFound means that no stream of that name is in the store.
	ErrNotFound = errors.New("there is no stream of this name")
)

// record is stream.json.
type record struct {
	V          int                 `json:"v"`
	Name       event.StreamName    `json:"name"`
	Root       []byte              `json:"root"` // seed
	PublishKey string              `json:"publish_key"`
	Unlisted   bool                `json:"unlisted"`
	Sensitive  bool                `json:"sensitive,omitempty"`
	Genesis    manifest.Envelope   `json:"genesis"`
	Rotations  []manifest.Envelope `json:"rotations"`
}

const recordVersion = 1

// Open returns the store in dir, which need not exist yet.
func Open(dir string) *Store { return &Store{dir: dir} }

// Add makes the keys of a new stream.
func (s *Store) Add(name event.StreamName, o Options) (Stream, error) {
	if _, err := event.ParseStreamName(string(name)); err != nil {
		return Stream{}, err
	}
	_, root, err := ed25519.GenerateKey(nil)
	if err != nil {
		return Stream{}, fmt.Errorf("make root key: %w", err)
	}
	nextPub, next, err := ed25519.GenerateKey(nil)
	if err != nil {
		return Stream{}, fmt.Errorf("make next root key: %w", err)
	}
	genesis, err := manifest.SignGenesis(root, name, nextPub)
	if err != nil {
		return Stream{}, err
	}
	r := record{
		V: recordVersion, Name: name, Root: root.Seed(), PublishKey: newPublishKey(), Genesis: genesis,
		Unlisted: o.Unlisted, Sensitive: o.Sensitive,
	}
	unlock, err := s.lockForChange()
	if err != nil {
		return Stream{}, err
	}
	defer unlock()
	if err := s.create(r, next.Seed(), 0); err != nil {
		return Stream{}, fmt.Errorf("add stream %s: %w", name, err)
	}
	return r.open()
}

// create puts a whole stream in place with one rename.
func (s *Store) create(r record, next []byte, serial uint64) error {
	stream, err := r.open()
	if err != nil {
		return err
	}
	if _, err := os.Lstat(s.path(r.Name)); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			err = ErrExists
		}
		return err
	}
	tmp, err := os.MkdirTemp(s.dir, ".new-*") // 0700
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := atomicfile.Adopt(tmp); err != nil {
		return err
	}
	if err := writeRecord(tmp, r); err != nil {
		return err
	}
	if next != nil {
		if err := writeNext(tmp, len(r.Rotations)+1, next); err != nil {
			return err
		}
	}
	if err := writeSerial(tmp, serial); err != nil {
		return err
	}
	if err := os.Rename(tmp, s.path(r.Name)); err != nil {
		return err
	}
	return s.forgetRemoved(stream.ID) // it is back
}

// Get returns the stream of the given name, or ErrNotFound.
func (s *Store) Get(name event.StreamName) (Stream, error) {
	r, err := s.read(name)
	if err != nil {
		return Stream{}, err
	}
	return r.open()
}

// List returns all streams whose keys can be used, by name. What is wrong with the
// others is in damaged, an error for each: they keep no other stream from its work.
func (s *Store) List() (streams []Stream, damaged []error, err error) {
	names, err := s.names()
	if err != nil {
		return nil, nil, err
	}
	for _, name := range names {
		stream, err := s.whole(name)
		switch {
		case err == nil:
			streams = append(streams, stream)
		case !errors.Is(err, ErrNotFound): // which one is that was removed just now
			damaged = append(damaged, err)
		}
	}
	return streams, damaged, nil
}

// whole returns a stream that everything needed to sign for is there of.
func (s *Store) whole(name event.StreamName) (Stream, error) {
	stream, err := s.Get(name)
	if err != nil {
		return stream, err
	}
	if _, err := s.lastSerial(name); err != nil {
		return stream, fmt.Errorf("keys of stream %s: %w", name, err)
	}
	return stream, nil
}

func (s *Store) names() ([]event.StreamName, error) {
	files, err := os.ReadDir(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list streams: %w", err)
	}
	var names []event.StreamName
	for _, f := range files {
		if name, err := event.ParseStreamName(f.Name()); err == nil && f.IsDir() {
			names = append(names, name)
		}
	}
	return names, nil
}

// SetOptions changes a stream's options.
func (s *Store) SetOptions(name event.StreamName, o Options) error {
	return s.change(name, func(r *record) { r.Unlisted, r.Sensitive = o.Unlisted, o.Sensitive })
}

// RotatePublishKey replaces a stream's publish key and returns the new one. The ingest
// disconnects whoever publishes with the old one once it learns of it.
func (s *Store) RotatePublishKey(name event.StreamName) (string, error) {
	key := newPublishKey()
	return key, s.change(name, func(r *record) { r.PublishKey = key })
}

func (s *Store) change(name event.StreamName, change func(*record)) error {
	unlock, err := s.lockForChange()
	if err != nil {
		return err
	}
	defer unlock()
	r, err := s.read(name)
	if err != nil {
		return err
	}
	change(&r)
	return writeRecord(s.path(name), r)
}

// Remove deletes a stream's keys for good. What they signed stays valid; nothing more
// can ever be signed for its id.
func (s *Store) Remove(name event.StreamName) error {
	unlock, err := s.lockForChange()
	if err != nil {
		return err
	}
	defer unlock()
	r, err := s.read(name)
	if err != nil {
		return err
	}
	stream, err := r.open()
	if err != nil {
		return err
	}
	if err := atomicfile.Write(s.tombstone(stream.ID), nil, fileMode); err != nil {
		return fmt.Errorf("remove stream %s: %w", name, err)
	}
	gone := filepath.Join(s.dir, ".gone-"+string(name))
	if err := os.RemoveAll(gone); err != nil { // of an earlier removal that was cut short
		return fmt.Errorf("remove stream %s: %w", name, err)
	}
	if err := os.Rename(s.path(name), gone); err != nil {
		return fmt.Errorf("remove stream %s: %w", name, err)
	}
	if err := os.RemoveAll(gone); err != nil {
		return fmt.Errorf("remove stream %s: %w", name, err)
	}
	return atomicfile.SyncDir(s.dir)
}

const tombstonePrefix = ".removed-"

func (s *Store) tombstone(id event.StreamID) string {
	return filepath.Join(s.dir, tombstonePrefix+string(id))
}

// removed lists the streams whose removal has not been told to the bus.
func (s *Store) removed() ([]event.StreamID, error) {
	files, err := filepath.Glob(filepath.Join(s.dir, tombstonePrefix+"*"))
	if err != nil {
		return nil, fmt.Errorf("list removed streams: %w", err)
	}
	var ids []event.StreamID
	for _, f := range files {
		if id, err := event.ParseStreamID(strings.TrimPrefix(filepath.Base(f), tombstonePrefix)); err == nil {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func (s *Store) forgetRemoved(id event.StreamID) error {
	if err := os.Remove(s.tombstone(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget removed stream: %w", err)
	}
	return atomicfile.SyncDir(s.dir)
}

func (s *Store) path(name event.StreamName) string { return filepath.Join(s.dir, string(name)) }

func (s *Store) read(name event.StreamName) (record, error) {
	var r record
	if _, err := event.ParseStreamName(string(name)); err != nil {
		return r, err
	}
	path := filepath.Join(s.path(name), "stream.json")
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return r, fmt.Errorf("stream %s: %w", name, ErrNotFound)
	}
	if err != nil {
		return r, fmt.Errorf("read keys of stream %s: %w", name, err)
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return r, fmt.Errorf("%s is damaged, restore it from an export: %w", path, err)
	}
	if r.Name != name {
		return r, fmt.Errorf("%s holds the keys of %s: folders must not be renamed", path, r.Name)
	}
	return r, nil
}

// open checks that a record's keys belong together.
func (r record) open() (Stream, error) {
	fail := func(err error) (Stream, error) {
		return Stream{}, fmt.Errorf("keys of stream %s do not belong together, restore them from an export: %w", r.Name, err)
	}
	if r.V != recordVersion {
		return fail(fmt.Errorf("version %d of the file, this build reads %d", r.V, recordVersion))
	}
	if len(r.Root) != ed25519.SeedSize {
		return fail(errors.New("the root key is damaged"))
	}
	trust, err := manifest.NewTrust(r.Genesis)
	if err != nil {
		return fail(err)
	}
	for _, env := range r.Rotations {
		if err := trust.AddRotation(env); err != nil {
			return fail(err)
		}
	}
	root := ed25519.NewKeyFromSeed(r.Root)
	if !trust.RootKey().Equal(root.Public()) || trust.Name() != r.Name {
		return fail(errors.New("the root key is not the one that signed"))
	}
	return Stream{
		Name: r.Name, ID: trust.ID(), PublishKey: r.PublishKey, Genesis: r.Genesis,
		Options:   Options{Unlisted: r.Unlisted, Sensitive: r.Sensitive},
		Rotations: slices.Clone(r.Rotations), Root: trust.RootKey(), root: root,
	}, nil
}

func writeRecord(dir string, r record) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode keys of stream %s: %w", r.Name, err)
	}
	return atomicfile.Write(filepath.Join(dir, "stream.json"), append(b, '\n'), fileMode)
}

// newPublishKey returns 24 characters that nobody can guess: 120 bits.
func newPublishKey() string {
	b := make([]byte, 15)
	rand.Read(b) // never fails
	return strings.ToLower(base32.StdEncoding.EncodeToString(b))
}
