package main

import (
	"encoding/json"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestVersionNamesTheBuild(t *testing.T) {
	out, stderr, code := shoal(t, "version")
	if code != exitOK || strings.Count(out, "\n") != 1 || !strings.Contains(out, runtime.Version()) {
		t.Errorf("exit %d, says %q and %q", code, out, stderr)
	}
	out, _, code = shoal(t, "version", "--json")
	var build map[string]any
	if err := json.Unmarshal([]byte(out), &build); err != nil || code != exitOK || build["version"] == "" {
		t.Errorf("exit %d, %v: %s", code, err, out)
	}
}

func TestDoctorNamesAPortThatIsTakenAndFails(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	data := filepath.Join(t.TempDir(), "data")
	args := []string{"doctor", "--data", data, "--rtmp", "127.0.0.1:0", "--rtmps", "", "--torrent", "127.0.0.1:0", "--webrtc", "", "--tracker-udp", "127.0.0.1:0", "--stun", ""}
	out, _, code := shoal(t, append(args, "--http", busy.Addr().String(), "--json")...)
	var checks []struct{ Name, Status, What, Do string }
	if err := json.Unmarshal([]byte(out), &checks); err != nil || code != exitFailed {
		t.Fatalf("exit %d, %v: %s", code, err, out)
	}
	found := map[string]string{}
	for _, c := range checks {
		found[c.Name] = c.Status
	}
	if found["--http"] != "FAIL" || found["--rtmp"] != "ok" || found["--torrent"] != "ok" || found["--tracker-udp"] != "ok" || found["ffmpeg"] == "" {
		t.Errorf("found %v", found)
	}
	out, stderr, code := shoal(t, append(args, "--http", "127.0.0.1:0")...)
	// Exit 0 unless this machine lacks something else.
	if (code == exitOK) == strings.Contains(out, "FAIL") || !strings.Contains(out, "disk speed") {
		t.Errorf("exit %d: %s%s", code, out, stderr)
	}
	absent(t, data)
}
