package chdb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Options say what Serve serves. Zero fields take the defaults.
type Options struct {
	Listener       net.Listener  // on loopback; Serve closes it
	Library        string        // path of libchdb.so, as Find returns it
	Path           string        // directory of the engine's data and configuration
	Password       string        // of Owner
	ReaderPassword string        // of Reader
	Memory         int64         // most bytes that the engine allocates; default DefaultMemory
	Statements     int           // most that run at once; default 8
	Waiting        int           // most that wait for their turn; default 64
	Grace          time.Duration // how long statements may still run once ctx has ended; default 3 s
	Log            *slog.Logger
}

// patience is how long a statement waits for its turn.
const patience = 10 * time.Second

func (o Options) withDefaults() Options {
	if o.Memory <= 0 {
		o.Memory = DefaultMemory()
	}
	if o.Statements <= 0 {
		o.Statements = 8
	}
	if o.Waiting <= 0 {
		o.Waiting = 64
	}
	if o.Grace <= 0 {
		o.Grace = 3 * time.Second
	}
	return o
}

// Serve opens the engine at o.Path and serves ClickHouse's HTTP interface until ctx ends.
// Then it takes no more statements, lets those that run finish within o.Grace, ends the
// others, and closes the engine. It is for a process of its own: the library cannot be
// unloaded, and a fault in it ends the process.
func Serve(ctx context.Context, o Options) error {
	o = o.withDefaults()
	defer o.Listener.Close()
	if err := check(o); err != nil {
		return err
	}
	lib, err := load(o.Library)
	if err != nil {
		return err
	}
	engine, err := openEngine(lib, o.Path, o.Memory)
	if err != nil {
		return err
	}
	o.Log.InfoContext(ctx, "ClickHouse is up", "version", engine.server.version, "library", lib.version(), "addr", o.Listener.Addr().String())

	running, abort := context.WithCancel(context.WithoutCancel(ctx))
	defer abort()
	h := &handler{engine: engine, users: users{o.Password, o.ReaderPassword}, gate: newGate(o.Statements, o.Waiting, patience)}
	server := &http.Server{
		Handler:           h.mux(),
		BaseContext:       func(net.Listener) context.Context { return running },
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    maxText + 64<<10, // a statement may be in the URL
		ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(o.Listener) }()
	select {
	case err = <-ended:
		err = fmt.Errorf("serve ClickHouse's HTTP interface: %w", err)
	case <-ctx.Done():
	}
	// An engine that is closed under a statement would crash; the process ends anyway.
	if late := stop(server, h.gate, abort, o.Grace); late != nil {
		return errors.Join(err, late)
	}
	engine.close()
	return err
}

// check refuses what would let others than this machine's own processes in.
func check(o Options) error {
	a, ok := o.Listener.Addr().(*net.TCPAddr)
	if !ok || !a.IP.IsLoopback() {
		return fmt.Errorf("serve ClickHouse's HTTP interface at %s: it is for loopback only, since it has no TLS", o.Listener.Addr())
	}
	if o.Password == "" || o.ReaderPassword == "" {
		return errors.New("serve ClickHouse's HTTP interface: both users need a password")
	}
	return nil
}

// abortWait is how long statements that are ended may take to notice.
const abortWait = 2 * time.Second

// stop ends the server and waits until no statement runs.
func stop(server *http.Server, g *gate, abort context.CancelFunc, grace time.Duration) error {
	patient, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	if server.Shutdown(patient) != nil {
		abort()
		_ = server.Close() // what is read or written ends with it
	}
	last, cancel := context.WithTimeout(context.Background(), abortWait)
	defer cancel()
	if err := g.drain(last); err != nil {
		return fmt.Errorf("end the statements that run: %w", err)
	}
	return nil
}
