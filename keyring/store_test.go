package keyring_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/keyring"
	"github.com/shoalcast/shoal/manifest"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, dir string) *keyring.Store {
	t.Helper()
	return keyring.Open(dir).Quick()
}

func add(t *testing.T, s *keyring.Store, name event.StreamName) keyring.Stream {
	t.Helper()
	stream, err := s.Add(name, keyring.Options{})
	must(t, err)
	return stream
}

func TestKeysSurviveARestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	made := add(t, open(t, dir), "live")
	found, err := open(t, dir).Get("live")
	must(t, err)
	if found.ID != made.ID || found.PublishKey != made.PublishKey || !found.Root.Equal(made.Root) {
		t.Errorf("made %+v, found %+v", made, found)
	}
	if len(made.PublishKey) < 20 || strings.ContainsAny(made.PublishKey, "&?= /") {
		t.Errorf("%q cannot be a publish key", made.PublishKey)
	}
	_, id, err := manifest.OpenGenesis(found.Genesis)
	must(t, err)
	if id != found.ID {
		t.Errorf("the genesis is of %s", id)
	}
	if other := add(t, open(t, dir), "other"); other.PublishKey == made.PublishKey || other.ID == made.ID {
		t.Error("two streams share a key")
	}
}

func TestANameIsTakenOnce(t *testing.T) {
	dir := t.TempDir()
	made := add(t, open(t, dir), "live")
	if _, err := open(t, dir).Add("live", keyring.Options{}); !errors.Is(err, keyring.ErrExists) {
		t.Errorf("got %v", err)
	}
	found, err := open(t, dir).Get("live")
	must(t, err)
	if found.ID != made.ID {
		t.Error("the first stream's keys were overwritten")
	}
	for _, bad := range []event.StreamName{"", "..", "a/b", "Live", ".new"} {
		if _, err := open(t, dir).Add(bad, keyring.Options{}); err == nil {
			t.Errorf("%q was accepted", bad)
		}
		if _, err := open(t, dir).Get(bad); err == nil {
			t.Errorf("%q was found", bad)
		}
	}
}

func TestOptionsAndPublishKeyChangeAndNothingElse(t *testing.T) {
	s := open(t, t.TempDir())
	made := add(t, s, "live")
	fresh, err := s.RotatePublishKey("live")
	must(t, err)
	must(t, s.SetOptions("live", keyring.Options{Unlisted: true}))
	found, err := s.Get("live")
	must(t, err)
	if fresh == made.PublishKey || found.PublishKey != fresh || !found.Unlisted || found.ID != made.ID {
		t.Errorf("found %+v", found)
	}
	if found.PublishKeyDigest() != event.DigestOf([]byte(fresh)) {
		t.Error("the bus would be told of another key")
	}
}

func TestARotatedRootKeepsTheStreamsId(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	made := add(t, s, "live")
	trust, err := manifest.NewTrust(made.Genesis)
	must(t, err)
	for range 3 {
		env, err := s.RotateRoot("live")
		must(t, err)
		must(t, trust.AddRotation(env))
		found, err := open(t, dir).Get("live")
		must(t, err)
		if found.ID != made.ID || !found.Root.Equal(trust.RootKey()) || found.Root.Equal(made.Root) {
			t.Fatalf("found %+v", found)
		}
	}
	must(t, os.Rename(filepath.Join(dir, "live", "next-4.key"), filepath.Join(t.TempDir(), "kept elsewhere")))
	if _, err := s.RotateRoot("live"); err == nil || !strings.Contains(err.Error(), "next-4.key") {
		t.Errorf("without the successor: %v", err)
	}
}

func TestALostMachinesStreamsComeBackFromAnExport(t *testing.T) {
	from := open(t, t.TempDir())
	a, b := add(t, from, "live"), add(t, from, "other")
	_, err := from.RotateRoot("other")
	must(t, err)
	var file bytes.Buffer
	must(t, from.Export(&file, "correct horse"))
	for _, secret := range []string{a.PublishKey, string(a.ID), "publish_key"} {
		if bytes.Contains(file.Bytes(), []byte(secret)) {
			t.Errorf("%q can be read in the export", secret)
		}
	}

	to := open(t, t.TempDir())
	_, err = to.Import(bytes.NewReader(file.Bytes()), "battery staple")
	if !errors.Is(err, keyring.ErrPassphrase) {
		t.Errorf("with a wrong passphrase: %v", err)
	}
	names, err := to.Import(bytes.NewReader(file.Bytes()), "correct horse")
	must(t, err)
	if len(names) != 2 {
		t.Errorf("imported %v", names)
	}
	for _, want := range []keyring.Stream{a, b} {
		got, err := to.Get(want.Name)
		must(t, err)
		if got.ID != want.ID || got.PublishKey != want.PublishKey {
			t.Errorf("%s came back as %+v", want.Name, got)
		}
		if _, err := to.RotateRoot(want.Name); err != nil {
			t.Errorf("the successor did not come along: %v", err)
		}
	}
	// Again it changes nothing, and where a name means another stream it says so.
	names, err = to.Import(bytes.NewReader(file.Bytes()), "correct horse")
	if err != nil || len(names) != 0 {
		t.Errorf("the second time: %v, %v", names, err)
	}
	taken := open(t, t.TempDir())
	theirs := add(t, taken, "other")
	if _, err = taken.Import(bytes.NewReader(file.Bytes()), "correct horse"); !errors.Is(err, keyring.ErrExists) {
		t.Errorf("over another stream: %v", err)
	}
	if all, _, err := taken.List(); err != nil || len(all) != 1 || all[0].ID != theirs.ID {
		t.Errorf("a refused import left %v, %v", all, err)
	}
}

func TestARuinedExportIsRefused(t *testing.T) {
	s := open(t, t.TempDir())
	add(t, s, "live")
	var file bytes.Buffer
	must(t, s.Export(&file, "pass"))
	cut := file.Bytes()[:file.Len()-20]
	flipped := bytes.Clone(file.Bytes())
	flipped[len(flipped)-5] ^= 1
	for name, b := range map[string][]byte{"nothing": nil, "text": []byte("hello"), "cut": cut, "flipped": flipped} {
		if _, err := open(t, t.TempDir()).Import(bytes.NewReader(b), "pass"); !errors.Is(err, keyring.ErrNotAnExport) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.Export(&file, ""); err == nil {
		t.Error("exported without a passphrase")
	}
}

func TestDamagedKeysAreNamed(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	a := add(t, s, "live")
	b := add(t, s, "other")
	path := filepath.Join(dir, "live", "stream.json")
	good, err := os.ReadFile(path)
	must(t, err)
	theirs, err := os.ReadFile(filepath.Join(dir, "other", "stream.json"))
	must(t, err)
	mixed := bytes.Replace(good, field(t, good, "root"), field(t, theirs, "root"), 1)
	for name, bad := range map[string][]byte{"half": good[:len(good)/2], "of another": theirs, "mixed": mixed} {
		must(t, os.WriteFile(path, bad, 0o600))
		if _, err := s.Get("live"); err == nil || !strings.Contains(err.Error(), "live") {
			t.Errorf("%s: %v", name, err)
		}
	}
	must(t, os.WriteFile(path, good, 0o600))
	if found, err := s.Get("live"); err != nil || found.ID != a.ID || a.ID == b.ID {
		t.Error("repaired, it must be back")
	}
}

func TestOneStreamsDamagedKeysHideNoOther(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	for _, name := range []event.StreamName{"a", "b", "c", "d"} {
		add(t, s, name)
	}
	must(t, os.WriteFile(filepath.Join(dir, "b", "stream.json"), []byte("{"), 0o600))
	must(t, os.Remove(filepath.Join(dir, "c", "serial")))
	streams, damaged, err := s.List()
	must(t, err)
	if len(streams) != 2 || streams[0].Name != "a" || streams[1].Name != "d" {
		t.Errorf("of four with two damaged, these are left: %+v", streams)
	}
	said := errors.Join(damaged...)
	if len(damaged) != 2 || !strings.Contains(said.Error(), filepath.Join("b", "stream.json")) || !strings.Contains(said.Error(), "stream c") {
		t.Errorf("said of the damaged ones: %v", said)
	}
}

func TestLookingForKeysMakesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	s := open(t, dir)
	if all, _, err := s.List(); err != nil || len(all) != 0 {
		t.Errorf("listed %v, %v", all, err)
	}
	if _, err := s.Get("live"); !errors.Is(err, keyring.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	must(t, s.Export(&bytes.Buffer{}, "pass"))
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is there now: %v", err)
	}
}

func TestCommandsAndTheServiceChangeKeysOneAfterTheOther(t *testing.T) {
	dir := t.TempDir()
	add(t, open(t, dir), "live")
	const each, writers = 8, 4
	failed := make(chan error, each*writers)
	var all sync.WaitGroup
	for range writers { // each with a store of its own, as processes have
		s := open(t, dir)
		all.Go(func() {
			for range each {
				if _, err := s.RotateRoot("live"); err != nil {
					failed <- err
				}
			}
		})
	}
	all.Wait()
	close(failed)
	for err := range failed {
		t.Error(err)
	}
	found, err := open(t, dir).Get("live")
	must(t, err)
	if len(found.Rotations) != each*writers {
		t.Errorf("%d rotations are left of %d", len(found.Rotations), each*writers)
	}
}

// field cuts a member's line out of indented JSON.
func field(t *testing.T, b []byte, name string) []byte {
	t.Helper()
	for line := range bytes.Lines(b) {
		if bytes.HasPrefix(bytes.TrimSpace(line), []byte(`"`+name+`":`)) {
			return line
		}
	}
	t.Fatalf("no %s in %s", name, b)
	return nil
}
