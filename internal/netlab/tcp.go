package netlab

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// socketBuffer bounds what the kernel holds for the relay: with its own choice megabytes
// would wait where Link.Rate does not see them.
const socketBuffer = 256 << 10

// TCP starts a relay of TCP connections to target, a host:port. The bytes keep their
// order, ends and resets are passed on. The caller closes it.
func TCP(target string, l Link) (*Relay, error) {
	r, err := newRelay(target, l)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for a relay to %s: %w", target, err)
	}
	r.addr = listener.Addr().String()
	r.work.Go(func() {
		<-r.ctx.Done()
		_ = listener.Close()
	})
	r.work.Go(func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			r.work.Go(func() { r.connection(in.(*net.TCPConn)) })
		}
	})
	return r, nil
}

// connection passes one connection until both directions have ended.
func (r *Relay) connection(in *net.TCPConn) {
	defer in.Close()
	var d net.Dialer
	c, err := d.DialContext(r.ctx, "tcp", r.target)
	if err != nil {
		_ = in.SetLinger(0)
		return
	}
	defer c.Close()
	out := c.(*net.TCPConn)
	f := &connection{conns: [2]*net.TCPConn{in, out}}
	var shapers [2]*shaper
	ok := r.add(func(n, seed uint64, cut bool) flow {
		f.q = [2]*queue{newQueue(cut), newQueue(cut)}
		shapers = [2]*shaper{newShaper(seed, n, 0), newShaper(seed, n, 1)}
		return f
	})
	if !ok {
		_ = in.SetLinger(0)
		return
	}
	defer r.remove(f)
	for _, c := range f.conns {
		_ = c.SetReadBuffer(socketBuffer)
	}
	var wg sync.WaitGroup
	for i, q := range f.q {
		wg.Go(func() { r.read(f.conns[i], q, shapers[i]) })
		wg.Go(func() { f.write(f.conns[1-i], q) })
	}
	wg.Wait()
}

// read takes what comes from c, and goes on while earlier chunks are under way.
func (r *Relay) read(c *net.TCPConn, q *queue, s *shaper) {
	for {
		l, _ := r.now()
		buf := make([]byte, l.chunkSize())
		n, err := c.Read(buf)
		l, _ = r.now()
		if n > 0 {
			f := s.chunk(l, time.Now(), n)
			if !q.put(item{data: buf[:n:n], due: f.due}) {
				return
			}
			if wait := time.Until(f.turn) - maxWait; l.Rate > 0 && wait > 0 {
				select {
				case <-time.After(wait):
				case <-q.closed:
					return
				}
			}
		}
		if err != nil {
			end := broken
			if errors.Is(err, io.EOF) {
				end = finished
			}
			q.put(item{due: s.chunk(l, time.Now(), 0).due, end: end})
			return
		}
	}
}

// connection is one TCP connection: queue i leads from conns[i] to the other.
type connection struct {
	conns [2]*net.TCPConn
	q     [2]*queue
}

func (f *connection) setCut(cut bool) {
	f.q[0].setCut(cut)
	f.q[1].setCut(cut)
}

func (f *connection) close() {
	for i := range f.q {
		f.q[i].close()
		_ = f.conns[i].Close()
	}
}

func (f *connection) reset() {
	for _, c := range f.conns {
		_ = c.SetLinger(0)
	}
	f.close()
}

func (f *connection) write(c *net.TCPConn, q *queue) {
	for {
		it, ok := q.take()
		if !ok {
			return
		}
		switch it.end {
		case goesOn:
			if _, err := c.Write(it.data); err != nil {
				f.reset()
				return
			}
		case finished:
			if c.CloseWrite() != nil {
				f.reset()
			}
			return
		case broken:
			f.reset()
			return
		}
	}
}
