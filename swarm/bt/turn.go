package bt

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/pion/logging"
	"github.com/pion/stun/v4"
	"github.com/pion/turn/v5"
	"golang.org/x/time/rate"

	"github.com/shoalcast/shoal/internal/limit"
)

// Bounds of the relay.
const (
	maxRelayed      = 1024    // allocations
	maxRelayedFrom  = 64      // of them, from one IP address: schools and offices share one
	relayedRate     = 1 << 20 // bytes a second of one allocation, both ways together
	relayLowest     = 49152   // ports that allocations have, to 65535 (RFC 8656, section 7.2)
	relayTries      = 16
	relayRequests   = 50 // a second from one address: each connection of a page makes some
	relayBurst      = 400
	credentialLife  = 6 * time.Hour
	relayRealm      = "shoal"
	lowestPeerPort  = 1024
	defaultRelaying = 100_000_000 / 8
)

// RelayOptions configure a Relay.
type RelayOptions struct {
	// IP is where peers see what is relayed come from: the machine's, or the public one
	// that a one-to-one NAT gives it.
	IP netip.Addr
	// Rate bounds what all allocations carry together, bytes a second; default 12.5 MB.
	Rate int64
}

// Relay is a TURN server (RFC 8656) for viewers whose networks let them reach nobody else,
// or who show nobody their address. It carries WebRTC and nothing else, and not into
// private networks.
type Relay struct {
	ip     netip.Addr
	bind   string
	secret string
	rate   *rate.Limiter

	mu   sync.Mutex
	all  int
	from map[netip.Prefix]int
}

// NewRelay makes a relay; Serve runs it. Its credentials are good as long as it lives.
func NewRelay(o RelayOptions) (*Relay, error) {
	if !o.IP.IsValid() || o.IP.IsUnspecified() {
		return nil, errors.New("start the relay: it has no IP address that others could reach")
	}
	var secret [20]byte
	_, _ = rand.Read(secret[:]) // never fails: crypto/rand
	bytes := int(cmp.Or(o.Rate, defaultRelaying))
	r := &Relay{
		ip: o.IP.Unmap(), secret: hex.EncodeToString(secret[:]), rate: rate.NewLimiter(rate.Limit(bytes), max(bytes/4, 64<<10)),
		from: map[netip.Prefix]int{},
	}
	r.bind = "::"
	if r.ip.Is4() {
		r.bind = "0.0.0.0"
	}
	addrs, err := net.InterfaceAddrs()
	if err == nil && slices.ContainsFunc(addrs, func(a net.Addr) bool {
		n, ok := a.(*net.IPNet)
		return ok && n.IP.Equal(r.ip.AsSlice())
	}) {
		r.bind = r.ip.String()
	}
	return r, nil
}

// Credential returns what lets a page allocate for the next hours, in the manner of
// draft-uberti-behave-turn-rest.
func (r *Relay) Credential() (username, password string, err error) {
	return turn.GenerateLongTermCredentials(r.secret, credentialLife)
}

// Serve relays for who asks at conn until ctx ends. It closes conn.
func (r *Relay) Serve(ctx context.Context, conn net.PacketConn) error {
	silent := &logging.DefaultLoggerFactory{Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled}
	server, err := turn.NewServer(turn.ServerConfig{
		Realm: relayRealm, LoggerFactory: silent,
		AuthHandler:  turn.NewLongTermAuthHandler(r.secret, silent.NewLogger("turn")),
		QuotaHandler: func(_, _ string, from net.Addr) bool { return r.mayAllocate(from) },
		EventHandler: turn.EventHandler{
			OnAllocationCreated: func(from, _ net.Addr, _, _, _ string, _ net.Addr, _ int) { r.count(from, 1) },
			OnAllocationDeleted: func(from, _ net.Addr, _, _, _ string) { r.count(from, -1) },
		},
		// Browsers do not say which family they want, and mean IPv4 (RFC 8656, section 7.2).
		StrictAddressFamily: r.ip.Is4(),
		PacketConnConfigs: []turn.PacketConnConfig{{
			PacketConn:            &patient{PacketConn: conn, rates: limit.NewRates(relayRequests, relayBurst, maxSTUNClient)},
			RelayAddressGenerator: relayPorts{r},
			PermissionHandler: func(_ net.Addr, peer net.IP) bool {
				ip, ok := netip.AddrFromSlice(peer)
				return ok && relaysTo(r.ip, ip)
			},
		}},
	})
	if err != nil {
		return errors.Join(fmt.Errorf("start the relay: %w", err), conn.Close())
	}
	<-ctx.Done()
	if err := server.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("stop the relay: %w", err)
	}
	return nil
}

func (r *Relay) mayAllocate(from net.Addr) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all < maxRelayed && r.from[networkOf(from)] < maxRelayedFrom
}

func (r *Relay) count(from net.Addr, more int) {
	n := networkOf(from)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all += more
	if r.from[n] += more; r.from[n] <= 0 {
		delete(r.from, n)
	}
}

// networkOf is who a packet is from, as far as limits go.
func networkOf(a net.Addr) netip.Prefix {
	u, ok := a.(*net.UDPAddr)
	if !ok {
		return netip.Prefix{}
	}
	n, _ := limit.Network(u.AddrPort().Addr())
	return n
}

// local are networks that the world cannot reach, besides those that netip knows
// (RFC 6890): a relay must not let it.
var local = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
	// IPv6 addresses that mean IPv4 ones.
	netip.MustParsePrefix("::/96"), netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("2001::/32"), netip.MustParsePrefix("2002::/16"),
}

// isLocal reports whether an address means something on one machine or network only.
func isLocal(a netip.Addr) bool {
	return a.IsLoopback() || a.IsPrivate() || slices.ContainsFunc(local, func(p netip.Prefix) bool { return p.Contains(a) })
}

// relaysTo reports whether a relay at own may carry to peer. Viewers are anybody, and must
// not reach through it what only this machine can: its own services, its network, the
// metadata of its cloud. A relay that itself is on such a network serves that network.
func relaysTo(own, peer netip.Addr) bool {
	own, peer = own.Unmap(), peer.Unmap()
	switch {
	case own.Is4() != peer.Is4() || peer.IsUnspecified() || peer.IsMulticast() || peer.IsLinkLocalUnicast():
		return false
	case peer.IsLoopback():
		return own.IsLoopback()
	case isLocal(peer):
		return isLocal(own)
	}
	return true
}

// relayPorts opens the ports of allocations.
type relayPorts struct{ relay *Relay }

// Validate implements turn.RelayAddressGenerator.
func (relayPorts) Validate() error { return nil }

// AllocatePacketConn implements turn.RelayAddressGenerator.
func (p relayPorts) AllocatePacketConn(c turn.AllocateListenerConfig) (net.PacketConn, net.Addr, error) {
	network := "udp6"
	if p.relay.ip.Is4() {
		network = "udp4"
	}
	if c.Network != network || c.RequestedPort != 0 {
		return nil, nil, errors.New("there are no relays of that kind")
	}
	var seed [2 * relayTries]byte
	_, _ = rand.Read(seed[:]) // never fails: crypto/rand
	for i := range relayTries {
		port := relayLowest + (int(seed[2*i])<<8|int(seed[2*i+1]))%(65536-relayLowest)
		conn, err := (&net.ListenConfig{}).ListenPacket(context.Background(), network, net.JoinHostPort(p.relay.bind, strconv.Itoa(port)))
		if err == nil {
			own := rate.NewLimiter(relayedRate, relayedRate/4)
			return &relayed{PacketConn: conn, limits: []*rate.Limiter{own, p.relay.rate}},
				net.UDPAddrFromAddrPort(netip.AddrPortFrom(p.relay.ip, uint16(port))), nil
		}
	}
	return nil, nil, errors.New("no port for a relay is free")
}

// AllocateListener implements turn.RelayAddressGenerator.
func (relayPorts) AllocateListener(turn.AllocateListenerConfig) (net.Listener, net.Addr, error) {
	return nil, nil, errors.ErrUnsupported
}

// AllocateConn implements turn.RelayAddressGenerator.
func (relayPorts) AllocateConn(turn.AllocateConnConfig) (net.Conn, error) {
	return nil, errors.ErrUnsupported
}

// relayed is the socket of an allocation. What is not WebRTC's, or too much, is lost, as
// in a network that is full.
type relayed struct {
	net.PacketConn
	limits []*rate.Limiter
}

func (c *relayed) passes(b []byte) bool {
	// RFC 7983: STUN and DTLS, which is all that data channels are made of.
	if len(b) == 0 || b[0] > 3 && b[0] < 20 || b[0] > 63 {
		return false
	}
	now := time.Now()
	for _, l := range c.limits {
		if !l.AllowN(now, len(b)) {
			return false
		}
	}
	return true
}

func (c *relayed) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := c.PacketConn.ReadFrom(b)
		if err != nil || c.passes(b[:n]) {
			return n, from, err
		}
	}
}

func (c *relayed) WriteTo(b []byte, to net.Addr) (int, error) {
	if u, ok := to.(*net.UDPAddr); !ok || u.Port < lowestPeerPort || !c.passes(b) {
		return len(b), nil
	}
	return c.PacketConn.WriteTo(b, to)
}

// patient passes over requests of addresses that make too many. Data is no request: the
// allocation that it is for has its own limits.
type patient struct {
	net.PacketConn
	rates *limit.Rates
}

func (c *patient) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := c.PacketConn.ReadFrom(b)
		if err != nil || !isRequest(b[:n]) || c.rates.Allow(networkOf(from), time.Now()) {
			return n, from, err
		}
	}
}

// isRequest tells requests from indications (RFC 8489, section 5) and other data.
func isRequest(b []byte) bool { return stun.IsMessage(b) && b[0]&1 == 0 && b[1]&0x10 == 0 }
