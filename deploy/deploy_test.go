package deploy

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
)

// onPath replaces the program that the unit starts with one that this machine has,
// since the verifier asks whether it is there.
func onPath(t *testing.T, unit string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "shoal")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	const installed = "/usr/local/bin/shoal"
	if !strings.Contains(unit, "ExecStart="+installed+" ") {
		t.Fatalf("the unit does not start %s", installed)
	}
	return strings.ReplaceAll(unit, "ExecStart="+installed, "ExecStart="+program)
}

func verify(t *testing.T, unit string, args ...string) (string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "shoal.service")
	if err := os.WriteFile(path, []byte(unit), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("systemd-analyze", append(args, path)...).CombinedOutput()
	return string(out), err
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestSystemdAcceptsTheUnit(t *testing.T) {
	unit := onPath(t, read(t, "shoal.service"))
	if out, err := verify(t, unit, "verify", "--man=no", "--recursive-errors=no"); err != nil || out != "" {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	// It would have noticed a slip.
	if out, err := verify(t, strings.Replace(unit, "ProtectSystem=strict", "ProtectSytem=strict", 1), "verify", "--man=no", "--recursive-errors=no"); err == nil && out == "" {
		t.Error("systemd-analyze verify accepts an unknown key, so its silence means nothing")
	}
}

func TestTheUnitIsHardened(t *testing.T) {
	out, err := verify(t, onPath(t, read(t, "shoal.service")), "security", "--offline=yes", "--no-pager", "--threshold=15")
	if err != nil {
		t.Errorf("systemd-analyze security: exposure above 1.5: %v\n%s", err, out)
	}
}

func TestTheContainerRunsAsNobodySpecial(t *testing.T) {
	file := read(t, "Dockerfile")
	last := file[strings.LastIndex(file, "\nFROM "):]
	for _, want := range []string{`(?m)^USER shoal$`, `(?m)^VOLUME /data$`, `(?m)^HEALTHCHECK `, `(?m)^FROM debian:\w+-slim$`} {
		if !regexp.MustCompile(want).MatchString(last) {
			t.Errorf("the image that is shipped lacks %s", want)
		}
	}
}

// healthcheck is the command by which the container is asked how it is, sent to addr.
func healthcheck(t *testing.T, addr string) *exec.Cmd {
	t.Helper()
	found := regexp.MustCompile(`(?s)\nHEALTHCHECK .*?\n  CMD (.*?)\n`).FindStringSubmatch(read(t, "Dockerfile"))
	if found == nil || !strings.Contains(found[1], "127.0.0.1:8080") {
		t.Fatal("the image's health check does not ask 127.0.0.1:8080")
	}
	return exec.Command("sh", "-c", strings.ReplaceAll(found[1], "127.0.0.1:8080", addr))
}

func TestTheContainersHealthIsSeenWithAndWithoutTLS(t *testing.T) {
	for name, start := range map[string]func(*httptest.Server){"HTTP": (*httptest.Server).Start, "HTTPS": (*httptest.Server).StartTLS} {
		var healthy atomic.Bool
		healthy.Store(true)
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !healthy.Load() || r.URL.Path != "/healthz" {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}))
		s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
		start(s)
		addr := s.Listener.Addr().String()
		if out, err := healthcheck(t, addr).CombinedOutput(); err != nil {
			t.Errorf("%s: healthy, it says %v\n%s", name, err, out)
		}
		healthy.Store(false)
		if healthcheck(t, addr).Run() == nil {
			t.Errorf("%s: ill, it says nothing", name)
		}
		s.Close()
	}
}
