package e2e

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAStartThatCannotSucceedSaysWhyInOneSentence(t *testing.T) {
	t.Parallel()
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	busyUDP, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busyUDP.Close()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	newer := filepath.Join(dir, "newer")
	config := filepath.Join(dir, "bad.yaml")
	for name, content := range map[string]string{file: "x", filepath.Join(newer, "FORMAT"): "999\n", config: "rtpm: :1935\n"} {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	running := up(t)
	fresh := func(args ...string) []string {
		return append(append([]string{"up", "--data", filepath.Join(t.TempDir(), "d")}, anywhere...), args...)
	}
	for _, c := range []struct {
		name string
		args []string
		says string
	}{
		{"a port that is taken", fresh("--http", busy.Addr().String()), busy.Addr().String()},
		{"an RTMP port that is taken", fresh("--rtmp", busy.Addr().String()), busy.Addr().String()},
		{"a BitTorrent port that is taken", fresh("--torrent", busy.Addr().String()), "--torrent " + busy.Addr().String()},
		{"a WebRTC port that is taken", fresh("--webrtc", busyUDP.LocalAddr().String()), "--webrtc " + busyUDP.LocalAddr().String()},
		{"a tracker port that is taken", fresh("--tracker-udp", busyUDP.LocalAddr().String()), "--tracker-udp " + busyUDP.LocalAddr().String()},
		{"a STUN port that is taken", fresh("--stun", busyUDP.LocalAddr().String()), "--stun " + busyUDP.LocalAddr().String()},
		{"a data directory that cannot be written", fresh("--data", filepath.Join(file, "d")), file},
		{"a data directory of a newer version", fresh("--data", newer), "newer"},
		{"a data directory in use", fresh("--data", running.data), running.data},
		{"an unknown flag", fresh("--nonsense"), "--nonsense"},
		{"an unknown key", fresh("--config", config), "rtpm"},
		{"a missing configuration", fresh("--config", filepath.Join(dir, "none.yaml")), "none.yaml"},
		{"a bad value", fresh("--piece", "3s"), "--piece"},
		{"a bad rate", fresh("--max-bitrate", "fast"), "--max-bitrate"},
		{"half a certificate", fresh("--tls-cert", file), "--tls-key"},
		{"a certificate that is none", fresh("--tls-cert", file, "--tls-key", file), file},
		{"a bad public URL", fresh("--public-url", "example.org"), "--public-url"},
		{"a public address that is none", fresh("--public-ip", "here"), "--public-ip"},
		{"a tracker that is none", fresh("--trackers", "example.org"), "--trackers"},
		{"an archive window too short", fresh("--archive-window", "1s"), "--archive-window"},
		{"a service alone without a bus", []string{"ingest", "--data", filepath.Join(dir, "i")}, "--nats"},
		{"a bad stream name", []string{"stream", "add", "No Spaces", "--data", filepath.Join(dir, "s")}, "not a stream name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, stderr, code := runShoal(t, c.args...)
			if code != 2 {
				t.Errorf("exit %d, want 2", code)
			}
			if lines := strings.Count(strings.TrimSpace(stderr), "\n") + 1; lines != 1 || !strings.Contains(stderr, c.says) {
				t.Errorf("says %q, want one sentence with %q", stderr, c.says)
			}
		})
	}
}
