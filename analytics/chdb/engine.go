package chdb

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/shoalcast/shoal/internal/filelock"
	"github.com/shoalcast/shoal/internal/proc"
)

// EngineOptions say how an Engine runs. Library, Path and Log must be set.
type EngineOptions struct {
	Library string   // path of libchdb.so, as Find returns it
	Path    string   // directory of its own for the engine's data
	Command []string // program and arguments that call Child; default: this one, with "chdb"
	Memory  int64    // most bytes that the engine allocates; default DefaultMemory
	Restart proc.Restart
	Log     *slog.Logger
	Metrics prometheus.Registerer // nil for none
}

// Grace is how long statements may still run once an Engine is told to stop.
const Grace = 3 * time.Second

// lockWait is how long NewEngine waits for the end of a child whose parent has died.
const lockWait = 2 * time.Second

// ErrInUse means that another engine has the directory.
var ErrInUse = errors.New("ClickHouse's directory is in use")

// Engine runs ClickHouse in a child process, and starts it again when that dies. Its
// address stays the same meanwhile: clients that connect wait.
type Engine struct {
	options  EngineOptions
	orders   orders
	lock     *os.File
	listener *os.File // the child's, kept so that the kernel takes connections while none runs
	addr     string
	watch    *watch
	ended    chan struct{}
}

// NewEngine takes the directory and a port of loopback. Run starts the engine, and gives
// both back at its end; without Run, Close does.
func NewEngine(o EngineOptions) (*Engine, error) {
	if len(o.Command) == 0 {
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("find this program, to run ClickHouse in another process of it: %w", err)
		}
		o.Command = []string{self, "chdb"}
	}
	path, err := filepath.Abs(o.Path)
	if err != nil {
		return nil, fmt.Errorf("find ClickHouse's directory %s: %w", o.Path, err)
	}
	lock, err := lockDir(path)
	if err != nil {
		return nil, err
	}
	e := &Engine{
		options: o, lock: lock, watch: newWatch(o.Metrics), ended: make(chan struct{}),
		orders: orders{
			Library: o.Library, Path: path, Password: rand.Text(), ReaderPassword: rand.Text(),
			Memory: cmp.Or(o.Memory, DefaultMemory()), Grace: Grace,
		},
	}
	if err := e.listen(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return e, nil
}

// lockDir makes the directory and locks it. Children inherit the lock, so that it lasts
// as long as any of them.
func lockDir(path string) (*os.File, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("make ClickHouse's directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(path, "LOCK"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock ClickHouse's directory: %w", err)
	}
	if err := filelock.Exclusive(f, lockWait); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: another shoal has %s: stop it, or choose another directory", ErrInUse, path), f.Close())
	}
	return f, nil
}

func (e *Engine) listen() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("find a port for ClickHouse: %w", err)
	}
	e.addr = l.Addr().String()
	e.listener, err = l.(*net.TCPListener).File()
	if err := errors.Join(err, l.Close()); err != nil {
		return fmt.Errorf("find a port for ClickHouse: %w", err)
	}
	return nil
}

// Addr is host and port of the HTTP interface.
func (e *Engine) Addr() string { return e.addr }

// DSN is what clickhouse-go opens a database by, as Owner or as Reader.
func (e *Engine) DSN(user, database string) string {
	password := e.orders.Password
	if user == Reader {
		password = e.orders.ReaderPassword
	}
	u := url.URL{Scheme: "http", User: url.UserPassword(user, password), Host: e.addr, Path: "/" + database}
	return u.String()
}

// Run keeps the engine running until ctx ends, then lets it finish. It returns an error
// when the engine failed too often in a row (proc.Supervise).
func (e *Engine) Run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, e.Close()) }()
	return proc.Supervise(ctx, e.options.Log, "chdb", e.options.Restart, e.once)
}

// Close gives port and directory back. It is for an Engine that is not run.
func (e *Engine) Close() error {
	select {
	case <-e.ended:
		return nil
	default:
	}
	close(e.ended)
	return errors.Join(e.listener.Close(), e.lock.Close())
}
