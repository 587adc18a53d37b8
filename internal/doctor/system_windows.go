package doctor

import (
	"errors"

	"golang.org/x/sys/windows"
)

// freeBytes returns the space that this user may still fill.
func freeBytes(dir string) (uint64, error) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, err
	}
	var free uint64
	if err := windows.GetDiskFreeSpaceEx(name, &free, nil, nil); err != nil {
		return 0, err
	}
	return free, nil
}

// fileLimit has no counterpart here.
func fileLimit() (uint64, error) { return 0, errors.ErrUnsupported }
