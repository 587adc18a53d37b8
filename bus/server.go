package bus

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"golang.org/x/time/rate"
)

// ServerOptions configures an embedded server.
type ServerOptions struct {
	// Dir holds all of its state: <Dir>/auth (keys, 0600) and <Dir>/jetstream.
	Dir string
	// Listen is the host:port of a TCP port for outside services; empty opens none.
	Listen string
	// Log gets the server's warnings and errors; nil discards them.
	Log *slog.Logger
	// MaxStore bounds what JetStream keeps on disk, in bytes; 0 means what the disk
	// has, less a reserve.
	MaxStore int64
}

// Server is a NATS server with JetStream inside this process, in operator mode.
type Server struct {
	ns       *server.Server
	auth     *authority
	disk     *disk
	maxStore int64 // 0: unknown
	started  chan struct{}
}

const (
	// authTimeout is how long a page on a slow network may take for its first word.
	authTimeout = 5 * time.Second
	// pingInterval makes a page that has vanished cost a minute and a half (the server
	// gives up on the third ping that nobody answers).
	pingInterval = 30 * time.Second
)

// startLimit bounds a start: recovering a large PIECES takes seconds, not minutes.
const startLimit = time.Minute

// StartServer starts a server on opts.Dir and returns when it takes connections.
// Its keys are made at the first start and used again afterwards.
func StartServer(ctx context.Context, opts ServerOptions) (*Server, error) {
	log := opts.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(opts.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the bus's directory: %w", err)
	}
	auth, err := openAuthority(filepath.Join(opts.Dir, "auth"))
	if err != nil {
		return nil, err
	}
	s := &Server{auth: auth, disk: newDisk(opts.Dir), started: make(chan struct{})}
	s.maxStore = opts.MaxStore
	if s.maxStore == 0 {
		s.maxStore = s.disk.storable(filepath.Join(opts.Dir, "jetstream"))
	}
	so := &server.Options{
		ServerName:             "shoal",
		DontListen:             opts.Listen == "",
		NoSigs:                 true, // signals are cmd/shoal's
		NoLog:                  true, // logs go to our own logger, below
		JetStream:              true,
		StoreDir:               opts.Dir, // the server adds "jetstream"
		JetStreamMaxMemory:     64 << 20,
		JetStreamMaxStore:      s.maxStore,
		SyncAlways:             true,
		MaxPayload:             maxPayload,
		AuthTimeout:            authTimeout.Seconds(),
		PingInterval:           pingInterval,
		Cluster:                server.ClusterOpts{NoAdvertise: true}, // pages must not learn where services connect
		DisableJetStreamBanner: true,
	}
	if opts.Listen != "" {
		if so.Host, so.Port, err = splitListen(opts.Listen); err != nil {
			return nil, err
		}
	}
	if err := auth.apply(so); err != nil {
		return nil, err
	}
	if s.ns, err = server.NewServer(so); err != nil {
		return nil, fmt.Errorf("configure the NATS server: %w", err)
	}
	fatal := make(chan error, 1)
	s.ns.SetLoggerV2(&serverLog{log: log, fatal: fatal, clients: rate.NewLimiter(clientLines, 10*clientLines)}, false, false, false)
	go func() {
		defer close(s.started)
		s.ns.Start()
	}()
	if err := s.ready(ctx, fatal); err != nil {
		s.Shutdown()
		return nil, err
	}
	return s, nil
}

// ready waits until the server takes connections.
func (s *Server) ready(ctx context.Context, fatal <-chan error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("start the NATS server: not ready after %v", startLimit))
	defer cancel()
	for {
		ok := s.ns.ReadyForConnections(50 * time.Millisecond)
		select {
		case err := <-fatal:
			return fmt.Errorf("start the NATS server: %w", err)
		case <-ctx.Done():
			return context.Cause(ctx)
		default:
		}
		if ok && s.ns.JetStreamEnabled() {
			return nil
		}
	}
}

func splitListen(addr string) (host string, port int, err error) {
	host, p, err := net.SplitHostPort(addr)
	if err == nil {
		port, err = strconv.Atoi(p)
	}
	if err != nil || port < 0 || port > 65535 {
		return "", 0, fmt.Errorf("%q is not an address for the NATS server to listen on: write host:port", addr)
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	return host, port, nil
}

// Shutdown stops the server and waits until its files are closed.
func (s *Server) Shutdown() {
	s.ns.Shutdown()
	s.ns.WaitForShutdown()
	<-s.started
}

// ClientURL is where outside clients connect, empty without a TCP port.
func (s *Server) ClientURL() string {
	if a, ok := s.ns.Addr().(*net.TCPAddr); ok {
		return "nats://" + a.String()
	}
	return ""
}

// CredsFile is the path of the credentials that services use with ClientURL.
func (s *Server) CredsFile() string { return s.auth.credsFile }

// serverLog hands the server's warnings and errors to slog. Its notices tell of its
// own start and stop and are left out.
type serverLog struct {
	log     *slog.Logger
	fatal   chan<- error
	clients *rate.Limiter
}

// clientLines is how many lines a second the log takes about clients: any page can be
// the cause of one, with everything that it may not do.
const clientLines = 2

func (l *serverLog) Warnf(format string, v ...any)  { l.tell(slog.LevelWarn, format, v) }
func (l *serverLog) Errorf(format string, v ...any) { l.tell(slog.LevelError, format, v) }

func (l *serverLog) tell(level slog.Level, format string, v []any) {
	text := fmt.Sprintf(format, v...)
	if strings.Contains(text, " - cid:") && !l.clients.Allow() {
		return
	}
	l.log.Log(context.Background(), level, "nats server", "message", text)
}

// Fatalf keeps the first reason why the server cannot start; the server goes on to
// stop by itself.
func (l *serverLog) Fatalf(format string, v ...any) {
	select {
	case l.fatal <- fmt.Errorf(format, v...):
	default:
	}
}

func (*serverLog) Noticef(string, ...any) {}
func (*serverLog) Debugf(string, ...any)  {}
func (*serverLog) Tracef(string, ...any)  {}
