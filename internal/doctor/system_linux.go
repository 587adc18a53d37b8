package doctor

import "golang.org/x/sys/unix"

// staUnsync is adjtimex(2)'s STA_UNSYNC.
const staUnsync = 0x0040

// clockSync asks the kernel, which any time service tells.
func clockSync() clockState {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	switch {
	case err != nil:
		return unknown
	case state == unix.TIME_ERROR || t.Status&staUnsync != 0:
		return unsynced
	}
	return synced
}

// libcLoaders returns where glibc's loader may lie, and what to do when it does not.
func libcLoaders() (patterns []string, do string) {
	return []string{"/lib64/ld-linux-*.so.*", "/lib/ld-linux-*.so.*", "/lib/*/ld-linux-*.so.*"},
		"use a distribution with glibc, such as Debian: libraries that Shoal loads while running need it"
}
