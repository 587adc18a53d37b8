//go:build unix

package atomicfile

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestWhatRootWritesBelongsToWhomTheDirectoryBelongsTo(t *testing.T) {
	dir := t.TempDir()
	want := uint32(os.Geteuid())
	if want == 0 { // others cannot give their directories away, and need not
		want = 12345
		if err := os.Chown(dir, int(want), int(want)); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "key")
	if err := Write(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Sys().(*syscall.Stat_t); got.Uid != want || info.Mode().Perm() != 0o600 {
		t.Errorf("it belongs to %d with mode %o, its directory to %d", got.Uid, info.Mode().Perm(), want)
	}
}
