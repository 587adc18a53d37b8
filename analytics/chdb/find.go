package chdb

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// fileName is what the library is called, wherever it lies.
const fileName = "libchdb.so"

//go:embed library.sum
var librarySum string

// pin is what library.sum says of the library, as far as the program needs it.
type pin struct {
	version string
	size    int64
}

func readPin(text string) pin {
	var p pin
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch key {
		case "version":
			p.version = value
		case "size":
			p.size, _ = strconv.ParseInt(value, 10, 64)
		}
	}
	return p
}

// ErrNotFound is wrapped by what Find returns when the library is not there.
var ErrNotFound = errors.New("ClickHouse's library is missing")

// Find returns the path of the library: named, if that is not empty (the value of
// SHOAL_CHDB), else where `make setup` puts it. Errors are sentences for a person.
func Find(named string) (string, error) {
	if !supported {
		return "", fmt.Errorf("%w: it is not available on this system, only for Linux on x86-64: use a ClickHouse server instead", ErrNotFound)
	}
	cache, err := os.UserCacheDir()
	if err != nil && named == "" {
		return "", fmt.Errorf("%w: this user has no cache directory to look in (%w): set SHOAL_CHDB to the path of %s", ErrNotFound, err, fileName)
	}
	return locate(named, cache, readPin(librarySum), size)
}

// size returns how many bytes the regular file at path has.
func size(path string) (int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() {
		return 0, errors.New("it is no file")
	}
	return info.Size(), nil
}

// locate decides where the library is. What a person names is taken as it is; what
// set-up fetched must be whole.
func locate(named, cache string, want pin, size func(string) (int64, error)) (string, error) {
	if named != "" {
		if _, err := size(named); err != nil {
			return "", fmt.Errorf("%w: SHOAL_CHDB names %s, which cannot be used (%w): set it to the path of %s, or unset it and run `make setup`", ErrNotFound, named, err, fileName)
		}
		return named, nil
	}
	path := filepath.Join(cache, "shoal", "chdb", want.version, fileName)
	have, err := size(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("%w: there is no %s: run `make setup`, or set SHOAL_CHDB to its path", ErrNotFound, path)
	case err != nil:
		return "", fmt.Errorf("%w: %s cannot be used (%w): run `make setup`, or set SHOAL_CHDB to another", ErrNotFound, path, err)
	case have != want.size:
		return "", fmt.Errorf("%w: %s has %d bytes instead of %d: remove it and run `make setup`, or set SHOAL_CHDB to another", ErrNotFound, path, have, want.size)
	}
	return path, nil
}
