// Package filelock keeps processes from changing the same files at once. A lock ends
// when its file is closed or its process ends, however it ends.
package filelock

import (
	"os"
	"time"
)

// pause is how long Exclusive waits between two tries.
const pause = 10 * time.Millisecond

// Exclusive locks f for this process alone, and waits for others that hold it for at
// most wait.
func Exclusive(f *os.File, wait time.Duration) error {
	for deadline := time.Now().Add(wait); ; {
		err := try(f, true)
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(pause)
	}
}

// Shared locks f together with others that lock it so. It fails at once when a process
// holds f exclusively.
func Shared(f *os.File) error { return try(f, false) }
