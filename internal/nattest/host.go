package nattest

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// Host is a machine with a network of its own.
type Host struct {
	t   testing.TB
	pid int // of the process that holds its namespace
}

// newHost makes a host without any network but loopback, by a command that runs unshare.
func newHost(t testing.TB, unshare *exec.Cmd) *Host {
	t.Helper()
	in, err := unshare.StdinPipe()
	if err != nil {
		t.Fatalf("hold a network namespace: %v", err)
	}
	out, err := unshare.StdoutPipe()
	if err != nil {
		t.Fatalf("hold a network namespace: %v", err)
	}
	var complaint strings.Builder
	unshare.Stderr = &complaint
	if err := unshare.Start(); err != nil {
		t.Fatalf("make a network namespace: %v", err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = unshare.Wait()
	})
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		_ = unshare.Wait() // nothing is written to complaint after that
		t.Fatalf("make a network namespace, which needs root or user namespaces: %s", &complaint)
	}
	h := &Host{t: t, pid: unshare.Process.Pid}
	h.sh("ip link set lo up")
	return h
}

// hold keeps a namespace until its input ends, and says when it is there.
var hold = []string{"sh", "-c", "echo here && exec cat"}

// first makes the host whose rights the others share.
func first(t testing.TB) *Host {
	t.Helper()
	args := []string{"--net"}
	if os.Geteuid() != 0 {
		args = append(args, "--map-root-user")
	}
	return newHost(t, exec.Command("unshare", append(args, hold...)...))
}

// beside makes another host.
func (h *Host) beside() *Host {
	h.t.Helper()
	return newHost(h.t, h.Command("unshare", append([]string{"--net"}, hold...)...))
}

// Command returns a command that runs on the host. It takes the place of the process that
// is started, so that signals reach it.
func (h *Host) Command(name string, args ...string) *exec.Cmd {
	enter := []string{"--target", h.id(), "--net"}
	if os.Geteuid() != 0 {
		enter = append(enter, "--user", "--preserve-credentials")
	}
	return exec.Command("nsenter", append(append(enter, name), args...)...)
}

// id names the host's namespace to ip.
func (h *Host) id() string { return strconv.Itoa(h.pid) }

// sh runs a script on the host, which must succeed. It finds args as $1 and so on.
func (h *Host) sh(script string, args ...any) {
	h.t.Helper()
	// Debian's users have no /usr/sbin, where ip and nft are.
	all := []string{"-ec", "PATH=$PATH:/usr/sbin;" + script, "sh"}
	for _, a := range args {
		all = append(all, fmt.Sprint(a))
	}
	if out, err := h.Command("sh", all...).CombinedOutput(); err != nil {
		h.t.Fatalf("set a network up (make setup installs what that needs): %v: %s", err, out)
	}
}
