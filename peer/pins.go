package peer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/shoalcast/shoal/event"
)

// pin is whose stream was seen first under an address.
type pin struct {
	Stream event.StreamID `json:"stream_id"`
	Key    string         `json:"key"` // manifest.KeyID of the root key when it was pinned
}

// pins is the file that remembers them, {"v":1,"pins":{"<page address>":{…}}}. With an
// empty path nothing is remembered.
type pins struct{ path string }

type pinFile struct {
	V    int            `json:"v"`
	Pins map[string]pin `json:"pins"`
}

const (
	maxPinFile = 4 << 20 // bytes
	maxPins    = 10_000
)

func (p *pins) where() string {
	if p.path == "" {
		return "the pin file"
	}
	return p.path
}

// check returns the pin of an address; when there is none, it is now seen.
func (p *pins) check(address string, seen pin) (pin, error) {
	if p.path == "" {
		return seen, nil
	}
	f, err := p.read()
	if err != nil {
		return pin{}, err
	}
	if first, ok := f.Pins[address]; ok {
		return first, nil
	}
	if len(f.Pins) >= maxPins {
		return pin{}, fmt.Errorf("%s holds %d keys already: remove those you do not need, or use links that end in #stream_id", p.path, len(f.Pins))
	}
	f.Pins[address] = seen
	return seen, p.write(f)
}

func (p *pins) read() (pinFile, error) {
	f := pinFile{V: 1, Pins: map[string]pin{}}
	info, err := os.Stat(p.path)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return f, fmt.Errorf("read pinned keys: %w", err)
	}
	if info.Size() > maxPinFile {
		return f, fmt.Errorf("read pinned keys: %s is no pin file: it has %d bytes", p.path, info.Size())
	}
	b, err := os.ReadFile(p.path)
	if err != nil {
		return f, fmt.Errorf("read pinned keys: %w", err)
	}
	if err := json.Unmarshal(b, &f); err != nil {
		return f, fmt.Errorf("read pinned keys: %s is damaged: %w", p.path, err)
	}
	if f.V != 1 {
		return f, fmt.Errorf("read pinned keys: %s has version %d, this shoal knows version 1", p.path, f.V)
	}
	if f.Pins == nil {
		f.Pins = map[string]pin{}
	}
	return f, nil
}

// write replaces the file as a whole, so that a crash leaves the old or the new one.
func (p *pins) write(f pinFile) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("remember the stream's key: %w", err)
		}
	}()
	b, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(p.path), 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(p.path), ".pins-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(tmp.Name()))
		}
	}()
	_, err = tmp.Write(append(b, '\n'))
	if err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), p.path)
}
