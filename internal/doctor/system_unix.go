//go:build unix

package doctor

import "golang.org/x/sys/unix"

// freeBytes returns the space that this user may still fill.
func freeBytes(dir string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return uint64(s.Bavail) * uint64(s.Bsize), nil //nolint:unconvert // their types differ between systems
}

// fileLimit returns how many files may be open: the hard limit, to which Go raises the
// soft one by itself.
func fileLimit() (uint64, error) {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r); err != nil {
		return 0, err
	}
	return uint64(r.Max), nil //nolint:unconvert // their types differ between systems
}
