//go:build unix

package atomicfile

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Adopt gives a new file or directory that root made to whom its directory belongs to:
// root's commands work on the state of services that run as other users, who must be
// able to read it. Made by others, it stays theirs.
func Adopt(path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("find the owner of %s: %w", filepath.Dir(path), err)
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && owner.Uid != 0 {
		if err := os.Lchown(path, int(owner.Uid), int(owner.Gid)); err != nil {
			return fmt.Errorf("give %s to the owner of its directory: %w", path, err)
		}
	}
	return nil
}
