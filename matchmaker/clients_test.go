package matchmaker_test

import (
	"bytes"
	"context"
	"crypto/sha1"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zeebo/bencode"

	"github.com/shoalcast/shoal/matchmaker"
)

// seedSettings leave a tracker as the only way to be found.
const seedSettings = `{"dht-enabled": false, "lpd-enabled": false, "pex-enabled": false, "utp-enabled": false,
"port-forwarding-enabled": false, "bind-address-ipv4": "127.0.0.1", "bind-address-ipv6": "::1", "rpc-enabled": false}`

// torrentOf writes a private torrent (BEP 27) of content, and returns its file and its
// infohash.
func torrentOf(t *testing.T, content []byte, tracker string) (file string, infohash [20]byte) {
	t.Helper()
	const length = 32 << 10
	var pieces []byte
	for rest := content; len(rest) > 0; rest = rest[min(length, len(rest)):] {
		sum := sha1.Sum(rest[:min(length, len(rest))])
		pieces = append(pieces, sum[:]...)
	}
	info := map[string]any{"name": "film", "piece length": length, "pieces": string(pieces), "length": len(content), "private": 1}
	b, err := bencode.EncodeBytes(info)
	check(t, err)
	whole, err := bencode.EncodeBytes(map[string]any{"announce": tracker, "info": info})
	check(t, err)
	file = filepath.Join(t.TempDir(), "film.torrent")
	check(t, os.WriteFile(file, whole, 0o600))
	return file, sha1.Sum(b)
}

// freePort is free for TCP and for UDP: clients that find one of them taken go on
// without it, and announce nothing.
func freePort(t *testing.T) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		check(t, err)
		defer l.Close() // only now, so that each try is another port
		c, err := net.ListenPacket("udp", l.Addr().String())
		if err != nil {
			continue
		}
		defer c.Close()
		_, port, err := net.SplitHostPort(l.Addr().String())
		check(t, err)
		return port
	}
	t.Fatal("no port is free for both TCP and UDP")
	return ""
}

// program starts a client that `make setup` installs; stop lets it say goodbye.
func program(t *testing.T, name string, args ...string) (cmd *exec.Cmd, output *bytes.Buffer, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd = exec.CommandContext(ctx, name, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "LC_ALL=C"}
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = patience / 4
	output = &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s, which make setup installs: %v", name, err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		cmd.Wait()
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return cmd, output, stop
}

func TestStandardClientsFindEachOtherAndExchangeAFile(t *testing.T) {
	for _, transport := range []string{"http", "udp"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			// A client that announces before it has looked at its file says that it lacks it, until it announces again.
			s := matchmaker.New(matchmaker.Options{Interval: 15 * time.Second, MinInterval: 5 * time.Second})
			run(t, s)
			mux := http.NewServeMux()
			mux.HandleFunc("GET /announce", s.Announce)
			mux.HandleFunc("GET /scrape", s.Scrape)
			server := httptest.NewServer(mux)
			t.Cleanup(server.Close)
			tracker := server.URL + "/announce"
			seeds := tracker
			if transport == "udp" {
				seeds = "udp://" + serveUDP(t, s, "127.0.0.1:0").String() + "/announce"
			}

			content := make([]byte, 300_000)
			rand.NewChaCha8([32]byte{1}).Read(content)
			file, infohash := torrentOf(t, content, seeds)
			store, config := t.TempDir(), t.TempDir()
			check(t, os.WriteFile(filepath.Join(store, "film"), content, 0o600))
			check(t, os.WriteFile(filepath.Join(config, "settings.json"), []byte(seedSettings), 0o600))
			_, seeding, quit := program(t, "transmission-cli", "-M", "-et", "-p", freePort(t), "-g", config, "-w", store, file)
			t.Cleanup(func() {
				if t.Failed() {
					quit()
					t.Logf("transmission:\n%s", seeding)
				}
			})
			count := func() string {
				got := announce(t, s, "127.0.0.1:1", form(infohash, 200, 0))
				return fmt.Sprintf("%d complete, %d incomplete", got.Complete, got.Incomplete)
			}
			until(t, "the seed is known as complete", func() bool { return count() == "1 complete, 0 incomplete" })

			// The other speaks HTTP, whatever the seed does: it is one swarm.
			file, _ = torrentOf(t, content, tracker)
			out := t.TempDir()
			_, leeching, bye := program(t, "aria2c", "--no-conf", "--enable-dht=false", "--enable-dht6=false", "--bt-enable-lpd=false",
				"--enable-peer-exchange=false", "--listen-port="+freePort(t), "--seed-time=60", "--file-allocation=none",
				"--summary-interval=0", "--interface=127.0.0.1", "--dir="+out, file)
			t.Cleanup(func() {
				if t.Failed() {
					bye()
					t.Logf("aria2:\n%s", leeching)
				}
			})
			until(t, "the file has come over", func() bool {
				got, err := os.ReadFile(filepath.Join(out, "film"))
				return err == nil && bytes.Equal(got, content)
			})
			until(t, "both are known as complete", func() bool { return strings.HasPrefix(count(), "2 complete") })
			bye()
			until(t, "the one that left is forgotten", func() bool { return count() == "1 complete, 0 incomplete" })
			if transport == "http" {
				return // Transmission ends before it has said goodbye over HTTP
			}
			quit()
			until(t, "the seed that left is forgotten", func() bool { return count() == "0 complete, 0 incomplete" })
		})
	}
}
