package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/shoalcast/shoal/internal/datadir"
	"github.com/shoalcast/shoal/internal/nattest"
)

// binary is the shoal that the tests run, built once from this tree.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "shoal-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, "shoal")
	build := exec.Command("go", "build", "-o", binary, "../cmd/shoal")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "e2e: build shoal: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// instance is a running `shoal up`, or one of its services alone.
type instance struct {
	t       *testing.T
	cmd     *exec.Cmd
	service string        // what runs alone; "" for up
	host    *nattest.Host // where it runs; nil: on this machine
	data    string
	args    []string
	quiet   bool // leave the log level to args
	at      datadir.Running
	log     *logBuffer
	out     *logBuffer
	done    chan struct{}
}

// up starts `shoal up` on a fresh data directory and ports of its own.
func up(t *testing.T, args ...string) *instance {
	t.Helper()
	i := &instance{t: t, data: filepath.Join(t.TempDir(), "data"), args: args}
	i.start()
	t.Cleanup(i.kill)
	return i
}

func (i *instance) start() {
	i.t.Helper()
	args := append([]string{i.service, "--data", i.data}, i.args...)
	if i.service == "" {
		args = append(append([]string{"up", "--data", i.data}, i.addresses()...), i.args...)
		if !slices.Contains(i.args, "--clickhouse") { // whose process most tests have no use for
			args = append(args, "--clickhouse", "none")
		}
	}
	if !i.quiet {
		args = append(args, "--log-level", "debug")
	}
	i.log, i.out, i.done = &logBuffer{}, &logBuffer{}, make(chan struct{})
	i.cmd = exec.Command(binary, args...)
	if i.host != nil {
		i.cmd = i.host.Command(binary, args...)
	}
	i.cmd.Stdout, i.cmd.Stderr = i.out, i.log
	if err := i.cmd.Start(); err != nil {
		i.t.Fatalf("start shoal: %v", err)
	}
	go func() {
		_ = i.cmd.Wait()
		close(i.done)
	}()
	waitFor(i.t, 20*time.Second, "shoal "+args[0]+" to be ready", func() bool {
		select {
		case <-i.done:
			i.t.Fatalf("shoal %s ended: %s", args[0], i.log)
		default:
		}
		at, err := datadir.Find(i.data)
		if err != nil {
			return false
		}
		i.at = at
		return true
	})
}

// anywhere are the addresses of `shoal up` where the machine has room.
var anywhere = []string{
	"--http", "127.0.0.1:0", "--rtmp", "127.0.0.1:0", "--torrent", "127.0.0.1:0", "--webrtc", "127.0.0.1:0",
	"--tracker-udp", "127.0.0.1:0", "--stun", "127.0.0.1:0", "--srt", "",
}

// addresses are anywhere at first; a restart keeps them, as a server would.
func (i *instance) addresses() []string {
	switch {
	case i.host != nil:
		return []string{"--http", nattest.ServerAddr + ":8080"} // it has all ports to itself
	case i.at.HTTP == "":
		return anywhere
	}
	return []string{
		"--http", strings.TrimPrefix(i.at.HTTP, "http://"),
		"--rtmp", strings.TrimSuffix(strings.TrimPrefix(i.at.RTMP, "rtmp://"), "/live"),
		"--torrent", i.at.Torrent, "--webrtc", "127.0.0.1:0",
		"--tracker-udp", strings.TrimPrefix(i.at.TrackerUDP, "udp://"), "--stun", strings.TrimPrefix(i.at.STUN, "stun:"), "--srt", "",
	}
}

// kill ends the instance as a power cut would.
func (i *instance) kill() {
	_ = i.cmd.Process.Kill()
	<-i.done
}

// stop ends it as Ctrl-C would, and returns how long that took.
func (i *instance) stop() time.Duration {
	began := time.Now()
	_ = i.cmd.Process.Signal(syscall.SIGINT)
	<-i.done
	return time.Since(began)
}

// stream is what `shoal stream add --json` prints.
type stream struct {
	Name       string `json:"name"`
	ID         string `json:"stream_id"`
	PublishKey string `json:"publish_key"`
	RTMP       string `json:"rtmp_url"`
	SRT        string `json:"srt_url"`
	Watch      string `json:"watch_url"`
}

func (i *instance) addStream(name string) stream {
	i.t.Helper()
	out := i.shoal("stream", "add", name, "--data", i.data, "--json")
	var s stream
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		i.t.Fatalf("stream add printed %q: %v", out, err)
	}
	return s
}

// shoal runs a command that must succeed and returns its standard output.
func (i *instance) shoal(args ...string) string {
	i.t.Helper()
	out, errOut, code := runShoal(i.t, args...)
	if code != 0 {
		i.t.Fatalf("shoal %s: exit %d: %s", strings.Join(args, " "), code, errOut)
	}
	return out
}

// runShoal runs a command to its end.
func runShoal(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir = t.TempDir()
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("run shoal: %v", err)
	}
	return out.String(), errOut.String(), cmd.ProcessState.ExitCode()
}

// get fetches a path of the instance.
func (i *instance) get(path string) (status int, body []byte, h http.Header) {
	i.t.Helper()
	ctx, cancel := context.WithTimeout(i.t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, i.at.HTTP+path, nil)
	if err != nil {
		i.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		i.t.Fatalf("get %s: %v", path, err)
	}
	defer res.Body.Close()
	body, err = io.ReadAll(res.Body)
	if err != nil {
		i.t.Fatalf("get %s: %v", path, err)
	}
	return res.StatusCode, body, res.Header
}

// live waits until the stream has a playlist with at least one part.
func (i *instance) live(name string) {
	i.t.Helper()
	waitFor(i.t, 20*time.Second, name+" to be live", func() bool {
		status, body, _ := i.get("/live/" + name + "/v0/index.m3u8")
		return status == http.StatusOK && bytes.Contains(body, []byte("#EXT-X-PART:"))
	})
}

type process struct {
	cmd  *exec.Cmd
	log  *logBuffer
	done chan struct{}
}

func background(t *testing.T, name string, args ...string) *process {
	t.Helper()
	return run(t, exec.Command(name, args...))
}

// run starts a command that runs until the test ends at the latest.
func run(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{cmd: cmd, log: &logBuffer{}, done: make(chan struct{})}
	p.cmd.Stderr = p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s (make setup installs it): %v", cmd.Path, err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(p.kill)
	return p
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// wait waits for the process's own end and returns its exit code.
func (p *process) wait(t *testing.T, timeout time.Duration) int {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(timeout):
		t.Fatalf("%s did not end within %s: %s", p.cmd.Path, timeout, p.log)
	}
	return p.cmd.ProcessState.ExitCode()
}

// testPicture is a synthetic camera in real time: a moving picture and a tone.
func testPicture(size string, fps int) []string {
	return []string{
		"-re", "-f", "lavfi", "-i", fmt.Sprintf("testsrc2=size=%s:rate=%d", size, fps),
		"-re", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000",
	}
}

// plain are the settings of an encoder that costs little.
var plain = []string{"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "30", "-c:a", "aac"}

func publish(t *testing.T, s stream, args ...string) *process {
	t.Helper()
	return background(t, "ffmpeg", camera(s, args...)...)
}

// camera are ffmpeg's arguments to publish a picture, as plain says if nothing else is
// said.
func camera(s stream, args ...string) []string {
	if len(args) == 0 {
		args = plain
	}
	quietly := []string{"-hide_banner", "-loglevel", "warning", "-nostdin"}
	return slices.Concat(quietly, testPicture("320x180", 30), args, []string{"-f", "flv", s.RTMP})
}

// encoder publishes until the test ends or stop is called, and reconnects whenever it
// is cut off, as OBS does.
func encoder(t *testing.T, s stream) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	args := append([]string{"-hide_banner", "-loglevel", "error", "-nostdin"}, testPicture("320x180", 30)...)
	args = append(args, plain...)
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			_ = exec.CommandContext(ctx, "ffmpeg", append(args, "-f", "flv", s.RTMP)...).Run()
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	}()
	stop = func() {
		cancel()
		<-ended
	}
	t.Cleanup(stop)
	return stop
}

// freePort returns a loopback address that nobody listens on now.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// waitFor polls until ok or fails the test.
func waitFor(t *testing.T, timeout time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(timeout)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited %s in vain for %s", timeout, what)
		}
	}
}

// logBuffer keeps what a process printed.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func contains(l *logBuffer, s string) bool { return strings.Contains(l.String(), s) }
