package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/net/netutil"

	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest"
	"github.com/shoalcast/shoal/internal/atomicfile"
	"github.com/shoalcast/shoal/internal/datadir"
	"github.com/shoalcast/shoal/internal/obs"
	"github.com/shoalcast/shoal/internal/proc"
)

// node is one running process: what all services in it share, and the group they run
// in. Its methods add parts; run starts them and waits.
type node struct {
	common *Common
	log    *slog.Logger
	level  *slog.LevelVar
	dir    *datadir.Dir
	bus    *bus.Bus
	server *bus.Server // nil: the bus is an outside one
	reg    *prometheus.Registry
	trace  *obs.Tracing
	cert   *certificate

	group proc.Group
	ready readiness
	mux   *http.ServeMux

	connections int // how many HTTP ones are open at most
	running     datadir.Running
	reloads     []func(context.Context) error
	pull        pulls // nil where no ingest runs
	closers     []func()
	dashToken   string    // of the dashboard, where this start made it: it is to be printed
	stopBy      time.Time // when the process must be gone; set once it begins to stop
}

// nodeFlags are those that every service has.
type nodeFlags struct {
	data  dataFlags
	bus   busFlags
	http  httpFlags
	tls   tlsFlags
	trace traceFlags
}

func (f nodeFlags) check() error {
	return first(f.data.check(), f.bus.check(), f.http.check(), f.tls.check(), f.trace.check())
}

// serve runs a node: build adds its parts and returns what to call once all are ready.
func serve(ctx context.Context, c *Common, t terminal, f nodeFlags, build func(context.Context, *node) (func() error, error)) error {
	if err := checkAll(f); err != nil {
		return err
	}
	starting, signals := catchSignals(ctx)
	defer signals.release()
	failed := func(err error) error {
		if starting.Err() == nil {
			return err
		}
		return nil // it was told to stop before it had started
	}
	n, err := openNode(starting, c, t.err, f)
	if err != nil {
		return failed(err)
	}
	defer n.close()
	if err := n.listenHTTP(f.http); err != nil {
		return failed(err)
	}
	started, err := build(starting, n)
	if err != nil {
		return failed(err)
	}
	return n.run(ctx, signals, started)
}

// newLogger makes the process's logger, whose level can change later.
func newLogger(c *Common, stderr io.Writer) (*slog.Logger, *slog.LevelVar, func(), error) {
	level := new(slog.LevelVar)
	parsed, err := obs.ParseLevel(c.LogLevel)
	if err != nil {
		return nil, nil, nil, refused(err)
	}
	level.Set(parsed)
	w, done := stderr, func() {}
	if c.LogFile != "" {
		f, err := obs.OpenLogFile(c.LogFile)
		if err != nil {
			return nil, nil, nil, refused(err)
		}
		w, done = f, func() { _ = f.Close() }
	}
	log, err := obs.NewLogger(w, c.LogFormat, level)
	if err != nil {
		done()
		return nil, nil, nil, refused(err)
	}
	return log, level, done, nil
}

// openNode opens the data directory and what every service stands on. Close it.
func openNode(ctx context.Context, c *Common, stderr io.Writer, f nodeFlags) (_ *node, err error) {
	tuneMemory()
	log, level, closeLog, err := newLogger(c, stderr)
	if err != nil {
		return nil, err
	}
	n := &node{common: c, log: log, level: level, mux: http.NewServeMux(), connections: maxConnections, closers: []func(){closeLog}}
	n.reloads = append(n.reloads, n.reloadLevel)
	defer func() {
		if err != nil {
			n.close()
		}
	}()
	if n.cert, err = loadTLS(f.tls, log); err != nil {
		return nil, refused(err)
	}
	if n.dir, err = datadir.Open(f.data.Data); err != nil {
		return nil, refused(err)
	}
	n.closers = append(n.closers, func() { _ = n.dir.Close() })
	build := obs.BuildInfo()
	n.reg = obs.NewRegistry(build)
	if f.trace.Trace != "" {
		n.trace, err = obs.StartTracing(ctx, obs.TraceOptions{URL: f.trace.Trace, Build: build, Log: log})
		if err != nil {
			return nil, refused(err)
		}
		n.closers = append(n.closers, n.flushTraces)
	}
	n.running = datadir.Running{PID: os.Getpid(), Version: build.Version, Started: time.Now()}
	if err := n.connect(ctx, f.bus); err != nil {
		return nil, refused(err)
	}
	return n, nil
}

const traceFlush = 500 * time.Millisecond

func (n *node) flushTraces() {
	ctx, cancel := context.WithTimeout(context.Background(), traceFlush)
	defer cancel()
	if err := n.trace.Shutdown(ctx); err != nil {
		n.log.Debug("the last traces were not sent", obs.KeyError, err)
	}
}

// connect reaches the bus: an outside server, or one started here.
func (n *node) connect(ctx context.Context, b busFlags) error {
	opts := bus.Options{URL: b.NATS, Creds: b.NATSCreds, Name: "shoal", Log: n.log}
	if b.NATS == "" {
		server, err := bus.StartServer(ctx, bus.ServerOptions{
			Dir: n.dir.Path("nats"), Listen: b.NATSListen, Log: n.log.With(obs.KeyService, "nats"),
		})
		if err != nil {
			return fmt.Errorf("start the embedded bus: %w", err)
		}
		n.closers = append(n.closers, server.Shutdown)
		opts.Server, n.server = server, server
		if b.NATSListen != "" {
			n.running.NATS = server.ClientURL()
		}
	}
	var err error
	if n.bus, err = bus.Connect(ctx, opts); err != nil {
		return fmt.Errorf("connect to the bus: %w", err)
	}
	n.closers = append(n.closers, n.bus.Close)
	return nil
}

// provision brings the bus's streams to what the window wants. Only the process that
// owns the bus or runs the packager does it.
func (n *node) provision(ctx context.Context, o originFlags, piece time.Duration) error {
	if err := n.bus.Provision(ctx, bus.Limits{Window: o.Window, Piece: piece}); err != nil {
		return refused(fmt.Errorf("prepare the bus: %w", err))
	}
	return nil
}

// maxConnections is how many HTTP connections are open at once; more wait to be
// accepted. Each costs a descriptor and some 20 kB: with half of the 65,536 descriptors
// that deploy/shoal.service asks for, publishers and files are never crowded out.
const maxConnections = 8192

// listenHTTP opens the address for pages, origin and operators.
func (n *node) listenHTTP(h httpFlags) error {
	if h.HTTP == "" {
		return nil
	}
	l, err := listen("--http", h.HTTP)
	if err != nil {
		return err
	}
	scheme := "http"
	addr := l.Addr().String()
	l = netutil.LimitListener(l, n.connections)
	if n.cert != nil {
		scheme = "https"
		l = tls.NewListener(l, n.cert.config("h2", "http/1.1"))
	}
	n.running.HTTP = scheme + "://" + reachable(addr)
	operatorRoutes(n.mux, &n.ready, obs.Handler(n.reg))
	n.group.Add(proc.Intake, "http", func(ctx context.Context) error {
		return serveHTTP(ctx, l, n.mux, n.log)
	})
	return nil
}

// mediaListeners opens the RTMP addresses, and the RTMPS one where there is a certificate.
func (n *node) mediaListeners(i ingestFlags) ([]net.Listener, error) {
	var out []net.Listener
	if i.RTMP != "" {
		l, err := listen("--rtmp", i.RTMP)
		if err != nil {
			return nil, err
		}
		n.running.RTMP = "rtmp://" + reachable(l.Addr().String()) + "/live"
		out = append(out, l)
	}
	if i.RTMPS != "" && n.cert != nil {
		l, err := listen("--rtmps", i.RTMPS)
		if err != nil {
			return nil, err
		}
		n.running.RTMPS = "rtmps://" + reachable(l.Addr().String()) + "/live"
		out = append(out, tls.NewListener(l, n.cert.config()))
	}
	if len(out) == 0 {
		if i.SRT == "" {
			return nil, refused(errors.New("no way in: set --rtmp, --srt, or --rtmps with --tls-cert and --tls-key"))
		}
	}
	return out, nil
}

// listenSRT opens the SRT address, if there is one and the library for it.
func (n *node) listenSRT(ctx context.Context, s *ingest.Service, i ingestFlags) error {
	if i.SRT == "" {
		return nil
	}
	addr, err := s.ListenSRT(ctx, i.SRT, ingest.SRTOptions{Passphrase: i.SRTPass, Latency: i.SRTLatency})
	switch {
	case errors.Is(err, ingest.ErrNoSRT):
		n.log.Warn("SRT is off", obs.KeyError, err)
		return nil
	case err != nil:
		return refused(fmt.Errorf("open --srt: %w", err))
	}
	at := url.URL{Scheme: "srt", Host: reachable(addr.String())}
	if i.SRTPass != "" {
		at.RawQuery = url.Values{"passphrase": {i.SRTPass}}.Encode()
	}
	n.running.SRT = at.String()
	return nil
}

// instance names this run of a service.
func (n *node) instance() (event.Instance, error) {
	name, err := n.name()
	return event.Instance(name + "/" + randomHex(6)), err
}

// name returns this node's own, made at its first start.
func (n *node) name() (string, error) {
	path := n.dir.Path("node")
	b, err := os.ReadFile(path)
	if err == nil {
		return strings.TrimSpace(string(b)), nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("read the node's name: %w", err)
	}
	name := randomHex(8)
	if err := atomicfile.Write(path, []byte(name+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("write the node's name: %w", err)
	}
	return name, nil
}

func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: crypto/rand
	return hex.EncodeToString(b)
}

// reload does what SIGHUP and the control socket ask for.
func (n *node) reload(ctx context.Context) error {
	var errs []error
	for _, f := range n.reloads {
		errs = append(errs, f(ctx))
	}
	return errors.Join(errs...)
}

// reloadLevel reads the log level again from where it was configured.
func (n *node) reloadLevel(context.Context) error {
	var again commands
	parser, err := newParser(&again, io.Discard, io.Discard)
	if err != nil {
		return err
	}
	if _, err := parse(parser, n.common.args); err != nil {
		return fmt.Errorf("the configuration was not reloaded: %w", err)
	}
	level, err := obs.ParseLevel(again.LogLevel)
	if err != nil {
		return err
	}
	n.level.Set(level)
	return nil
}

// A clean stop takes at most stopLimit, which is less than the three seconds that
// Ctrl-C promises: the parts in order first (stopGrace, and half a second for those that
// must be aborted), then the rest for what they stood on.
const (
	stopGrace = 1500 * time.Millisecond
	stopLimit = 2800 * time.Millisecond
)

// run starts everything added, announces it, calls started once all is ready, and
// waits for a signal or the first failure.
func (n *node) run(ctx context.Context, s *signals, started func() error) error {
	if err := n.control(s.reload); err != nil {
		return err
	}
	n.group.Signals = s.stop
	n.group.Grace = stopGrace
	n.group.Stopping = func(error) { n.stopBy = time.Now().Add(stopLimit) }
	n.group.Add(proc.Service, "start", func(ctx context.Context) error {
		if !n.ready.all(ctx) {
			return nil
		}
		if err := started(); err != nil {
			return err
		}
		// Last: whoever waits for it may use everything.
		if err := n.dir.Announce(n.running); err != nil {
			return err
		}
		n.log.Info("ready", "http", n.running.HTTP, "rtmp", n.running.RTMP)
		<-ctx.Done()
		return nil
	})
	return n.group.Run(ctx)
}

// control opens the control socket and heeds hup.
func (n *node) control(hup <-chan os.Signal) error {
	path, err := n.dir.ControlSocket()
	if err != nil {
		return refused(err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return refused(fmt.Errorf("open the control socket %s: %w", path, err))
	}
	n.running.Control = path
	n.group.Add(proc.Intake, "control", func(ctx context.Context) error {
		return serveHTTP(ctx, l, controlHandler(n.reload, n.pull, n.log), n.log)
	})
	n.group.Add(proc.Service, "reload", func(ctx context.Context) error {
		for {
			select {
			case <-hup:
				if err := n.reload(ctx); err != nil {
					n.log.Warn("not everything was reloaded", obs.KeyError, err)
					continue
				}
				n.log.Info("reloaded")
			case <-ctx.Done():
				return nil
			}
		}
	})
	return nil
}

// close gives back what openNode took, the newest first. What does not end in time is
// left to the end of the process, as after a crash.
func (n *node) close() {
	if n.stopBy.IsZero() {
		n.stopBy = time.Now().Add(stopLimit)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := len(n.closers) - 1; i >= 0; i-- {
			n.closers[i]()
		}
	}()
	select {
	case <-done:
	case <-time.After(time.Until(n.stopBy)):
		n.log.Warn("not everything stopped in time", obs.KeyTook, stopLimit)
	}
}
