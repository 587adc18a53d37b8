package datadir

import (
	"os"
	"time"

	"golang.org/x/sys/windows"
)

// lockTries bounds how long lockExclusive waits out a Find, which holds the lock for
// microseconds.
const lockTries = 10

// lockExclusive locks f until it is closed or the process ends, however it ends.
func lockExclusive(f *os.File) error {
	var err error
	for range lockTries {
		if err = lockFirstByte(f, windows.LOCKFILE_EXCLUSIVE_LOCK); err == nil {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return err
}

// lockShared fails when another process holds f exclusively.
func lockShared(f *os.File) error { return lockFirstByte(f, 0) }

// lockFirstByte locks the file's first byte without waiting.
func lockFirstByte(f *os.File, flags uint32) error {
	return windows.LockFileEx(windows.Handle(f.Fd()), flags|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, new(windows.Overlapped))
}
