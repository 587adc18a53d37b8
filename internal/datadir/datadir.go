package datadir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/shoalcast/shoal/internal/atomicfile"
	"github.com/shoalcast/shoal/internal/filelock"
)

// Format is the layout that this version writes.
const Format = 1

const (
	formatFile = "FORMAT"
	lockFile   = "LOCK"
	runDir     = "run"
)

// findWait is how long Open waits out a Find, which holds the lock for microseconds.
const findWait = 100 * time.Millisecond

// ErrInUse means that another process has the directory open.
var ErrInUse = errors.New("data directory is in use")

// upgrades[n] turns layout n into n+1. It must be repeatable: a crash in its midst is
// followed by another run of it.
type upgrades map[int]func(dir string) error

// Dir is an open data directory, locked against other instances until Close.
type Dir struct {
	path      string
	lock      *os.File
	announced *os.File // nil before Announce
}

// Open creates the directory if need be, locks it and brings it to Format. Errors are
// sentences for the person who started the program; ErrInUse is among them.
func Open(path string) (*Dir, error) { return open(path, Format, upgrades{}) }

func open(path string, format int, ups upgrades) (_ *Dir, err error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("find data directory %s: %w", path, err)
	}
	if err := os.MkdirAll(abs, 0o700); err != nil {
		return nil, unwritable(abs, err)
	}
	if err := checkForeign(abs); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(abs, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, unwritable(abs, err)
	}
	d := &Dir{path: abs, lock: lock}
	defer func() {
		if err != nil {
			err = errors.Join(err, lock.Close())
		}
	}()
	if err := filelock.Exclusive(lock, findWait); err != nil {
		return nil, fmt.Errorf("%w: another shoal runs on %s: stop it, or choose another directory with --data", ErrInUse, abs)
	}
	if err := d.bringTo(format, ups); err != nil {
		return nil, err
	}
	if err := d.clearRun(); err != nil {
		return nil, err
	}
	return d, nil
}

func unwritable(path string, err error) error {
	return fmt.Errorf("data directory %s cannot be written: give this user the right to, or choose another with --data: %w", path, err)
}

// Check refuses, without changing anything, a directory that Open would refuse for what
// it holds. One that does not exist is fine.
func Check(path string) error {
	abs, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("find data directory %s: %w", path, err)
	}
	if _, err := os.Stat(abs); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := checkForeign(abs); err != nil {
		return err
	}
	_, err = readFormat(abs, Format)
	return err
}

// checkForeign refuses a directory that holds things but was never ours, so that a
// slip in --data does not strew state over somebody's files.
func checkForeign(path string) error {
	if _, err := os.Stat(filepath.Join(path, formatFile)); err == nil {
		return nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return unwritable(path, err)
	}
	for _, e := range entries {
		if !harmless(e.Name()) {
			return fmt.Errorf("data directory %s holds other things (%s) and no %s file: choose an empty or a new directory with --data", path, e.Name(), formatFile)
		}
	}
	return nil
}

// harmless reports whether a name may stand in a directory before its first start.
func harmless(name string) bool {
	switch name {
	case lockFile, runDir, // from a start that was cut short
		"keys",       // made by stream add before any start
		"lost+found": // of a disk of its own
		return true
	}
	return strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".log")
}

// readFormat returns what FORMAT says: at most format, and 0 when it is missing.
func readFormat(path string, format int) (int, error) {
	file := filepath.Join(path, formatFile)
	raw, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, unwritable(path, err)
	}
	have, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil || have < 1 {
		return 0, fmt.Errorf("file %s says %q, not a format number: restore it, or choose another directory with --data", file, shorten(string(raw)))
	}
	if have > format {
		return 0, fmt.Errorf("data directory %s has format %d, written by a newer shoal than this one, which knows %d: run the newer version, or choose another directory with --data", path, have, format)
	}
	return have, nil
}

// bringTo runs the upgrades up to format, writing FORMAT after each.
func (d *Dir) bringTo(format int, ups upgrades) error {
	have, err := readFormat(d.path, format)
	if err != nil {
		return err
	}
	if have == 0 {
		return d.writeFormat(format)
	}
	for ; have < format; have++ {
		up := ups[have]
		if up == nil {
			return fmt.Errorf("data directory %s has format %d, which this version cannot upgrade: run an older version first", d.path, have)
		}
		if err := up(d.path); err != nil {
			return fmt.Errorf("upgrade data directory %s from format %d: %w", d.path, have, err)
		}
		if err := d.writeFormat(have + 1); err != nil {
			return err
		}
	}
	return nil
}

func shorten(s string) string {
	if len(s) > 20 {
		return s[:20] + "…"
	}
	return s
}

func (d *Dir) writeFormat(format int) error {
	if err := atomicfile.Write(d.Path(formatFile), []byte(strconv.Itoa(format)+"\n"), 0o600); err != nil {
		return unwritable(d.path, err)
	}
	return nil
}

// Path returns the absolute path of something in the directory.
func (d *Dir) Path(elem ...string) string {
	return filepath.Join(append([]string{d.path}, elem...)...)
}

// Close withdraws run/ and lets another instance in.
func (d *Dir) Close() error {
	var err error
	if d.announced != nil {
		err = d.announced.Close()
	}
	return errors.Join(err, d.removeRun(), d.lock.Close())
}
