package matchmaker_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"testing"
	"time"

	"github.com/zeebo/bencode"
	"go.uber.org/goleak"

	"github.com/shoalcast/shoal/matchmaker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 60 * time.Second

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// run starts a tracker and returns how to stop it, which happens at the test's end at
// the latest.
func run(t testing.TB, s *matchmaker.Service) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the tracker ended with %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}

// until waits for what other goroutines and programs bring about.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline.C:
			t.Fatalf("not within %v: %s", patience, what)
		case <-tick.C:
		}
	}
}

// hash returns the nth torrent's infohash: bytes of all kinds.
func hash(n byte) (h [20]byte) {
	for i := range h {
		h[i] = byte(i*13) ^ n
	}
	return h
}

// form is the query of an announce by the peer named by one byte, with what more is said.
func form(h [20]byte, peer byte, port int, more ...string) url.Values {
	id := [20]byte{peer}
	v := url.Values{
		"info_hash": {string(h[:])}, "peer_id": {string(id[:])}, "port": {fmt.Sprint(port)},
		"left": {"100"}, "uploaded": {"0"}, "downloaded": {"0"},
	}
	for i := 0; i < len(more); i += 2 {
		v.Set(more[i], more[i+1])
	}
	return v
}

// said is what a tracker answers over HTTP.
type said struct {
	Failure    string             `bencode:"failure reason"`
	Interval   int                `bencode:"interval"`
	Min        int                `bencode:"min interval"`
	Complete   int                `bencode:"complete"`
	Incomplete int                `bencode:"incomplete"`
	Peers      bencode.RawMessage `bencode:"peers"`
	Peers6     string             `bencode:"peers6"`
}

// addrs reads a compact list.
func addrs(t testing.TB, b []byte, size int) (out []string) {
	t.Helper()
	if len(b)%(size+2) != 0 {
		t.Fatalf("%d bytes are no list of addresses", len(b))
	}
	for ; len(b) > 0; b = b[size+2:] {
		a, _ := netip.AddrFromSlice(b[:size])
		out = append(out, netip.AddrPortFrom(a, binary.BigEndian.Uint16(b[size:])).String())
	}
	return out
}

func (s said) four(t testing.TB) []string {
	t.Helper()
	var b string
	check(t, bencode.DecodeBytes(s.Peers, &b))
	return addrs(t, []byte(b), 4)
}

// ask sends a query to a handler as if it came from an address.
func ask(t testing.TB, handler http.HandlerFunc, from, query string, header ...string) []byte {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/x?"+query, nil)
	r.RemoteAddr = from
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	handler(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("status %d", w.Code)
	}
	return w.Body.Bytes()
}

func announce(t testing.TB, s *matchmaker.Service, from string, v url.Values, header ...string) said {
	t.Helper()
	var out said
	check(t, bencode.DecodeBytes(ask(t, s.Announce, from, v.Encode(), header...), &out))
	return out
}

// udpClient is a client of the UDP tracker protocol (BEP 15), written from its text.
type udpClient struct {
	t  testing.TB
	c  net.Conn
	id uint64
}

func serveUDP(t testing.TB, s *matchmaker.Service, listen string) net.Addr {
	t.Helper()
	c, err := net.ListenPacket("udp", listen)
	check(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.ServeUDP(ctx, c) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the UDP tracker ended with %v", err)
		}
	})
	return c.LocalAddr()
}

func dialUDP(t testing.TB, addr string) *udpClient {
	t.Helper()
	c, err := net.Dial("udp", addr)
	check(t, err)
	t.Cleanup(func() { c.Close() })
	return &udpClient{t: t, c: c}
}

// call sends a request and returns the answer's action and rest; without one within the
// time given, the action is -1.
func (u *udpClient) call(b []byte, wait time.Duration) (action int, rest []byte) {
	u.t.Helper()
	_, err := u.c.Write(b)
	check(u.t, err)
	check(u.t, u.c.SetReadDeadline(time.Now().Add(wait)))
	buf := make([]byte, 4096)
	n, err := u.c.Read(buf)
	if err != nil {
		return -1, nil
	}
	if n < 8 || binary.BigEndian.Uint32(buf[4:]) != binary.BigEndian.Uint32(b[12:]) {
		u.t.Fatalf("the answer %x is to another transaction", buf[:n])
	}
	return int(binary.BigEndian.Uint32(buf)), buf[8:n]
}

func head(connection uint64, action uint32) []byte {
	b := binary.BigEndian.AppendUint64(nil, connection)
	b = binary.BigEndian.AppendUint32(b, action)
	return binary.BigEndian.AppendUint32(b, 0xc0ffee)
}

func (u *udpClient) connect() {
	u.t.Helper()
	action, rest := u.call(head(0x41727101980, 0), patience)
	if action != 0 || len(rest) != 8 {
		u.t.Fatalf("connecting is answered by %d %x", action, rest)
	}
	u.id = binary.BigEndian.Uint64(rest)
}

// announcement writes an announce of 98 bytes.
func (u *udpClient) announcement(h [20]byte, peer byte, port uint16, left uint64, event uint32, want int32) []byte {
	id := [20]byte{peer}
	b := append(append(head(u.id, 1), h[:]...), id[:]...)
	for _, n := range []uint64{0, left, 0} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	for _, n := range []uint32{event, 0, 77, uint32(want)} {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return binary.BigEndian.AppendUint16(b, port)
}
