//go:build unix

package keyring_test

import (
	"io/fs"
	"os"
	"path/filepath"
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
	if files != 3 {
		t.Errorf("%d files, expected stream.json, serial and one next key", files)
	}
}
