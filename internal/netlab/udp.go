package netlab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

const (
	maxDatagram = 64 << 10
	// flowIdle is how long a client's flow lives without a datagram in either direction.
	flowIdle = 2 * time.Minute
)

// UDP starts a relay of datagrams to target, a host:port. Each client's address gets an
// address of its own towards the target. The caller closes it.
func UDP(target string, l Link) (*Relay, error) {
	r, err := newRelay(target, l)
	if err != nil {
		return nil, err
	}
	to, err := net.ResolveUDPAddr("udp", target)
	if err != nil {
		return nil, fmt.Errorf("resolve the target of a relay: %w", err)
	}
	front, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, fmt.Errorf("listen for a relay to %s: %w", target, err)
	}
	_ = front.SetReadBuffer(4 << 20)
	r.addr = front.LocalAddr().String()
	u := &udp{Relay: r, front: front, to: to, clients: map[netip.AddrPort]*datagrams{}}
	r.work.Go(func() {
		<-r.ctx.Done()
		_ = front.Close()
	})
	r.work.Go(u.serve)
	return r, nil
}

type udp struct {
	*Relay
	front *net.UDPConn
	to    *net.UDPAddr

	clientsMu sync.Mutex
	clients   map[netip.AddrPort]*datagrams
}

// serve takes what comes from clients.
func (u *udp) serve() {
	buf := make([]byte, maxDatagram)
	for {
		n, from, err := u.front.ReadFromUDPAddrPort(buf)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		if f := u.flow(from); f != nil {
			f.forward(u.Relay, 0, buf[:n])
		}
	}
}

// flow finds or begins a client's flow, nil if there can be none.
func (u *udp) flow(from netip.AddrPort) *datagrams {
	u.clientsMu.Lock()
	defer u.clientsMu.Unlock()
	if f := u.clients[from]; f != nil && !f.ended() {
		return f
	}
	back, err := net.DialUDP("udp", nil, u.to)
	if err != nil {
		return nil
	}
	_ = back.SetReadBuffer(4 << 20)
	f := &datagrams{back: back}
	ok := u.add(func(n, seed uint64, _ bool) flow {
		f.q = [2]*queue{newQueue(false), newQueue(false)}
		f.shapers = [2]*shaper{newShaper(seed, n, 0), newShaper(seed, n, 1)}
		return f
	})
	if !ok {
		_ = back.Close()
		return nil
	}
	u.clients[from] = f
	send := [2]func([]byte) error{
		func(b []byte) error { _, err := back.Write(b); return err },
		func(b []byte) error { _, err := u.front.WriteToUDPAddrPort(b, from); return err },
	}
	var wg sync.WaitGroup
	for i, q := range f.q {
		wg.Go(func() { f.write(u.Relay, q, send[i]) })
	}
	wg.Go(func() { f.answers(u.Relay) })
	u.work.Go(func() {
		wg.Wait()
		u.remove(f)
		u.clientsMu.Lock()
		if u.clients[from] == f {
			delete(u.clients, from)
		}
		u.clientsMu.Unlock()
	})
	return f
}

// datagrams is one client's flow: queue 0 leads to the target, queue 1 back.
type datagrams struct {
	back    *net.UDPConn
	q       [2]*queue
	shapers [2]*shaper
}

// setCut has nothing to do: forward and write lose what passes during a cut.
func (f *datagrams) setCut(bool) {}

func (f *datagrams) close() {
	f.q[0].close()
	f.q[1].close()
	_ = f.back.Close()
}

func (f *datagrams) reset() { f.close() }

func (f *datagrams) ended() bool {
	select {
	case <-f.q[0].closed:
		return true
	default:
		return false
	}
}

// forward decides about one datagram and sends it on its way. Only one goroutine calls
// it for a direction.
func (f *datagrams) forward(r *Relay, direction int, b []byte) {
	_ = f.back.SetReadDeadline(time.Now().Add(flowIdle))
	l, cut := r.now()
	fate := f.shapers[direction].datagram(l, time.Now(), len(b))
	if cut || fate.lost {
		return
	}
	it := item{data: append([]byte(nil), b...), due: fate.due, hold: fate.hold}
	if it.hold {
		it.due = it.due.Add(overtaken)
	}
	f.q[direction].offer(it) // or is lost, as it would be in a full router
}

// answers takes what comes from the target, until the flow has been idle for long.
func (f *datagrams) answers(r *Relay) {
	defer f.close()
	_ = f.back.SetReadDeadline(time.Now().Add(flowIdle))
	buf := make([]byte, maxDatagram)
	for {
		n, err := f.back.Read(buf)
		if errors.Is(err, syscall.ECONNREFUSED) {
			continue // the target is not there, yet
		}
		if err != nil {
			return
		}
		f.forward(r, 1, buf[:n])
	}
}

func (f *datagrams) write(r *Relay, q *queue, send func([]byte) error) {
	for {
		it, ok := q.take()
		if !ok {
			return
		}
		if _, cut := r.now(); cut {
			continue
		}
		// A datagram that cannot be sent is lost, as datagrams are.
		_ = send(it.data)
	}
}
