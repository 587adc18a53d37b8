package datadir

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/shoalcast/shoal/internal/atomicfile"
	"github.com/shoalcast/shoal/internal/filelock"
)

// ErrNotRunning means that no instance has the directory open.
var ErrNotRunning = errors.New("no instance is running on this data directory")

// ErrStarting means that an instance has the directory open but has not yet said where
// it listens.
var ErrStarting = errors.New("the instance on this data directory has not finished starting")

// maxSocketPath is the longest path a Unix socket may have everywhere (BSD: 104 with
// its final zero).
const maxSocketPath = 100

// runningFile in run/ holds Running as JSON.
const runningFile = "addresses.json"

// Running says where the running instance of a data directory is reached. URLs have no
// trailing slash; what does not listen is empty.
type Running struct {
	PID     int       `json:"pid"`
	Version string    `json:"version"`
	Started time.Time `json:"started"`
	HTTP    string    `json:"http,omitzero"`  // base of pages and API: http://127.0.0.1:8080
	RTMP    string    `json:"rtmp,omitzero"`  // with the app: rtmp://127.0.0.1:1935/live
	SRT     string    `json:"srt,omitzero"`   // srt://127.0.0.1:8890
	RTMPS   string    `json:"rtmps,omitzero"` // with the app: rtmps://127.0.0.1:1936/live
	NATS    string    `json:"nats,omitzero"`  // nats://127.0.0.1:4222
	// Where peers meet: the seed's BitTorrent address, the UDP tracker, the STUN and
	// TURN servers.
	Torrent    string `json:"torrent,omitzero"`     // 127.0.0.1:6881
	TrackerUDP string `json:"tracker_udp,omitzero"` // udp://127.0.0.1:6969
	STUN       string `json:"stun,omitzero"`        // stun:127.0.0.1:3478
	TURN       string `json:"turn,omitzero"`        // turn:127.0.0.1:3479
	// ClickHouse is where analytics may be read, password included: run/ is its owner's alone.
	ClickHouse string `json:"clickhouse,omitzero"`
	Control    string `json:"control,omitzero"` // path of the control socket
}

// announcedFile in run/ is locked by who wrote runningFile, for as long as it runs: the
// next instance may have the directory open before it removes what a killed one left.
const announcedFile = "announced"

// Announce writes run/addresses.json. Call it once everything listens: others wait for
// it to know that the instance is up.
func (d *Dir) Announce(r Running) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("write the instance's addresses: %w", err)
	}
	if err := os.MkdirAll(d.Path(runDir), 0o700); err != nil {
		return unwritable(d.path, err)
	}
	if err := atomicfile.Write(d.Path(runDir, runningFile), append(b, '\n'), 0o600); err != nil {
		return unwritable(d.path, err)
	}
	if d.announced != nil {
		return nil
	}
	if d.announced, err = os.OpenFile(d.Path(runDir, announcedFile), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return unwritable(d.path, err)
	}
	if err := filelock.Exclusive(d.announced, findWait); err != nil {
		return fmt.Errorf("lock the instance's addresses: %w", err)
	}
	return nil
}

// socketDirFile in run/ holds the path of the directory that was made elsewhere for the
// control socket, so that it is removed even if the instance could not.
const socketDirFile = "socket-dir"

// socketDirPrefix begins the names of such directories.
const socketDirPrefix = "shoal-"

// ControlSocket returns the path on which this instance's control socket is to listen,
// in a directory of mode 0700: run/ unless that makes the path too long for a socket.
// Call it once.
func (d *Dir) ControlSocket() (string, error) {
	path := d.Path(runDir, "control")
	if len(path) <= maxSocketPath {
		return path, nil // run/ was emptied when d was opened
	}
	// A name that nobody can foresee, so that nobody can have put something there.
	dir, err := os.MkdirTemp("", socketDirPrefix)
	if err != nil {
		return "", fmt.Errorf("make a place for the control socket: %w", err)
	}
	if err := atomicfile.Write(d.Path(runDir, socketDirFile), []byte(dir), 0o600); err != nil {
		return "", errors.Join(unwritable(d.path, err), os.Remove(dir))
	}
	return filepath.Join(dir, "control"), nil
}

// removeRun removes run/ and what it says was made elsewhere.
func (d *Dir) removeRun() error {
	b, err := os.ReadFile(d.Path(runDir, socketDirFile))
	dir := string(b)
	if err == nil && strings.HasPrefix(filepath.Base(dir), socketDirPrefix) {
		if info, err := os.Lstat(dir); err == nil && info.IsDir() {
			_ = os.Remove(filepath.Join(dir, "control"))
			_ = os.Remove(dir) // not with all it holds: by now it may be anybody's
		}
	}
	return os.RemoveAll(d.Path(runDir))
}

// clearRun removes what an instance that was killed left in run/.
func (d *Dir) clearRun() error {
	if err := d.removeRun(); err != nil {
		return unwritable(d.path, err)
	}
	if err := os.MkdirAll(d.Path(runDir), 0o700); err != nil {
		return unwritable(d.path, err)
	}
	return nil
}

// Find returns where the instance that runs on the directory at path is reached. It is
// ErrNotRunning when none does, even when one was killed and left its addresses, and
// ErrStarting while one starts.
func Find(path string) (Running, error) {
	var r Running
	for _, lock := range []struct {
		file    string
		without error
	}{{lockFile, ErrNotRunning}, {filepath.Join(runDir, announcedFile), ErrStarting}} {
		held, err := isHeld(filepath.Join(path, lock.file))
		if err != nil {
			return r, fmt.Errorf("look for an instance on %s: %w", path, err)
		}
		if !held {
			return r, lock.without
		}
	}
	b, err := os.ReadFile(filepath.Join(path, runDir, runningFile))
	if err != nil {
		return r, fmt.Errorf("read the instance's addresses: %w", err)
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return r, fmt.Errorf("read the instance's addresses: %w", err)
	}
	return r, nil
}

// isHeld reports whether a process holds the lock on a file, if there is such a file.
func isHeld(path string) (bool, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	held := filelock.Shared(f) != nil
	return held, f.Close()
}
