package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/internal/datadir"
	"github.com/shoalcast/shoal/internal/obs"
	"github.com/shoalcast/shoal/internal/proc"
)

// until polls a condition.
func until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("it never came about that %s", what)
		}
	}
}

func TestAKeyringAloneHandsSessionKeysOverAndAnswersOperators(t *testing.T) {
	dir := t.TempDir()
	server, err := bus.StartServer(t.Context(), bus.ServerOptions{Dir: filepath.Join(dir, "nats"), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Shutdown)
	b, err := bus.Connect(t.Context(), bus.Options{Server: server, Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	if err := b.Provision(t.Context(), bus.Limits{}); err != nil {
		t.Fatal(err)
	}
	data, sessions := filepath.Join(dir, "data"), filepath.Join(dir, "sessions")
	if _, stderr, code := shoal(t, "stream", "add", "live", "--data", data); code != exitOK {
		t.Fatal(stderr)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan string, 1)
	go func() {
		var log bytes.Buffer
		code := run(ctx, []string{
			"keyring", "--data", data, "--sessions", sessions, "--http", "127.0.0.1:0",
			"--nats", server.ClientURL(), "--nats-creds", server.CredsFile(),
		}, nil, io.Discard, &log)
		ended <- fmt.Sprint("exit ", code, "\n", &log)
	}()
	var at datadir.Running
	until(t, "the keyring is up", func() bool {
		select {
		case said := <-ended:
			t.Fatal(said)
		default:
		}
		at, err = datadir.Find(data)
		return err == nil
	})
	res, err := http.Get(at.HTTP + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("/readyz answers %s", res.Status)
	}
	if keys, err := filepath.Glob(filepath.Join(sessions, "*", "*.key")); err != nil || len(keys) != 1 {
		t.Errorf("the folder of session keys holds %v, %v", keys, err)
	}
	absent(t, filepath.Join(data, sessionsDir))
	cancel()
	if said := <-ended; !strings.HasPrefix(said, "exit 0") {
		t.Error(said)
	}
}

// bare is a node on nothing.
func bare(log io.Writer) *node {
	return &node{
		log: slog.New(slog.NewJSONHandler(log, nil)), mux: http.NewServeMux(),
		reg: obs.NewRegistry(obs.BuildInfo()), connections: maxConnections,
	}
}

func TestTooManyConnectionsWaitForOthersToEnd(t *testing.T) {
	n := bare(io.Discard)
	n.connections = 2
	if err := n.listenHTTP(httpFlags{HTTP: "127.0.0.1:0"}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- n.group.Run(ctx) }()
	defer func() {
		cancel()
		<-stopped
	}()
	ask := func() (net.Conn, <-chan error) {
		c, err := net.Dial("tcp", strings.TrimPrefix(n.running.HTTP, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if _, err := io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: shoal\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		answered := make(chan error, 1)
		go func() {
			_, err := bufio.NewReader(c).ReadString('\n')
			answered <- err
		}()
		return c, answered
	}
	first, answered := ask()
	if err := <-answered; err != nil {
		t.Fatal(err)
	}
	if _, answered = ask(); <-answered != nil {
		t.Fatal("the second was not answered")
	}
	_, answered = ask()
	select {
	case <-answered:
		t.Fatal("the third was answered while two were open")
	case <-time.After(100 * time.Millisecond):
	}
	_ = first.Close()
	if err := <-answered; err != nil {
		t.Errorf("when there was room, the third got %v", err)
	}
}

func TestEvenWhatHangsEndsWithinThreeSeconds(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	ctx, cancel := context.WithCancel(t.Context())
	var began time.Time
	flags := nodeFlags{data: dataFlags{filepath.Join(t.TempDir(), "data")}}
	err := serve(ctx, &Common{LogLevel: "error"}, terminal{err: io.Discard}, flags, func(_ context.Context, n *node) (func() error, error) {
		n.closers = append(n.closers, func() { <-release })
		for _, stage := range []proc.Stage{proc.Intake, proc.Service, proc.Base} {
			n.group.Add(stage, fmt.Sprint("stuck", stage), func(context.Context) error {
				<-release
				return nil
			})
		}
		return func() error {
			began = time.Now()
			cancel()
			return nil
		}, nil
	})
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %s", took)
	}
	if err == nil || !strings.Contains(err.Error(), "stuck0") {
		t.Errorf("what hung is not named: %v", err)
	}
}

func TestACertificateThatCannotBeReadIsLogged(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cert.pem")
	if err := os.WriteFile(file, []byte("half written"), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	c := &certificate{certFile: file, keyFile: file, log: slog.New(slog.NewJSONHandler(&log, nil))}
	if _, err := c.get(nil); err != nil {
		t.Fatal(err)
	}
	var line map[string]string
	if err := json.Unmarshal(log.Bytes(), &line); err != nil || !strings.Contains(line[obs.KeyError], file) {
		t.Errorf("the log says %s", &log)
	}
}
