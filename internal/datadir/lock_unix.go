//go:build unix

package datadir

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// lockTries bounds how long lockExclusive waits out a Find, which holds the lock for
// microseconds.
const lockTries = 10

// lockExclusive locks f until it is closed or the process ends, however it ends.
func lockExclusive(f *os.File) error {
	var err error
	for range lockTries {
		if err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return err
}

// lockShared fails when another process holds f exclusively.
func lockShared(f *os.File) error {
	return unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
}
