package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// shoal runs a command line to its end.
func shoal(t *testing.T, args ...string) (out, errOut string, code int) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(""), &o, &e)
	return o.String(), e.String(), code
}

// refuses checks that a command line is turned down with one sentence that has says.
func refuses(t *testing.T, says string, args ...string) {
	t.Helper()
	_, stderr, code := shoal(t, args...)
	if code != exitRefused {
		t.Errorf("%v: exit %d, want %d", args, code, exitRefused)
	}
	if strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, says) {
		t.Errorf("%v says %q, want one sentence with %q", args, stderr, says)
	}
}

func absent(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s was made: %v", path, err)
	}
}

func TestAWrongFlagIsRefusedBeforeAnythingIsOpened(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	up := []string{"up", "--http", "127.0.0.1:0", "--rtmp", "127.0.0.1:0"}
	packager := []string{"packager", "--nats", "nats://127.0.0.1:1"}
	keyring := []string{"keyring", "--nats", "nats://127.0.0.1:1"}
	seeder := []string{"seeder", "--nats", "nats://127.0.0.1:1"}
	for _, c := range []struct {
		command []string
		flag    string
		value   string
	}{
		{up, "--idle", "0s"},
		{up, "--idle", "-5s"},
		{up, "--idle", "20h"},
		{up, "--piece", "3s"},
		{up, "--max-bitrate", "fast"},
		{up, "--retention", "59s"},
		{up, "--retention", "-1h"},
		{up, "--fresh", "61s"},
		{up, "--fresh", "0s"},
		{up, "--session-length", "9s"},
		{up, "--session-length", "25h"},
		{up, "--window", "1s"},
		{up, "--window", "11m"},
		{up, "--window-max", "1"},
		{up, "--http", ""},
		{up, "--http", "localhost"},
		{up, "--rtmp", "1935"},
		{up, "--nats-listen", "here"},
		{up, "--public-url", "example.org"},
		{up, "--trace", "localhost:4318"},
		{up, "--tls-cert", "cert.pem"},
		{up, "--tls-key", "key.pem"},
		{up, "--nats-creds", "file"},
		{up, "--data", ""},
		{packager, "--window", "1s"},
		{packager, "--piece", "1ms"},
		{packager, "--retention", "1s"},
		{keyring, "--session-length", "1s"},
		{keyring, "--fresh", "2m"},
		{up, "--torrent", "6881"},
		{up, "--webrtc", "6882"},
		{up, "--tracker-udp", "localhost"},
		{up, "--stun", "x"},
		{up, "--allow-origins", "example.org"},
		{up, "--allow-origins", "https://example.org,https://example.org/page"},
		{up, "--public-ip", "example.org"},
		{up, "--trackers", "ftp://example.org"},
		{up, "--ice-servers", "example.org:3478"},
		{up, "--ice-servers", "turn:turn.example.org"},
		{up, "--turn", "3479"},
		{up, "--turn-rate", "much"},
		{up, "--trackers", "wss:///announce"},
		{up, "--egress", "fast"},
		{up, "--archive-window", "9s"},
		{up, "--archive-window", "3m"},
		{up, "--archive-age", "1s"},
		{up, "--archive-max", "much"},
		{keyring, "--http", "x"},
		{seeder, "--window-max", "x"},
		{seeder, "--http", ""},
		{seeder, "--consent", "always"},
		{up, "--consent", ""},
	} {
		args := append([]string{}, c.command...)
		args = append(args, "--data", data, c.flag+"="+c.value)
		refuses(t, c.flag, args...)
	}
	refuses(t, "--window 2m", append(up, "--data", data, "--retention", "1m", "--window", "2m")...)
	absent(t, data)
}

func TestWhatTheHelpSaysIsAllowedIs(t *testing.T) {
	for _, args := range [][]string{
		{"--idle", "1s", "--retention", "1m", "--fresh", "1m", "--session-length", "10s", "--window", "10s"},
		{"--idle", "1h", "--fresh", "1s", "--session-length", "24h", "--window", "10m", "--http", "[::1]:0"},
	} {
		root, err := parsed(t, append([]string{"up"}, args...)...)
		if err != nil {
			t.Fatal(err)
		}
		c := root.Up
		if err := checkAll(c.dataFlags, c.busFlags, c.ingestFlags, c.retentionFlags, c.keyFlags, c.originFlags, c.httpFlags, keeps{c.Retention, c.Window}); err != nil {
			t.Errorf("%v: %v", args, err)
		}
	}
}

func TestAVariableThatSetsNothingIsRefused(t *testing.T) {
	t.Setenv("SHOAL_SOAK", "1") // tests are told so
	t.Setenv("SHOAL_PORT_1935_TCP", "tcp://10.0.0.1:1935")
	t.Setenv("SHOAL_SERVICE_HOST", "10.0.0.1")
	t.Setenv("SHOAL_LOG_LEVEL", "warn")
	t.Setenv("SHOAL_SESSION_LENGTH", "10s")
	if _, stderr, code := shoal(t, "version"); code != exitOK {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	t.Setenv("SHOAL_RTPM", ":1935")
	refuses(t, "SHOAL_RTPM", "version")
}

func TestThePublicAddressIsWhatFlagsTellOfIt(t *testing.T) {
	for _, c := range [][3]string{
		{"", "", "invalid IP"},
		{"", "https://live.example.org", "invalid IP"},
		{"", "http://127.0.0.1:8080", "invalid IP"},
		{"", "http://203.0.113.7:8080", "203.0.113.7"},
		{"", "https://[2001:db8::7]/", "2001:db8::7"},
		{"198.51.100.1", "http://203.0.113.7:8080", "198.51.100.1"},
	} {
		if got := (swarmFlags{PublicIP: c[0]}).publicIP(c[1]).String(); got != c[2] {
			t.Errorf("--public-ip %q --public-url %q: %s, want %s", c[0], c[1], got, c[2])
		}
	}
}
