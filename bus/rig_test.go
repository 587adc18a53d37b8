package bus_test

import (
	"io"
	"net"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/shoalcast/shoal/bus"
)

// rawClient is a NATS client that goes around the bus, with a service's rights.
func rawClient(t testing.TB, s *bus.Server) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect("", nats.InProcessServer(s.InProcess()), nats.UserCredentials(s.CredsFile()))
	check(t, err)
	t.Cleanup(nc.Close)
	return nc
}

// rig is an outside server behind a proxy whose address stays while the server is
// restarted.
type rig struct {
	dir    string
	server *bus.Server
	proxy  *proxy
}

func newRig(t *testing.T) *rig {
	r := &rig{dir: t.TempDir()}
	r.proxy = newProxy(t)
	r.start(t)
	t.Cleanup(func() { r.server.Shutdown() })
	return r
}

func (r *rig) start(t *testing.T) {
	s, err := bus.StartServer(ctxOf(t), bus.ServerOptions{Dir: r.dir, Listen: "127.0.0.1:0"})
	check(t, err)
	r.server = s
	r.proxy.aim(s.ClientURL()[len("nats://"):])
}

func (r *rig) restart(t *testing.T) {
	r.server.Shutdown()
	r.start(t)
}

// proxy passes TCP connections on until they are cut.
type proxy struct {
	l net.Listener

	mu     sync.Mutex
	target string
	conns  map[net.Conn]bool
	closed bool
	wg     sync.WaitGroup
}

func newProxy(t *testing.T) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	p := &proxy{l: l, conns: map[net.Conn]bool{}}
	p.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.wg.Go(func() { p.pass(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.mu.Lock()
		p.closed = true
		p.mu.Unlock()
		p.cut()
		p.wg.Wait()
	})
	return p
}

func (p *proxy) url() string { return "nats://" + p.l.Addr().String() }

func (p *proxy) aim(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
}

func (p *proxy) hold(c net.Conn) (target string, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return "", false
	}
	p.conns[c] = true
	return p.target, true
}

func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
	clear(p.conns)
}

func (p *proxy) pass(in net.Conn) {
	defer in.Close()
	target, ok := p.hold(in)
	if !ok {
		return
	}
	out, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer out.Close()
	if _, ok := p.hold(out); !ok {
		return
	}
	p.wg.Go(func() {
		io.Copy(out, in)
		out.Close()
		in.Close()
	})
	io.Copy(in, out)
}
