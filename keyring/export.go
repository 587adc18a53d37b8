package keyring

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"

	"github.com/shoalcast/shoal/event"
)

// maxExport bounds what Import reads.
const maxExport = 16 << 20

var (
	// ErrPassphrase means that an export was made with another passphrase.
	ErrPassphrase = errors.New("this passphrase does not open this file")
	// ErrNotAnExport means that a file is no export of keys, or a damaged one.
	ErrNotAnExport = errors.New("this is not an export of keys, or it is damaged")
)

type exported struct {
	V       int              `json:"v"`
	Streams []exportedStream `json:"streams"`
}

type exportedStream struct {
	Record record `json:"record"`
	Next   []byte `json:"next,omitempty"` // absent when it is kept elsewhere
	Serial uint64 `json:"serial"`
}

// Export writes the keys of all streams, encrypted with the passphrase (age, scrypt):
// `age -d` opens it, too.
func (s *Store) Export(w io.Writer, passphrase string) error {
	if passphrase == "" {
		return errors.New("export keys: a passphrase is needed")
	}
	doc, err := s.export()
	if err != nil {
		return fmt.Errorf("export keys: %w", err)
	}
	recipient, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return fmt.Errorf("export keys: %w", err)
	}
	if s.workFactor > 0 {
		recipient.SetWorkFactor(s.workFactor)
	}
	sealed, err := age.Encrypt(w, recipient)
	if err != nil {
		return fmt.Errorf("export keys: %w", err)
	}
	if err := json.NewEncoder(sealed).Encode(doc); err != nil {
		return fmt.Errorf("export keys: %w", err)
	}
	if err := sealed.Close(); err != nil {
		return fmt.Errorf("export keys: %w", err)
	}
	return nil
}

func (s *Store) export() (exported, error) {
	doc := exported{V: recordVersion}
	unlock, err := s.lockForReading()
	if err != nil {
		return doc, err
	}
	defer unlock()
	names, err := s.names()
	if err != nil {
		return doc, err
	}
	for _, name := range names {
		var e exportedStream
		if e.Record, err = s.read(name); err != nil {
			return doc, err
		}
		if e.Next, err = readNext(s.path(name), len(e.Record.Rotations)+1); err != nil {
			return doc, err
		}
		if e.Serial, err = readSerial(s.path(name)); err != nil {
			return doc, err
		}
		doc.Streams = append(doc.Streams, e)
	}
	return doc, nil
}

// Import adds the streams of an export that are not in the store, and returns their
// names. One that is there under the same name with other keys is an error, and
// nothing is added.
func (s *Store) Import(r io.Reader, passphrase string) ([]event.StreamName, error) {
	doc, err := decrypt(r, passphrase)
	if err != nil {
		return nil, fmt.Errorf("import keys: %w", err)
	}
	unlock, err := s.lockForChange()
	if err != nil {
		return nil, fmt.Errorf("import keys: %w", err)
	}
	defer unlock()
	var add []exportedStream
	for _, e := range doc.Streams {
		theirs, err := e.Record.open()
		if err == nil && e.Next != nil && len(e.Next) != ed25519.SeedSize {
			err = ErrNotAnExport
		}
		if err != nil {
			return nil, fmt.Errorf("import keys: %w", err)
		}
		r, err := s.read(theirs.Name)
		if errors.Is(err, ErrNotFound) {
			add = append(add, e)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("import keys: %w", err)
		}
		ours, err := r.open()
		if err != nil {
			return nil, fmt.Errorf("import keys: %w", err)
		}
		if ours.ID != theirs.ID {
			return nil, fmt.Errorf("import keys: stream %s is here with other keys (%s, not %s): %w",
				theirs.Name, ours.ID, theirs.ID, ErrExists)
		}
	}
	var names []event.StreamName
	for _, e := range add {
		if err := s.create(e.Record, e.Next, e.Serial); err != nil {
			return names, fmt.Errorf("import stream %s: %w", e.Record.Name, err)
		}
		names = append(names, e.Record.Name)
	}
	return names, nil
}

func decrypt(r io.Reader, passphrase string) (exported, error) {
	var doc exported
	if passphrase == "" {
		return doc, errors.New("a passphrase is needed")
	}
	identity, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return doc, err
	}
	opened, err := age.Decrypt(io.LimitReader(r, maxExport), identity)
	var wrong *age.NoIdentityMatchError
	switch {
	case errors.As(err, &wrong):
		return doc, ErrPassphrase
	case err != nil:
		return doc, fmt.Errorf("%w: %w", ErrNotAnExport, err)
	}
	b, err := io.ReadAll(io.LimitReader(opened, maxExport))
	if err != nil {
		return doc, fmt.Errorf("%w: %w", ErrNotAnExport, err)
	}
	if err := json.Unmarshal(b, &doc); err != nil || doc.V != recordVersion {
		return doc, ErrNotAnExport
	}
	return doc, nil
}
