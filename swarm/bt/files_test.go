package bt_test

import (
	"bytes"
	"crypto/sha1"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/zeebo/bencode"

	"github.com/shoalcast/shoal/swarm/bt"
)

// archive writes a file of random bytes and returns its path, torrent file and infohash.
func archive(t testing.TB, size int, trackers []string) (path string, torrent []byte, hash [20]byte) {
	t.Helper()
	data := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(data)
	path = filepath.Join(t.TempDir(), "window.mp4")
	check(t, os.WriteFile(path, data, 0o600))
	var pieces []byte
	for rest := data; len(rest) > 0; {
		n := min(len(rest), 64<<10)
		sum := sha1.Sum(rest[:n])
		pieces, rest = append(pieces, sum[:]...), rest[n:]
	}
	info, err := bencode.EncodeBytes(map[string]any{
		"length": size, "name": "window.mp4", "piece length": 64 << 10, "pieces": pieces,
	})
	check(t, err)
	meta := map[string]any{"info": bencode.RawMessage(info)}
	if len(trackers) > 0 {
		meta["announce"] = trackers[0]
	}
	torrent, err = bencode.EncodeBytes(meta)
	check(t, err)
	return path, torrent, sha1.Sum(info)
}

// udpSockets are the inodes of this process's UDP sockets. What an earlier
// test closed may still be closing, so a test asks for those that are new.
func udpSockets(t testing.TB) map[string]bool {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	check(t, err)
	inodes := map[string]bool{}
	for _, e := range entries {
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && strings.HasPrefix(to, "socket:[") {
			inodes[strings.Trim(to[7:], "[]")] = true
		}
	}
	found := map[string]bool{}
	for _, table := range []string{"/proc/self/net/udp", "/proc/self/net/udp6"} {
		b, err := os.ReadFile(table)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); len(f) > 9 && inodes[f[9]] {
				found[f[9]] = true
			}
		}
	}
	return found
}

func newUDPSockets(t testing.TB, before map[string]bool) int {
	t.Helper()
	now := udpSockets(t)
	maps.DeleteFunc(now, func(inode string, _ bool) bool { return before[inode] })
	return len(now)
}

func TestAStandardClientFetchesASeededFile(t *testing.T) {
	c, err := bt.New(bt.Options{Listen: "127.0.0.1:0"})
	check(t, err)
	defer c.Close()
	p := &peer{client: c}
	tr := newTracker(t, 0, p.addr())
	path, file, hash := archive(t, 3<<20+1, []string{tr.url})
	check(t, c.Seed(path, file))
	check(t, c.Seed(path, file))
	dir := t.TempDir()
	torrent := filepath.Join(dir, "x.torrent")
	check(t, os.WriteFile(torrent, file, 0o600))
	var fetches sync.WaitGroup
	for i, crypto := range []string{"--bt-min-crypto-level=plain", "--bt-require-crypto=true"} {
		fetches.Go(func() {
			to := t.TempDir()
			out, err := exec.CommandContext(t.Context(), "aria2c", "--no-conf", "--dir="+to, "--seed-time=0", "--enable-dht=false",
				"--bt-enable-lpd=false", fmt.Sprintf("--listen-port=%d-%d", 20000+5000*i, 24999+5000*i),
				"--check-integrity=true", "--bt-stop-timeout=20", crypto, torrent).CombinedOutput()
			if err != nil {
				t.Errorf("aria2c %s: %v\n%s", crypto, err, out)
				return
			}
			want, _ := os.ReadFile(path)
			if got, err := os.ReadFile(filepath.Join(to, "window.mp4")); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: other bytes arrived, %v", crypto, err)
			}
		})
	}
	fetches.Wait()
	tr.wait(t)
	c.Unseed(hash)
	r := greet(t, p, hash, "late")
	r.ended()
}

func TestAFileThatIsNotWhatItsTorrentSaysIsNotSeeded(t *testing.T) {
	c, err := bt.New(bt.Options{})
	check(t, err)
	defer c.Close()
	path, file, _ := archive(t, 100<<10, nil)
	if err := c.Seed(path+".missing", file); err == nil {
		t.Error("a missing file is seeded")
	}
	check(t, os.Truncate(path, 99<<10))
	if err := c.Seed(path, file); err == nil {
		t.Error("a short file is seeded")
	}
	if err := c.Seed(path, []byte("d4:infoi1ee")); err == nil {
		t.Error("no torrent is seeded")
	}
}
