//go:build unix

package filelock

import (
	"os"

	"golang.org/x/sys/unix"
)

// try locks f without waiting.
func try(f *os.File, exclusive bool) error {
	how := unix.LOCK_SH
	if exclusive {
		how = unix.LOCK_EX
	}
	return unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
}
