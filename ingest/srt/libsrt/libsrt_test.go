package libsrt

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"
	"time"
	"unsafe"
)

func load(t *testing.T) *Library {
	t.Helper()
	l, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// end is a socket that is watched from its beginning.
type end struct {
	Socket
	*Epoll
}

// pair makes a listener whose check is c, and a caller with an id towards it.
func pair(t *testing.T, l *Library, id string, c Check) (listener, caller end) {
	t.Helper()
	sockets, ends := [2]Socket{}, [2]end{}
	for i := range sockets {
		u, err := l.Socket()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close(u) })
		sockets[i] = u
		ends[i] = end{u, watch(t, l, u)}
	}
	forget, err := l.OnHandshake(sockets[0], c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(forget)
	if err := l.Listen(sockets[0], netip.MustParseAddrPort("127.0.0.1:0"), 8); err != nil {
		t.Fatal(err)
	}
	a, err := l.Addr(sockets[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := l.SetText(sockets[1], OptStreamID, id); err != nil {
		t.Fatal(err)
	}
	if err := l.Connect(sockets[1], a); err != nil {
		t.Fatal(err)
	}
	return ends[0], ends[1]
}

// watch returns an Epoll for a socket.
func watch(t *testing.T, l *Library, u Socket) *Epoll {
	t.Helper()
	e, err := l.Epoll()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Release)
	if err := e.Add(u, In|Out|Err); err != nil {
		t.Fatal(err)
	}
	return e
}

// until waits until the socket of an Epoll has an event.
func until(t *testing.T, e *Epoll, u Socket, events int32) {
	t.Helper()
	if err := e.Update(u, events); err != nil {
		t.Fatal(err)
	}
	found := make([]Event, 4)
	n, err := e.Wait(found, 10_000)
	if err != nil || n != 1 || found[0].Socket != u || found[0].Events&events == 0 {
		t.Fatalf("found %v, %v; socket %d was to have events %#x", found[:n], err, u, events)
	}
}

// The layouts of the library's structs are those of this package: what one side says
// is what the other reads, in every field that is used.
func TestStructsAreTheLibrarys(t *testing.T) {
	if n := unsafe.Sizeof(perf{}); n != 496 {
		t.Errorf("CBytePerfMon has %d bytes here, 496 in the library", n)
	}
	l := load(t)
	type seen struct {
		peer netip.AddrPort
		id   string
	}
	got := make(chan seen, 4)
	listener, caller := pair(t, l, "#!::r=camera,m=publish", func(p netip.AddrPort, id string) Reject {
		got <- seen{p, id}
		return 0
	})
	until(t, caller.Epoll, caller.Socket, Out)
	until(t, listener.Epoll, listener.Socket, In)
	u, peer, err := l.Accept(listener.Socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close(u)
	addr, err := l.Addr(caller.Socket)
	if err != nil {
		t.Fatal(err)
	}
	s := <-got
	if s.id != "#!::r=camera,m=publish" || s.peer != peer || peer.Port() != addr.Port() || peer.Addr().String() != "127.0.0.1" {
		t.Errorf("the check saw %+v, accept %s, the caller is %s", s, peer, addr)
	}
	if id, err := l.Text(u, OptStreamID); err != nil || id != s.id {
		t.Errorf("the accepted socket's stream id is %q, %v", id, err)
	}
	const packets, size = 50, 1316
	for i := range packets {
		if err := l.Send(caller.Socket, bytes.Repeat([]byte{byte(i)}, size)); err != nil {
			t.Fatal(err)
		}
	}
	b, e := make([]byte, MaxPayload), watch(t, l, u)
	for i := range packets {
		until(t, e, u, In)
		n, err := l.Receive(u, b)
		if err != nil || n != size || b[0] != byte(i) {
			t.Fatalf("message %d: %d bytes of %d, %v", i, n, b[0], err)
		}
	}
	if _, err := l.Receive(u, b); !Again(err) {
		t.Errorf("an empty socket answers %v", err)
	}
	p := new(perf)
	if l.stats(int32(u), p, 0) != 0 {
		t.Fatal("no figures")
	}
	if p.pktRecvTotal != packets || p.pktRecvUniqueTotal != packets || p.byteRecvUnique != p.byteRecvUniqueTotal ||
		p.byteRecvUniqueTotal < packets*size || p.msRcvTsbPdDelay != 120 || p.byteMSS != 1500 ||
		p.msRTT <= 0 || p.msRTT > 1000 || p.pktFlowWindow <= 0 || p.mbpsBandwidth < 0 {
		t.Errorf("figures of the receiver: %+v", *p)
	}
	stats, err := l.Stats(u)
	if err != nil || stats.Packets != packets || stats.Latency != 120*time.Millisecond || stats.Lost != 0 || stats.Dropped != 0 {
		t.Errorf("stats %+v, %v", stats, err)
	}
}

// A refusal in the check reaches the caller with its code.
func TestACallerReadsWhyItWasRefused(t *testing.T) {
	l := load(t)
	for _, want := range []Reject{Unauthorized, Conflict, BadRequest} {
		t.Run(fmt.Sprint(want), func(t *testing.T) {
			_, caller := pair(t, l, "x", func(netip.AddrPort, string) Reject { return want })
			until(t, caller.Epoll, caller.Socket, Err)
			if got := l.RejectReason(caller.Socket); got != want {
				t.Errorf("the caller reads %d (%s)", got, l.RejectText(got))
			}
		})
	}
}

// A check that panics refuses, and the process lives.
func TestACheckThatPanicsRefuses(t *testing.T) {
	l := load(t)
	_, caller := pair(t, l, "x", func(netip.AddrPort, string) Reject { panic("broken") })
	until(t, caller.Epoll, caller.Socket, Err)
	if got := l.RejectReason(caller.Socket); got != Internal {
		t.Errorf("the caller reads %d", got)
	}
}

func TestAddressesSurviveC(t *testing.T) {
	for _, s := range []string{"127.0.0.1:9", "[::1]:65535", "[2001:db8::7]:1"} {
		a := netip.MustParseAddrPort(s)
		b, _ := encode(a)
		if decode(b) != a || decodeAt(&b[0]) != a {
			t.Errorf("%s became %s", a, decode(b))
		}
	}
}
