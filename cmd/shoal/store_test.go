package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// storeCommands are all that work on the keys of a data directory.
func storeCommands(t *testing.T) (reading, changing [][]string) {
	t.Helper()
	dir := t.TempDir()
	pass := filepath.Join(dir, "pass")
	if err := os.WriteFile(pass, []byte("correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	backup := filepath.Join(dir, "backup")
	return [][]string{
		{"stream", "list"},
		{"stream", "list", "--json"},
		{"keys", "show"},
		{"keys", "show", "--json"},
		{"keys", "export", backup, "--passphrase-file", pass},
	}, [][]string{
		{"stream", "add", "x"},
		{"stream", "rm", "x", "--yes"},
		{"stream", "set", "x", "--sensitive"},
		{"stream", "rotate-key", "x"},
		{"keys", "import", backup, "--passphrase-file", pass},
	}
}

func TestLookingAtADirectoryThatIsNotThereMakesNothing(t *testing.T) {
	reading, _ := storeCommands(t)
	data := filepath.Join(t.TempDir(), "data")
	for _, args := range reading {
		if _, stderr, code := shoal(t, append(args, "--data", data)...); code != exitOK {
			t.Errorf("%v: exit %d: %s", args, code, stderr)
		}
	}
	absent(t, data)
}

func TestCommandsLeaveDirectoriesOfOthersAndOfNewerVersionsAlone(t *testing.T) {
	reading, changing := storeCommands(t)
	for file, says := range map[string]string{"FORMAT": "newer", "thesis.tex": "thesis.tex"} {
		data := t.TempDir()
		if err := os.WriteFile(filepath.Join(data, file), []byte("999\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, args := range append(reading, changing...) {
			refuses(t, says, append(args, "--data", data)...)
		}
		if left, err := os.ReadDir(data); err != nil || len(left) != 1 {
			t.Errorf("left %v, %v", left, err)
		}
	}
}

func TestOneDamagedStreamIsSaidAndTheOthersAreListed(t *testing.T) {
	data := t.TempDir()
	for _, name := range []string{"good", "bad"} {
		if _, stderr, code := shoal(t, "stream", "add", name, "--data", data); code != exitOK {
			t.Fatalf("exit %d: %s", code, stderr)
		}
	}
	bad := filepath.Join(data, "keys", "bad", "stream.json")
	if err := os.WriteFile(bad, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"stream", "list"}, {"keys", "show"}} {
		out, stderr, code := shoal(t, append(args, "--data", data)...)
		if code != exitOK || !strings.Contains(out, "good") || !strings.Contains(stderr, bad) {
			t.Errorf("%v: exit %d, says %q and %q", args, code, out, stderr)
		}
	}
	if _, stderr, code := shoal(t, "stream", "rm", "good", "--yes", "--data", data); code != exitOK {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	store, err := keyStore(data)
	if err != nil {
		t.Fatal(err)
	}
	if fresh, err := firstStart(store); err != nil || fresh {
		t.Errorf("a start took it for the first one: %v, %v", fresh, err)
	}
}

func TestPublishKeysArePrintedAtTheFirstStartOnly(t *testing.T) {
	data := t.TempDir()
	store, err := keyStore(data)
	if err != nil {
		t.Fatal(err)
	}
	l := linksOf("http://127.0.0.1:8080", "rtmp://127.0.0.1:1935/live", "")
	said := func() string {
		t.Helper()
		fresh, err := firstStart(store)
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		if err := greet(&out, l, store, data, fresh); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	first, again := said(), said()
	s, err := store.Get(firstStream)
	if err != nil {
		t.Fatal(err)
	}
	watch := l.watchURL(s.Name, s.ID)
	if !strings.Contains(first, l.publishURL(s.Name, s.PublishKey)) || !strings.Contains(first, watch) {
		t.Errorf("the first start says %s", first)
	}
	if strings.Contains(again, s.PublishKey) || !strings.Contains(again, watch) || !strings.Contains(again, "shoal stream list") {
		t.Errorf("the second start says %s", again)
	}
}

func TestAStreamsOptionsCanBeChangedOneByOne(t *testing.T) {
	data := t.TempDir()
	run := func(args ...string) string {
		t.Helper()
		out, stderr, code := shoal(t, append(args, "--data", data)...)
		if code != exitOK {
			t.Fatalf("%v: exit %d: %s", args, code, stderr)
		}
		return out
	}
	is := func(unlisted, sensitive bool) {
		t.Helper()
		store, err := keyStore(data)
		if err != nil {
			t.Fatal(err)
		}
		s, err := store.Get("cam")
		if err != nil || s.Unlisted != unlisted || s.Sensitive != sensitive {
			t.Errorf("%+v, %v", s.Options, err)
		}
	}
	if out := run("stream", "add", "cam", "--sensitive", "--json"); !strings.Contains(out, `"sensitive": true`) {
		t.Errorf("stream add says %s", out)
	}
	is(false, true)
	run("stream", "set", "cam", "--unlisted")
	is(true, true)
	if out := run("stream", "set", "cam", "--sensitive=false"); out != "cam: unlisted true, sensitive false.\n" {
		t.Errorf("it says %q", out)
	}
	is(true, false)
	refuses(t, "nothing to change", "stream", "set", "cam", "--data", data)
	refuses(t, "there is no stream", "stream", "set", "other", "--sensitive", "--data", data)
}
