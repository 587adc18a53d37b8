package bt_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/shoalcast/shoal/swarm/bt"
)

// BenchmarkSeed measures how fast one aria2c fetches a file from Client.Seed and from
// transmission-daemon, one after the other, and how they compare. A fetch is timed from
// aria2c's start to its end, so the time until it is unchoked counts.
func BenchmarkSeed(b *testing.B) {
	const size = 64 << 20
	port := freePort(b)
	local := netip.MustParseAddr("127.0.0.1")
	c, err := bt.New(bt.Options{Listen: "127.0.0.1:0"})
	check(b, err)
	b.Cleanup(func() { check(b, c.Close()) })
	ours := newTracker(b, 0, netip.AddrPortFrom(local, c.Port()))
	theirs := newTracker(b, 0, netip.AddrPortFrom(local, port))
	path, file, _ := archive(b, size, []string{ours.url})
	check(b, c.Seed(path, file))
	_, their, _ := archive(b, size, []string{theirs.url})
	transmission(b, path, their, port, theirs)
	var us, them float64
	for b.Loop() {
		us += fetch(b, file, size)
		them += fetch(b, their, size)
	}
	n := float64(b.N)
	b.ReportMetric(us/n, "shoal-MB/s")
	b.ReportMetric(them/n, "transmission-MB/s")
	b.ReportMetric(us/them, "ratio")
}

func freePort(b *testing.B) uint16 {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(b, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort().Port()
}

// transmission seeds the file at path and is ended with the benchmark.
func transmission(b *testing.B, path string, torrent []byte, port uint16, tr *tracker) {
	b.Helper()
	home := b.TempDir()
	watch := filepath.Join(home, "watch")
	check(b, os.Mkdir(watch, 0o700))
	check(b, os.WriteFile(filepath.Join(watch, "x.torrent"), torrent, 0o600))
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "transmission-daemon", "-f", "-g", home, "-w", filepath.Dir(path), "-c", watch,
		"--peerport", fmt.Sprint(port), "--port", fmt.Sprint(freePort(b)), "--no-dht", "--no-utp", "--no-portmap", "--no-lpd")
	check(b, cmd.Start())
	b.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // it was killed
	})
	for {
		tr.wait(b)
		tr.mu.Lock()
		done := tr.asked[len(tr.asked)-1].Get("left") == "0"
		tr.mu.Unlock()
		if done {
			return
		}
	}
}

// fetch returns the speed of one aria2c, in MB/s, from the first byte to the last.
func fetch(b *testing.B, torrent []byte, size int) float64 {
	b.Helper()
	to := b.TempDir()
	file := filepath.Join(to, "x.torrent")
	check(b, os.WriteFile(file, torrent, 0o600))
	cmd := exec.CommandContext(b.Context(), "aria2c", "--no-conf", "--dir="+to, "--seed-time=0", "--enable-dht=false",
		"--bt-enable-lpd=false", "--listen-port=20000-30000", "--file-allocation=none", "--summary-interval=0", file)
	start := time.Now()
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.Fatalf("aria2c: %v\n%s", err, out)
	}
	return float64(size) / 1e6 / time.Since(start).Seconds()
}
