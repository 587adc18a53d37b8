package mediatest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// File writes parts into one file of the test's own folder.
func File(t testing.TB, parts ...[]byte) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "media.mp4"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		if _, err := f.Write(p); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// Decode lets ffmpeg decode all of a file, and fails at anything it finds wrong.
func Decode(t testing.TB, path string) {
	t.Helper()
	// The pictures' own time base: counted in frames, uneven ones would seem to coincide.
	cmd := []string{"-v", "error", "-xerror", "-i", path, "-enc_time_base:v", "-1", "-f", "null", "-"}
	if out, err := combined("ffmpeg", cmd...); err != nil || len(out) > 0 {
		t.Errorf("ffmpeg -xerror does not accept the file: %v: %.1000s", err, out)
	}
}

// Frames counts the pictures that ffmpeg decodes from a file.
func Frames(t testing.TB, path string) int {
	t.Helper()
	out, err := Run("ffprobe", "-v", "error", "-count_frames", "-select_streams", "v",
		"-show_entries", "stream=nb_read_frames", "-of", "csv=p=0", path)
	if err != nil {
		t.Fatal(err)
	}
	s := strings.Trim(strings.TrimSpace(string(out)), ",")
	if s == "" {
		return 0
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Samples counts the sound samples (of one channel) that ffmpeg decodes from a file.
func Samples(t testing.TB, path string) int {
	t.Helper()
	n, err := samples(path)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func samples(path string) (int, error) {
	out, err := Run("ffmpeg", "-v", "error", "-ignore_editlist", "1", "-i", path, "-vn", "-ac", "1", "-f", "s16le", "-")
	return len(out) / 2, err
}

func combined(name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s: %w", name, err)
	}
	return strings.TrimSpace(string(out)), err
}
