package filelock

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func file(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func TestWhoWaitsGetsTheLockOnceItIsFree(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, second := file(t, path), file(t, path)
	if err := Exclusive(first, 0); err != nil {
		t.Fatal(err)
	}
	if Exclusive(second, 0) == nil || Shared(second) == nil {
		t.Fatal("two hold it")
	}
	got := make(chan error, 1)
	go func() { got <- Exclusive(second, 30*time.Second) }()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Errorf("freed, it was not to be had: %v", err)
	}
}

func TestReadersShareALock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, second := file(t, path), file(t, path)
	if err := Shared(first); err != nil {
		t.Fatal(err)
	}
	if err := Shared(second); err != nil {
		t.Error(err)
	}
	if Exclusive(file(t, path), 0) == nil {
		t.Error("a writer came in between readers")
	}
}
