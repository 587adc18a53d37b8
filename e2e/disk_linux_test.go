package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shoalcast/shoal/event"
)

// smallDisk returns a directory that is a disk of its own, until the test ends. It
// needs no rights: a process that waits in a namespace of its own has mounted it, and
// others reach it through that process's root.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	own := "--map-root-user"
	if os.Geteuid() == 0 {
		own = "--mount" // containers' root may mount, but not make users
	}
	holder := exec.Command("unshare", "--mount", own, "sh", "-c",
		`mount -t tmpfs -o size="$1",mode=700 shoal-test "$2" && echo mounted && exec cat`, "sh", size, dir)
	// With the test its input ends, and with it the disk.
	in, err := holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	said := &logBuffer{}
	holder.Stdout, holder.Stderr = said, said
	if err := holder.Start(); err != nil {
		t.Fatalf("mount a small disk: %v", err)
	}
	ended := make(chan struct{})
	go func() {
		_ = holder.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = in.Close()
		<-ended
	})
	waitFor(t, 10*time.Second, "a small disk", func() bool {
		select {
		case <-ended:
			t.Fatalf("mount a small disk: %s", said)
		default:
		}
		return contains(said, "mounted")
	})
	return filepath.Join("/proc", strconv.Itoa(holder.Process.Pid), "root", dir)
}

func TestAFullDiskRefusesPublishersAndKeepsWhatIsSigned(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, "48m")
	i := &instance{t: t, data: filepath.Join(disk, "data")}
	i.start()
	t.Cleanup(i.kill)
	s := i.addStream("concert")
	first := publish(t, s)
	shown := pieces{}
	i.live("concert")
	waitFor(t, 20*time.Second, "two seconds of entries", func() bool {
		shown.note(t, i.manifest("concert"))
		return len(shown) >= 10
	})

	// Somebody else's file takes the rest of the disk.
	other, err := os.Create(filepath.Join(disk, "other"))
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 4<<10)
	for err == nil {
		_, err = other.Write(block)
	}
	_ = other.Close()
	if code := first.wait(t, 60*time.Second); code == 0 {
		t.Error("the publisher was not told")
	}
	const sentence = "the server's disk is full"
	waitFor(t, 10*time.Second, "the sentence in the log", func() bool { return contains(i.log, sentence) })
	second := publish(t, s)
	if code := second.wait(t, 30*time.Second); code == 0 {
		t.Error("another publisher was let in on a full disk")
	}
	if !contains(second.log, sentence) {
		t.Errorf("the other publisher was told %q, not that %s", second.log, sentence)
	}
	shown.note(t, i.manifest("concert"))

	// Killed and started again while the disk is full, it says so and touches nothing.
	i.kill()
	_, stderr, code := runShoal(t, append([]string{"up", "--data", i.data, "--log-level", "error"}, anywhere...)...)
	if code != 2 || !strings.Contains(stderr, "no disk space left") || strings.Count(stderr, "\n") != 1 {
		t.Errorf("a start on the full disk ends with %d and says %q", code, stderr)
	}
	shown.requireIn(t, verifyChain(t, i.data, event.StreamID(s.ID)))

	// Once there is room again, so is everything else.
	if err := os.Remove(other.Name()); err != nil {
		t.Fatal(err)
	}
	i.start()
	publish(t, s)
	before := shown.note(t, i.manifest("concert"))
	waitFor(t, 20*time.Second, "the stream to go on", func() bool { return before.Before(i.manifest("concert").last(t)) })
	i.stop()
	shown.requireIn(t, verifyChain(t, i.data, event.StreamID(s.ID)))
}
