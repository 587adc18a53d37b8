package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/shoalcast/shoal/internal/obs"
	"github.com/shoalcast/shoal/internal/proc"
	"github.com/shoalcast/shoal/seeder"
	"github.com/shoalcast/shoal/swarm/bt"
)

// parseICEServers reads the value of --ice-servers. TURN servers name their user:
// turn:USER:PASSWORD@HOST, with what URLs escape escaped.
func parseICEServers(flag, s string) ([]seeder.ICEServer, error) {
	var out []seeder.ICEServer
	for _, one := range list(s) {
		server, err := parseICEServer(one)
		if err != nil {
			return nil, fmt.Errorf("%s %q: %w", flag, hidden(one), err)
		}
		out = append(out, server)
	}
	return out, nil
}

func parseICEServer(s string) (seeder.ICEServer, error) {
	bad := func(why string) (seeder.ICEServer, error) {
		return seeder.ICEServer{}, fmt.Errorf("%s; it looks like stun:HOST:PORT or turn:USER:PASSWORD@HOST:PORT", why)
	}
	scheme, rest, _ := strings.Cut(s, ":")
	if !slices.Contains([]string{"stun", "stuns", "turn", "turns"}, scheme) {
		return bad("each must begin with stun:, stuns:, turn: or turns:")
	}
	user, host, named := "", rest, false
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		user, host, named = rest[:at], rest[at+1:], true
	}
	if u, err := url.Parse("turn://" + host); err != nil || u.Hostname() == "" || u.Path != "" {
		return bad("it must name a host")
	}
	out := seeder.ICEServer{URLs: []string{scheme + ":" + host}}
	relays := strings.HasPrefix(scheme, "turn")
	if relays != named {
		return bad("a TURN server has a user, a STUN server none")
	}
	if !relays {
		return out, nil
	}
	name, password, _ := strings.Cut(user, ":")
	var err error
	if out.Username, err = url.PathUnescape(name); err == nil {
		out.Credential, err = url.PathUnescape(password)
	}
	if err != nil || out.Username == "" || out.Credential == "" {
		return bad("its user or password is missing, or wrongly escaped")
	}
	return out, nil
}

// hidden is what may be shown of a URL that may have a password in it.
func hidden(s string) string {
	if at := strings.LastIndexByte(s, '@'); at >= 0 {
		scheme, _, _ := strings.Cut(s, ":")
		return scheme + ":…" + s[at:]
	}
	return s
}

// stunOnly lists those of --ice-servers that native peers use: they need no relay.
func stunOnly(s string) []string {
	return slices.DeleteFunc(list(s), func(u string) bool { return !strings.HasPrefix(u, "stun:") })
}

// pageICE returns what pages use for WebRTC: our STUN and TURN servers and those that were
// named. world is the host that the world reaches this machine by, empty if pages know best.
func (n *node) pageICE(f swarmFlags, world string, relay *bt.Relay) func(host string) []seeder.ICEServer {
	named, _ := parseICEServers("", f.ICEServers) // check has seen it
	at := func(scheme, ours, host string) []string {
		_, port, err := net.SplitHostPort(strings.TrimPrefix(ours, scheme+":"))
		if err != nil {
			return nil
		}
		if world != "" {
			return []string{scheme + ":" + net.JoinHostPort(world, port)}
		}
		return []string{scheme + ":" + host + ":" + port}
	}
	return func(host string) []seeder.ICEServer {
		var out []seeder.ICEServer
		if urls := at("stun", n.running.STUN, host); urls != nil {
			out = append(out, seeder.ICEServer{URLs: urls})
		}
		if relay != nil {
			user, password, err := relay.Credential()
			if urls := at("turn", n.running.TURN, host); urls != nil && err == nil {
				out = append(out, seeder.ICEServer{URLs: urls, Username: user, Credential: password})
			}
		}
		return append(out, named...)
	}
}

// addRelay adds the TURN server, if there is to be one.
func (n *node) addRelay(f swarmFlags, ip netip.Addr) (*bt.Relay, error) {
	if f.TURN == "" {
		return nil, nil
	}
	if !ip.IsValid() {
		ip = ownIP(f.TURN)
	}
	rate, err := parseBytes("--turn-rate", f.TURNRate)
	if err != nil {
		return nil, refused(err)
	}
	relay, err := bt.NewRelay(bt.RelayOptions{IP: ip, Rate: int64(rate)})
	if err != nil {
		return nil, refused(fmt.Errorf("--turn %s: %w; name the machine's address with --public-ip", f.TURN, err))
	}
	c, err := listenPacket("--turn", f.TURN)
	if err != nil {
		return nil, err
	}
	n.running.TURN = "turn:" + reachable(c.LocalAddr().String())
	n.log.Info("relaying", obs.KeyService, "turn", "ip", ip.String())
	n.group.Add(proc.Intake, "turn", func(ctx context.Context) error { return relay.Serve(ctx, c) })
	return relay, nil
}

// ownIP is the address that others see packets of this machine come from, if nothing
// changes it on the way: the one that it listens at, or that of the way out.
func ownIP(listen string) netip.Addr {
	host, _, _ := net.SplitHostPort(listen)
	if ip, err := netip.ParseAddr(host); err == nil && !ip.IsUnspecified() {
		return ip.Unmap()
	}
	// Nothing is sent: the system only chooses the way, here to an address of TEST-NET-1.
	c, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 9})
	if err != nil {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1}) // there is no way out
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
}
