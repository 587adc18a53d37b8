package e2e

import (
	"errors"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

// kills is how often the kill test kills; soak runs ask for 20.
var kills = flag.Int("kills", 3, "how often shoal is killed at a random moment")

func TestKilledAtRandomMomentsTheChainVerifiesAndWatchResumes(t *testing.T) {
	i := up(t)
	s := i.addStream("concert")
	stop := make(chan struct{})
	publishing := make(chan struct{})
	go func() { // an encoder that reconnects, as OBS does
		defer close(publishing)
		for {
			p := background(t, "ffmpeg", append(append([]string{"-nostdin", "-loglevel", "error"}, testPicture("320x180", 30)...),
				"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "30", "-c:a", "aac", "-f", "flv", s.RTMP)...)
			select {
			case <-p.done:
			case <-stop:
				p.kill()
				return
			}
			select {
			case <-time.After(100 * time.Millisecond):
			case <-stop:
				return
			}
		}
	}()
	i.live("concert")
	file := filepath.Join(t.TempDir(), "out.mp4")
	watcher := background(t, binary, "watch", s.Watch, "--out", file, "--pins", filepath.Join(t.TempDir(), "p"))

	for k := range *kills {
		before := i.manifest("concert").lastEpoch(t)
		pause := time.Duration(500+rand.IntN(1500)) * time.Millisecond
		<-time.After(pause)
		i.kill()
		written := size(t, file)
		i.start()
		waitFor(t, 30*time.Second, "the publisher to be back", func() bool { return i.manifest("concert").lastEpoch(t) > before })
		waitFor(t, 30*time.Second, "watch to resume", func() bool { return size(t, file) > written })
		t.Logf("kill %d after %s: resumed", k+1, pause)
	}
	close(stop)
	<-publishing
	select {
	case <-watcher.done:
		t.Errorf("watch gave up: %s", watcher.log)
	default:
	}
	i.stop()
	verifyChain(t, i.data, event.StreamID(s.ID))
}

func size(t *testing.T, file string) int64 {
	t.Helper()
	info, err := os.Stat(file)
	if errors.Is(err, os.ErrNotExist) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// verifyChain opens a stopped instance's bus and checks every entry of a stream: each
// signature, each link, no address twice.
func verifyChain(t *testing.T, data string, id event.StreamID) (count int) {
	t.Helper()
	server, err := bus.StartServer(t.Context(), bus.ServerOptions{Dir: filepath.Join(data, "nats")})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Shutdown()
	b, err := bus.Connect(t.Context(), bus.Options{Server: server, Name: "verify"})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	state, err := b.StreamState(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	genesis, err := manifest.ParseEnvelope(state.Genesis)
	if err != nil {
		t.Fatal(err)
	}
	trust, err := manifest.NewTrust(genesis)
	if err != nil {
		t.Fatal(err)
	}
	for _, raw := range state.Sessions {
		env, err := manifest.ParseEnvelope(raw)
		if err != nil {
			t.Fatal(err)
		}
		if err := trust.AddSession(env); err != nil {
			t.Fatal(err)
		}
	}
	payloads, _, err := b.LastEntries(t.Context(), id, event.Source, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	var chain manifest.Chain
	seen := map[event.Position]bool{}
	for n, raw := range payloads {
		signed, err := trust.OpenJSON(raw)
		if err != nil {
			t.Fatalf("entry %d of %d: %v", n, len(payloads), err)
		}
		if err := chain.Check(signed.Entry, signed.Envelope.Payload); err != nil {
			t.Fatalf("entry %d of %d: %v", n, len(payloads), err)
		}
		if seen[signed.Entry.Position()] {
			t.Fatalf("position %s is signed twice", signed.Entry.Position())
		}
		seen[signed.Entry.Position()] = true
	}
	if len(payloads) == 0 {
		t.Fatal("nothing was signed")
	}
	return len(payloads)
}

func TestAFullDiskRefusesPublishersAndKeepsWhatIsSigned(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("shoal-test", dir, "tmpfs", 0, "size=48m"); err != nil {
		t.Fatalf("mount a small disk (this test needs root): %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	i := &instance{t: t, data: filepath.Join(dir, "data")}
	i.start()
	t.Cleanup(i.kill)
	s := i.addStream("concert")
	first := publish(t, s)
	i.live("concert")
	// Somebody else's file takes the rest of the disk.
	other, err := os.Create(filepath.Join(dir, "other"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	block := make([]byte, 256<<10)
	for err == nil {
		_, err = other.Write(block)
	}
	if code := first.wait(t, 60*time.Second); code == 0 {
		t.Error("the publisher was not told")
	}
	waitFor(t, 10*time.Second, "the sentence in the log", func() bool { return contains(i.log, "disk is full") })
	if code := publish(t, s).wait(t, 30*time.Second); code == 0 {
		t.Error("another publisher was let in on a full disk")
	}
	i.stop()
	_ = os.Remove(other.Name())
	verifyChain(t, i.data, event.StreamID(s.ID))
}
