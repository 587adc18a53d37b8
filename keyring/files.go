package keyring

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/shoalcast/shoal/internal/atomicfile"
	"github.com/shoalcast/shoal/internal/filelock"
)

const (
	dirMode  = 0o700
	fileMode = 0o600
)

// makeDir makes dir for its owner alone, and narrows it if it was there and wider.
func makeDir(dir string) error {
	_, err := os.Lstat(dir)
	made := errors.Is(err, fs.ErrNotExist)
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return fmt.Errorf("make %s: %w", dir, err)
	}
	if err := os.Chmod(dir, dirMode); err != nil {
		return fmt.Errorf("keep %s to its owner: %w", dir, err)
	}
	if made {
		return atomicfile.Adopt(dir)
	}
	return nil
}

// lockFile in a store is held by whoever changes it: the service and commands are
// processes of their own.
const lockFile = ".lock"

// lockWait is how long a change waits for others, each of which takes milliseconds, or
// seconds where the disk is busy.
const lockWait = 20 * time.Second

// lockForChange takes the store for a change, making it if need be, until unlock is
// called.
func (s *Store) lockForChange() (unlock func(), err error) {
	if err := makeDir(s.dir); err != nil {
		return nil, fmt.Errorf("change keyring: %w", err)
	}
	path := filepath.Join(s.dir, lockFile)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, fileMode)
	if err == nil {
		if err := atomicfile.Adopt(path); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	} else if f, err = os.OpenFile(path, os.O_RDWR, 0); err != nil {
		return nil, fmt.Errorf("change keyring: %w", err)
	}
	return s.hold(f)
}

// lockForReading keeps changes away while several files are read, without making
// anything: where there is no lock file, nobody has made a stream.
func (s *Store) lockForReading() (unlock func(), err error) {
	f, err := os.Open(filepath.Join(s.dir, lockFile))
	if errors.Is(err, fs.ErrNotExist) {
		return func() {}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read keyring: %w", err)
	}
	return s.hold(f)
}

func (s *Store) hold(f *os.File) (unlock func(), err error) {
	if err := filelock.Exclusive(f, lockWait); err != nil {
		return nil, errors.Join(fmt.Errorf("another command holds the keys in %s: try again: %w", s.dir, err), f.Close())
	}
	return func() { _ = f.Close() }, nil // nothing was written to it
}
