//go:build unix

package keyring_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestOnlyTheOwnerCanReadTheKeys(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	must(t, os.MkdirAll(dir, 0o755)) // made too wide by someone
	s := open(t, dir)
	add(t, s, "live")
	_, err := s.RotatePublishKey("live")
	must(t, err)
	_, err = s.RotateRoot("live")
	must(t, err)
	files := 0
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		must(t, err)
		info, err := d.Info()
		must(t, err)
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		} else {
			files++
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %o", path, info.Mode().Perm())
		}
		return nil
	}))
	if files != 4 {
		t.Errorf("%d files, expected stream.json, serial, one next key and the lock", files)
	}
}

func TestKeysThatRootChangesStayReadableForTheService(t *testing.T) {
	const service = 12345
	data := t.TempDir()
	if os.Geteuid() != 0 {
		t.Log("not root: whatever is made belongs to whoever makes it")
	} else {
		must(t, os.Chown(data, service, service))
	}
	owner := func(path string) uint32 {
		info, err := os.Lstat(path)
		must(t, err)
		return info.Sys().(*syscall.Stat_t).Uid
	}
	s := open(t, filepath.Join(data, "keys"))
	add(t, s, "live")
	add(t, s, "gone")
	_, err := s.RotatePublishKey("live")
	must(t, err)
	_, err = s.RotateRoot("live")
	must(t, err)
	must(t, s.Remove("gone"))
	must(t, filepath.WalkDir(data, func(path string, _ fs.DirEntry, err error) error {
		must(t, err)
		if got, want := owner(path), owner(data); got != want {
			t.Errorf("%s belongs to %d, the data directory to %d", path, got, want)
		}
		return nil
	}))
}
