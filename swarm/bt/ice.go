package bt

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	pionice "github.com/pion/ice/v4"
	"github.com/pion/logging"
	"github.com/pion/webrtc/v4"
)

// Bounds of WebRTC.
const (
	maxAttempts     = 32 // connections that are being made at a time
	maxAttemptsFrom = 2  // of them, those that one peer asked for
	attemptTimeout  = 10 * time.Second
	stunTimeout     = 2 * time.Second
	maxSTUNServers  = 3
	maxSignal       = 8 << 10
	maxCandidates   = 24 // of one description
	rtcMessage      = 16 << 10
	maxRTCMessage   = 64 << 10
	channelLabel    = "shoal"
)

// ice makes WebRTC connections, all through one UDP port, and is the library's listener
// for those that others began.
type ice struct {
	client *Client
	api    *webrtc.API
	mux    *pionice.UniversalUDPMuxDefault
	socket *net.UDPConn
	cert   webrtc.Certificate
	taken  chan net.Conn // for Accept
	done   chan struct{}
	tasks  sync.WaitGroup
	rests  rests

	mu       sync.Mutex
	closed   bool
	servers  []string            // STUN URLs
	attempts map[string]*attempt // by id
	made     map[string]net.Conn // for the dialer, by address
	open     map[*rtcConn]struct{}
}

func newICE(c *Client) (*ice, error) {
	addr, err := net.ResolveUDPAddr("udp", c.opts.WebRTC)
	if err != nil {
		return nil, fmt.Errorf("read WebRTC address: %w", err)
	}
	socket, err := net.ListenUDP("udp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen for WebRTC: %w", err)
	}
	// Smaller buffers work as well, with more loss.
	_ = socket.SetReadBuffer(2 << 20)
	_ = socket.SetWriteBuffer(2 << 20)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make a key for WebRTC: %w", err), socket.Close())
	}
	cert, err := webrtc.GenerateCertificate(key)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make a certificate for WebRTC: %w", err), socket.Close())
	}
	silent := &logging.DefaultLoggerFactory{Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled}
	i := &ice{
		client: c, socket: socket, servers: c.opts.ICEServers, cert: *cert, taken: make(chan net.Conn), done: make(chan struct{}),
		attempts: map[string]*attempt{}, made: map[string]net.Conn{}, open: map[*rtcConn]struct{}{},
	}
	i.mux = pionice.NewUniversalUDPMuxDefault(pionice.UniversalUDPMuxParams{
		UDPConn: socket, Logger: silent.NewLogger("mux"),
	})
	var s webrtc.SettingEngine
	s.LoggerFactory = silent
	s.SetICEUDPMux(i.mux)
	s.DetachDataChannels()
	// Write waits until the peer has room: pion's own buffer would be without end.
	s.EnableDataChannelBlockWrite(true)
	s.SetICEMulticastDNSMode(pionice.MulticastDNSModeDisabled)
	s.DisableActiveTCP(true)
	s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6})
	// Browsers on this machine may have no other way; pion offers it on a shared port in any case.
	s.SetIncludeLoopbackCandidate(addr.IP == nil || addr.IP.IsUnspecified() || addr.IP.IsLoopback())
	// A browser that hides its addresses behind names that only its own network resolves is
	// reached by what its checks show: nothing better will come.
	s.SetPrflxAcceptanceMinWait(100 * time.Millisecond)
	// Who is silent for the sum of the first two is gone: a tab is often closed without a word.
	s.SetICETimeouts(5*time.Second, 6*time.Second, 2*time.Second)
	s.SetSCTPMaxReceiveBufferSize(1 << 20)
	s.SetSCTPMaxMessageSize(maxRTCMessage)
	s.EnableSCTPZeroChecksum(true)
	s.SetSCTPRTOMax(2 * time.Second)
	i.api = webrtc.NewAPI(webrtc.WithSettingEngine(s))
	return i, nil
}

// Accept returns the next connection that another peer began.
func (i *ice) Accept() (net.Conn, error) {
	select {
	case c := <-i.taken:
		return c, nil
	case <-i.done:
		return nil, net.ErrClosed
	}
}

// Addr names the listener; it has no port that others could dial.
func (i *ice) Addr() net.Addr { return rtcAddr("webrtc") }

// Close ends all connections and attempts and waits for them.
func (i *ice) Close() error {
	i.mu.Lock()
	i.closed = true
	close(i.done)
	var open []net.Conn
	for c := range i.open {
		open = append(open, c)
	}
	for _, c := range i.made {
		open = append(open, c)
	}
	i.mu.Unlock()
	for _, c := range open {
		// It is given up whatever closing it says.
		_ = c.Close()
	}
	i.tasks.Wait()
	return errors.Join(i.mux.Close(), ignoreClosed(i.socket.Close()))
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// made returns the connection that is there already for an address that the library was
// told to dial, or nil.
func (c *Client) made(addr string) net.Conn {
	if c.ice == nil {
		return nil
	}
	c.ice.mu.Lock()
	defer c.ice.mu.Unlock()
	made := c.ice.made[addr]
	if made == nil {
		return nil
	}
	delete(c.ice.made, addr)
	return made
}

// public returns where peers beyond a NAT may reach the UDP port: what STUN servers see,
// and the public IP that was configured.
func (i *ice) public() []netip.AddrPort {
	local := i.socket.LocalAddr().(*net.UDPAddr).AddrPort()
	var out []netip.AddrPort
	if ip := i.client.opts.PublicIP; ip.IsValid() {
		out = append(out, netip.AddrPortFrom(ip.Unmap(), local.Port()))
	}
	i.mu.Lock()
	servers := i.servers
	i.mu.Unlock()
	servers = servers[:min(len(servers), maxSTUNServers)]
	seen := make(chan netip.AddrPort, len(servers))
	for _, url := range servers {
		i.tasks.Go(func() { seen <- i.ask(url) })
	}
	for range servers {
		if at := <-seen; at.IsValid() {
			return append(out, at) // they all see the same
		}
	}
	return out
}

// ask returns where a STUN server sees the UDP port, nothing if it does not say.
func (i *ice) ask(url string) netip.AddrPort {
	host, ok := strings.CutPrefix(url, "stun:")
	if !ok {
		return netip.AddrPort{}
	}
	if _, _, err := net.SplitHostPort(host); err != nil {
		host = net.JoinHostPort(host, "3478")
	}
	server, err := net.ResolveUDPAddr("udp", host)
	if err != nil {
		i.client.opts.Log.Debug("a STUN server has no address", "server", url, keyErr, err)
		return netip.AddrPort{}
	}
	mapped, err := i.mux.GetXORMappedAddr(server, stunTimeout)
	if err != nil {
		i.client.opts.Log.Debug("a STUN server does not answer", "server", url, keyErr, err)
		return netip.AddrPort{}
	}
	ip, _ := netip.AddrFromSlice(mapped.IP)
	return netip.AddrPortFrom(ip.Unmap(), uint16(mapped.Port))
}

// SetICEServers puts STUN URLs in the place of Options.ICEServers.
func (c *Client) SetICEServers(urls []string) {
	if c.ice == nil {
		return
	}
	c.ice.mu.Lock()
	defer c.ice.mu.Unlock()
	c.ice.servers = urls
}

// withCandidates adds addresses to a description as server-reflexive candidates (RFC
// 8839 §5.1): pion would open more ports to find them itself.
func withCandidates(sdp string, addrs []netip.AddrPort) string {
	const end = "a=end-of-candidates"
	var lines strings.Builder
	for n, a := range addrs {
		line := fmt.Sprintf("a=candidate:9%d 1 udp %d %s %d typ srflx raddr 0.0.0.0 rport 0\r\n",
			n, 1694498815-n, a.Addr(), a.Port())
		if !strings.Contains(sdp, fmt.Sprintf(" %s %d typ ", a.Addr(), a.Port())) {
			lines.WriteString(line)
		}
	}
	if before, after, found := strings.Cut(sdp, end); found {
		return before + lines.String() + end + after
	}
	return sdp + lines.String()
}
