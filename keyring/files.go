package keyring

import (
	"fmt"
	"os"
)

const (
	dirMode  = 0o700
	fileMode = 0o600
)

// makeDir makes dir for its owner alone, and narrows it if it was there and wider.
func makeDir(dir string) error {
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return fmt.Errorf("make %s: %w", dir, err)
	}
	if err := os.Chmod(dir, dirMode); err != nil {
		return fmt.Errorf("keep %s to its owner: %w", dir, err)
	}
	return nil
}
