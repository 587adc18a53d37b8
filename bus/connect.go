package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"sync"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Options says which server to use and as whom: either Server or URL.
type Options struct {
	Server *Server // embedded, in this process
	URL    string  // of an outside server
	Creds  string  // path of a credentials file for URL
	// Name tells clients apart in the server's lists, and in DEAD subjects what is
	// followed under no other name (see As): of a-z, 0-9 and '-'.
	Name string
	Log  *slog.Logger // nil discards
}

// Bus is one connection to the server, as one service uses it. It is safe for
// concurrent use and outlives restarts of the server.
type Bus struct {
	*link
	name string // of the service, in DEAD subjects
}

// link is the connection that several services may share.
type link struct {
	nc     *nats.Conn
	js     jetstream.JetStream
	server *Server // nil for an outside one
	disk   *disk   // nil for an outside server
	log    *slog.Logger
	asked  sync.Map // stream name to jetstream.Stream: a handle to ask, whose info is old

	ctx    context.Context // ends at Close, with ErrClosed
	cancel context.CancelCauseFunc
	work   sync.WaitGroup // follows and writers

	mu     sync.Mutex
	closed bool
	life   context.Context // of the present connection: ends when the next one is made
	die    context.CancelFunc
}

const (
	callTimeout  = 10 * time.Second // of one request, unless ctx ends earlier
	closeTimeout = 2 * time.Second
)

var consumerName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

// Connect connects to the server that opts names. Wrong credentials are
// ErrCredentials, no answer within ctx or 10 s is ErrUnreachable.
func Connect(ctx context.Context, opts Options) (*Bus, error) {
	if !consumerName.MatchString(opts.Name) {
		return nil, fmt.Errorf("%q cannot name a bus client: use a-z, 0-9 and -", opts.Name)
	}
	b := &Bus{link: &link{server: opts.Server, log: opts.Log}, name: opts.Name}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	b.ctx, b.cancel = context.WithCancelCause(context.Background())
	b.life, b.die = context.WithCancel(context.Background())

	timeout := callTimeout
	if d, ok := ctx.Deadline(); ok {
		timeout = max(min(timeout, time.Until(d)), time.Millisecond)
	}
	o := []nats.Option{
		nats.Name("shoal " + opts.Name),
		nats.Timeout(timeout),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(100 * time.Millisecond),
		nats.ReconnectJitter(100*time.Millisecond, 100*time.Millisecond),
		// Nothing is kept for a connection that is away: it would leave before what
		// was lost with the old one, and what was lost is sent again (append, resend).
		nats.ReconnectBufSize(-1),
		nats.IgnoreAuthErrorAbort(), // a server being set up again may refuse us for a while
		nats.PingInterval(10 * time.Second),
		nats.MaxPingsOutstanding(2),
		nats.DisconnectErrHandler(b.onDisconnect),
		nats.ReconnectHandler(b.onReconnect),
		nats.ErrorHandler(b.onError),
	}
	var url string
	switch {
	case opts.Server != nil:
		auth, err := inMemory(opts.Server.auth.creds)
		if err != nil {
			return nil, err
		}
		b.disk = opts.Server.disk
		o = append(o, auth, nats.InProcessServer(opts.Server.ns))
	case opts.URL != "":
		url = opts.URL
		if opts.Creds != "" {
			if _, err := os.Stat(opts.Creds); err != nil {
				return nil, fmt.Errorf("read the NATS credentials (--nats-creds): %w", err)
			}
			o = append(o, nats.UserCredentials(opts.Creds))
		}
	default:
		return nil, errors.New("no bus to connect to: neither a server nor a URL is given")
	}

	var err error
	if b.nc, err = connect(ctx, url, o); err != nil {
		if url != "" {
			return nil, fmt.Errorf("connect to NATS at %s: %w", url, explain(err))
		}
		return nil, fmt.Errorf("connect to the embedded NATS server: %w", explain(err))
	}
	if b.js, err = jetstream.New(b.nc, jetstream.WithPublishAsyncTimeout(callTimeout)); err != nil {
		b.nc.Close()
		return nil, fmt.Errorf("use JetStream: %w", err)
	}
	return b, nil
}

// As returns the same connection for another service, whose name tells apart what it
// gives up on. Closing either closes both.
func (b *Bus) As(service string) *Bus {
	if !consumerName.MatchString(service) {
		panic(fmt.Sprintf("bus: %q cannot name a service", service)) // a constant of ours
	}
	return &Bus{link: b.link, name: service}
}

// connect gives up when ctx ends; a connection that is made nevertheless is closed.
func connect(ctx context.Context, url string, o []nats.Option) (*nats.Conn, error) {
	type result struct {
		nc  *nats.Conn
		err error
	}
	done := make(chan result, 1)
	go func() {
		nc, err := nats.Connect(url, o...)
		done <- result{nc, err}
	}()
	select {
	case r := <-done:
		return r.nc, r.err
	case <-ctx.Done():
		go func() {
			if r := <-done; r.nc != nil {
				r.nc.Close()
			}
		}()
		return nil, context.Cause(ctx)
	}
}

func inMemory(creds []byte) (nats.Option, error) {
	token, err := jwt.ParseDecoratedJWT(creds)
	if err != nil {
		return nil, fmt.Errorf("read the services' credentials: %w", err)
	}
	key, err := jwt.ParseDecoratedNKey(creds)
	if err != nil {
		return nil, fmt.Errorf("read the services' credentials: %w", err)
	}
	seed, err := key.Seed()
	if err != nil {
		return nil, fmt.Errorf("read the services' credentials: %w", err)
	}
	return nats.UserJWTAndSeed(token, string(seed)), nil
}

func (b *Bus) onDisconnect(_ *nats.Conn, err error) {
	if err != nil && b.ctx.Err() == nil {
		b.log.Warn("lost the connection to the bus", "error", err)
	}
}

func (b *Bus) onReconnect(*nats.Conn) {
	b.mu.Lock()
	b.die()
	b.life, b.die = context.WithCancel(context.Background())
	b.mu.Unlock()
	b.log.Info("connected to the bus again")
}

func (b *Bus) onError(_ *nats.Conn, _ *nats.Subscription, err error) {
	if b.ctx.Err() == nil {
		b.log.Warn("the bus connection reports an error", "error", err)
	}
}

// connection ends when the connection is made again after now: what was asked before
// may never be answered.
func (b *Bus) connection() context.Context {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.life
}

// reconnects counts how often the connection was made again.
func (b *Bus) reconnects() uint64 { return b.nc.Stats().Reconnects }

// begin counts a piece of work that Close waits for, and returns a ctx that ends
// with the bus.
func (b *Bus) begin(ctx context.Context) (context.Context, func(), error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, nil, ErrClosed
	}
	b.work.Add(1)
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(b.ctx, func() { cancel(context.Cause(b.ctx)) })
	return ctx, func() {
		stop()
		cancel(nil)
		b.work.Done()
	}, nil
}

// Close ends every follow and waits for it (so a handler must not call Close), waits
// up to 2 s for what was published to leave, and closes the connection.
func (b *Bus) Close() {
	b.mu.Lock()
	closed := b.closed
	b.closed = true
	b.mu.Unlock()
	if closed {
		return
	}
	b.cancel(ErrClosed)
	b.work.Wait()
	if b.nc.IsConnected() {
		// What remains unsent is what a crash would have lost, too.
		_ = b.nc.FlushTimeout(closeTimeout)
	}
	b.nc.Close()
}

// withTimeout bounds one request.
func withTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, callTimeout)
}
