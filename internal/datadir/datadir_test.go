package datadir

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shoalcast/shoal/internal/filelock"
)

func mustOpen(t *testing.T, path string) *Dir {
	t.Helper()
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func mustClose(t *testing.T, d *Dir) {
	t.Helper()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestANewDirectorySaysItsFormatAndOpensAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "data")
	mustClose(t, mustOpen(t, path))
	if got, err := os.ReadFile(filepath.Join(path, "FORMAT")); err != nil || string(got) != "1\n" {
		t.Errorf("FORMAT holds %q, %v", got, err)
	}
	mustClose(t, mustOpen(t, path))
}

func TestASecondInstanceIsKeptOut(t *testing.T) {
	path := t.TempDir()
	d := mustOpen(t, path)
	if _, err := Open(path); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "--data") {
		t.Errorf("the second instance got %v", err)
	}
	mustClose(t, d)
	mustClose(t, mustOpen(t, path))
}

func TestWhatANewerVersionWroteIsRefused(t *testing.T) {
	path := t.TempDir()
	write(t, filepath.Join(path, "FORMAT"), "7\n")
	_, err := Open(path)
	if err == nil || !strings.Contains(err.Error(), "format 7") || !strings.Contains(err.Error(), "newer") {
		t.Errorf("got %v", err)
	}
	if got, _ := os.ReadFile(filepath.Join(path, "FORMAT")); string(got) != "7\n" {
		t.Errorf("FORMAT was changed to %q", got)
	}
}

func TestAnUnreadableFormatIsRefused(t *testing.T) {
	for _, content := range []string{"", "one", "0", "-1", strings.Repeat("9", 100)} {
		path := t.TempDir()
		write(t, filepath.Join(path, "FORMAT"), content)
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "FORMAT") {
			t.Errorf("FORMAT %q: got %v", content, err)
		}
	}
}

func TestWhatAnOlderVersionWroteIsUpgradedStepByStep(t *testing.T) {
	path := t.TempDir()
	write(t, filepath.Join(path, "FORMAT"), "1\n")
	var steps []string
	ups := upgrades{
		1: func(string) error { steps = append(steps, "1→2"); return nil },
		2: func(string) error { return errors.New("disk is full") },
	}
	if _, err := open(path, 3, ups); err == nil || !strings.Contains(err.Error(), "from format 2: disk is full") {
		t.Errorf("a failing step gave %v", err)
	}
	// The step that succeeded is not run again.
	ups[2] = func(string) error { steps = append(steps, "2→3"); return nil }
	d, err := open(path, 3, ups)
	if err != nil {
		t.Fatal(err)
	}
	mustClose(t, d)
	if got := strings.Join(steps, " "); got != "1→2 2→3" {
		t.Errorf("ran %s", got)
	}
	if _, err := open(path, 5, ups); err == nil || !strings.Contains(err.Error(), "cannot upgrade") {
		t.Errorf("a missing step gave %v", err)
	}
}

func TestSomebodyElsesDirectoryIsLeftAlone(t *testing.T) {
	path := t.TempDir()
	write(t, filepath.Join(path, "thesis.tex"), "x")
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "thesis.tex") {
		t.Errorf("got %v", err)
	}
	entries, err := os.ReadDir(path)
	if err != nil || len(entries) != 1 {
		t.Errorf("left %v, %v", entries, err)
	}
}

func TestKeysMadeBeforeTheFirstStartAreKept(t *testing.T) {
	path := t.TempDir()
	if err := os.Mkdir(filepath.Join(path, "keys"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(path, "up.log"), "")
	mustClose(t, mustOpen(t, path))
	if _, err := os.Stat(filepath.Join(path, "keys")); err != nil {
		t.Error(err)
	}
}

func TestADirectoryThatCannotBeWrittenIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "")
	for _, path := range []string{file, filepath.Join(file, "data"), "/proc/shoal"} {
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), path+" cannot be written") {
			t.Errorf("%s: got %v", path, err)
		}
	}
}

func TestOthersFindTheRunningInstance(t *testing.T) {
	path := t.TempDir()
	if _, err := Find(path); !errors.Is(err, ErrNotRunning) {
		t.Errorf("before the first start: %v", err)
	}
	d := mustOpen(t, path)
	if _, err := Find(path); !errors.Is(err, ErrStarting) {
		t.Errorf("while starting: %v", err)
	}
	want := Running{PID: os.Getpid(), HTTP: "http://127.0.0.1:8080", RTMP: "rtmp://127.0.0.1:1935/live"}
	if err := d.Announce(want); err != nil {
		t.Fatal(err)
	}
	if got, err := Find(path); err != nil || got != want {
		t.Errorf("found %+v, %v; want %+v", got, err, want)
	}
	mustClose(t, d)
	if _, err := Find(path); !errors.Is(err, ErrNotRunning) {
		t.Errorf("after it stopped: %v", err)
	}
}

// TestMain lets the test binary stand in for an instance that is killed.
func TestMain(m *testing.M) {
	if path := os.Getenv("DATADIR_TEST_HOLD"); path != "" {
		d, err := Open(path)
		if err == nil {
			err = d.Announce(Running{PID: os.Getpid()})
		}
		if err != nil {
			panic(err)
		}
		os.Stdout.WriteString("up\n")
		select {}
	}
	os.Exit(m.Run())
}

func TestAKilledInstanceIsNotTakenForARunningOne(t *testing.T) {
	path := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "DATADIR_TEST_HOLD="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 3)
	if _, err := out.Read(buf); err != nil {
		t.Fatal(err)
	}
	if r, err := Find(path); err != nil || r.PID != cmd.Process.Pid {
		t.Errorf("while it runs: %+v, %v", r, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait() // an error: it was killed
	if _, err := Find(path); !errors.Is(err, ErrNotRunning) {
		t.Errorf("after kill -9: %v", err)
	}
	// The next one has locked the directory, and not yet looked at what is in it.
	next, err := os.OpenFile(filepath.Join(path, lockFile), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := filelock.Exclusive(next, findWait); err != nil {
		t.Fatal(err)
	}
	if r, err := Find(path); !errors.Is(err, ErrStarting) {
		t.Errorf("while the next one begins: %+v, %v", r, err)
	}
	if err := next.Close(); err != nil {
		t.Fatal(err)
	}
	mustClose(t, mustOpen(t, path))
}

func TestTheControlSocketCanListenWhateverTheDirectorysLength(t *testing.T) {
	for _, name := range []string{"short", strings.Repeat("long", 50)} {
		d := mustOpen(t, filepath.Join(t.TempDir(), name))
		path, err := d.ControlSocket()
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(filepath.Dir(path)); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: mode %v, %v", filepath.Dir(path), info.Mode(), err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		mustClose(t, d)
	}
}

func TestAControlSocketOutsideTheDirectoryStandsWhereNobodyCanForesee(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	path := filepath.Join(t.TempDir(), strings.Repeat("long", 50))
	seen := map[string]bool{}
	for range 3 {
		d := mustOpen(t, path)
		socket, err := d.ControlSocket()
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(socket, tmp) {
			t.Fatalf("%s is not in %s", socket, tmp)
		}
		seen[socket] = true
		write(t, socket, "") // stands in for the socket of an instance that is killed
		if err := d.lock.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(seen) != 3 {
		t.Errorf("three starts used %v: whoever knows the next could be there first", seen)
	}
	mustClose(t, mustOpen(t, path))
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("killed instances left %v, %v", left, err)
	}
}

func TestACheckRefusesWhatOpenWouldAndMakesNothing(t *testing.T) {
	dir := t.TempDir()
	newer, foreign, none, fine := filepath.Join(dir, "newer"), filepath.Join(dir, "foreign"), filepath.Join(dir, "none"), filepath.Join(dir, "fine")
	for _, d := range []string{newer, foreign} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(newer, "FORMAT"), "7\n")
	write(t, filepath.Join(foreign, "thesis.tex"), "x")
	mustClose(t, mustOpen(t, fine))
	for path, want := range map[string]string{newer: "newer", foreign: "thesis.tex"} {
		if err := Check(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q in it", path, err, want)
		}
	}
	for _, path := range []string{none, fine} {
		if err := Check(path); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := os.Stat(none); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("looking made it: %v", err)
	}
}
