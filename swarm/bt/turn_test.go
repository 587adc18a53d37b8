package bt_test

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pion/logging"
	"github.com/pion/turn/v5"

	"github.com/shoalcast/shoal/swarm/bt"
)

// newRelay starts a relay at an address of loopback, with peers seeing it at ip.
func newRelay(t *testing.T, o bt.RelayOptions) (*bt.Relay, string) {
	t.Helper()
	r, err := bt.NewRelay(o)
	check(t, err)
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	check(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Serve(ctx, conn) }()
	t.Cleanup(func() {
		cancel()
		check(t, <-ended)
	})
	return r, conn.LocalAddr().String()
}

// allocate asks a relay for an allocation. client is where the asker has its socket.
func allocate(t *testing.T, at, user, password string) (net.PacketConn, *turn.Client, error) {
	t.Helper()
	socket, err := net.ListenPacket("udp4", "127.0.0.1:0")
	check(t, err)
	c, err := turn.NewClient(&turn.ClientConfig{
		STUNServerAddr: at, TURNServerAddr: at, Conn: socket, Username: user, Password: password,
		LoggerFactory: &logging.DefaultLoggerFactory{DefaultLogLevel: logging.LogLevelDisabled}, RTO: 500 * time.Millisecond,
	})
	check(t, err)
	check(t, c.Listen())
	t.Cleanup(func() {
		c.Close()
		_ = socket.Close()
	})
	relayed, err := c.Allocate()
	if err == nil {
		t.Cleanup(func() { _ = relayed.Close() })
	}
	return relayed, c, err
}

var loopback = netip.MustParseAddr("127.0.0.1")

// dtls is what may pass.
func dtls(n int) []byte { return append([]byte{22}, make([]byte, n-1)...) }

func TestTheRelayCarriesWebRTCForWhoHasItsCredentialsAndNothingElse(t *testing.T) {
	r, at := newRelay(t, bt.RelayOptions{IP: loopback})
	user, password, err := r.Credential()
	check(t, err)
	if _, _, err := allocate(t, at, user, "guess"); err == nil {
		t.Error("a wrong password allocates")
	}
	if _, _, err := allocate(t, at, "1", password); err == nil {
		t.Error("a credential that has expired allocates")
	}
	relayed, _, err := allocate(t, at, user, password)
	check(t, err)
	if ip := relayed.LocalAddr().(*net.UDPAddr); !ip.IP.IsLoopback() || ip.Port < 49152 {
		t.Errorf("it relays from %v", ip)
	}
	peer, err := net.ListenPacket("udp4", "127.0.0.1:0")
	check(t, err)
	defer peer.Close()
	check(t, peer.SetReadDeadline(time.Now().Add(5*time.Second)))
	_, err = relayed.WriteTo([]byte("GET / HTTP/1.0"), peer.LocalAddr())
	check(t, err)
	_, err = relayed.WriteTo(dtls(100), peer.LocalAddr())
	check(t, err)
	buf := make([]byte, 1500)
	n, from, err := peer.ReadFrom(buf)
	check(t, err)
	if n != 100 || from.String() != relayed.LocalAddr().String() {
		t.Errorf("%d bytes came from %v first", n, from)
	}
	_, err = peer.WriteTo([]byte("HTTP/1.0 200"), from)
	check(t, err)
	_, err = peer.WriteTo(dtls(200), from)
	check(t, err)
	check(t, relayed.SetReadDeadline(time.Now().Add(5*time.Second)))
	if n, _, err = relayed.ReadFrom(buf); err != nil || n != 200 {
		t.Errorf("%d bytes came back, %v", n, err)
	}
}

func TestTheRelayReachesNoPrivateAddressForTheWorld(t *testing.T) {
	r, at := newRelay(t, bt.RelayOptions{IP: netip.MustParseAddr("192.88.99.1")}) // a public one, of which there is no interface here
	user, password, err := r.Credential()
	check(t, err)
	relayed, c, err := allocate(t, at, user, password)
	check(t, err)
	peer, err := net.ListenPacket("udp4", "127.0.0.1:0")
	check(t, err)
	defer peer.Close()
	port := peer.LocalAddr().(*net.UDPAddr).Port
	for _, ip := range []string{"127.0.0.1", "10.0.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1"} {
		to := &net.UDPAddr{IP: net.ParseIP(ip), Port: port}
		if err := c.CreatePermission(to); err == nil {
			t.Errorf("it permits %s", ip)
		}
		if _, err := relayed.WriteTo(dtls(10), to); err == nil || !strings.Contains(err.Error(), "403") {
			t.Errorf("to %s: %v", ip, err)
		}
	}
	check(t, c.CreatePermission(&net.UDPAddr{IP: net.IPv4(192, 88, 99, 2), Port: port}))
}

func TestOneNetworkHasSoManyRelaysAndNoMore(t *testing.T) {
	r, at := newRelay(t, bt.RelayOptions{IP: loopback})
	user, password, err := r.Credential()
	check(t, err)
	for i := range 70 {
		_, _, err := allocate(t, at, user, password)
		if err == nil {
			continue
		}
		if i != 64 || !strings.Contains(err.Error(), "486") {
			t.Errorf("after %d: %v", i, err)
		}
		return
	}
	t.Error("one address has 70 relays")
}

func TestWhatAllRelaysCarryIsBounded(t *testing.T) {
	const rate = 256 << 10
	r, at := newRelay(t, bt.RelayOptions{IP: loopback, Rate: rate})
	user, password, err := r.Credential()
	check(t, err)
	peer, err := net.ListenPacket("udp4", "127.0.0.1:0")
	check(t, err)
	defer peer.Close()
	start := time.Now()
	for range 2 {
		relayed, _, err := allocate(t, at, user, password)
		check(t, err)
		for range 300 {
			_, err := relayed.WriteTo(dtls(1200), peer.LocalAddr())
			check(t, err)
		}
	}
	check(t, peer.SetReadDeadline(time.Now().Add(300*time.Millisecond)))
	got, buf := 0, make([]byte, 1500)
	for {
		n, _, err := peer.ReadFrom(buf)
		if err != nil {
			break
		}
		got += n
	}
	if most := rate/4 + int(time.Since(start).Seconds()*rate); got > most+1500 || got < rate/8 {
		t.Errorf("%d bytes in %v", got, time.Since(start))
	}
}
