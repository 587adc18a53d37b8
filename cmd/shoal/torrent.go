package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/shoalcast/shoal/internal/obs"
	"github.com/shoalcast/shoal/internal/proc"
	"github.com/shoalcast/shoal/matchmaker"
	"github.com/shoalcast/shoal/seeder"
	"github.com/shoalcast/shoal/swarm/bt"
	"github.com/shoalcast/shoal/swarm/metainfo"
)

// seedConns is how many connections the seed keeps in one swarm at most.
const seedConns = 512

func (f swarmFlags) check() error {
	return first(checkAddress("--torrent", f.Torrent), checkAddress("--webrtc", f.WebRTC), checkIP("--public-ip", f.PublicIP),
		checkICE("--ice-servers", f.ICEServers), checkAddress("--turn", f.TURN), checkRate("--turn-rate", f.TURNRate), checkURLs("--trackers", f.Trackers, "http", "https", "udp", "ws", "wss"), checkRate("--egress", f.Egress))
}

func checkICE(flag, s string) error {
	_, err := parseICEServers(flag, s)
	return err
}

func checkIP(flag, s string) error {
	if s == "" {
		return nil
	}
	if _, err := netip.ParseAddr(s); err != nil {
		return fmt.Errorf("%s %q must be an IP address like 203.0.113.7", flag, s)
	}
	return nil
}

func checkRate(flag, s string) error {
	if s == "" {
		return nil
	}
	_, err := parseBytes(flag, s)
	return err
}

// checkURLs refuses what is no URL of one of the schemes.
func checkURLs(flag, s string, schemes ...string) error {
	for _, one := range list(s) {
		u, err := url.Parse(one)
		if err != nil || u.Host == "" && u.Opaque == "" || !slices.Contains(schemes, u.Scheme) {
			return fmt.Errorf("%s %q: each must begin with %s: and name a host", flag, one, strings.Join(schemes, ": or "))
		}
	}
	return nil
}

// rate reads a rate that may be empty, in bytes a second.
func (f swarmFlags) rate() int64 {
	if f.Egress == "" {
		return 0
	}
	n, err := parseBytes("--egress", f.Egress)
	if err != nil { // check has seen it
		return 0
	}
	return int64(n)
}

// publicIP is where the world reaches this machine, as far as flags tell: a public URL
// with a name in it does not.
func (f swarmFlags) publicIP(publicURL string) netip.Addr {
	if f.PublicIP != "" {
		return netip.MustParseAddr(f.PublicIP).Unmap() // check has seen it
	}
	u, err := url.Parse(publicURL)
	if err != nil {
		return netip.Addr{}
	}
	ip, err := netip.ParseAddr(u.Hostname())
	if err != nil || ip.IsUnspecified() || ip.IsLoopback() {
		return netip.Addr{}
	}
	return ip.Unmap()
}

// stunFor lists the STUN servers that viewers are told of, with ours first; world is the
// host that they reach this machine by, empty if they know best.
func (n *node) stunFor(f swarmFlags, world string) []string {
	var out []string
	if _, port, err := net.SplitHostPort(strings.TrimPrefix(n.running.STUN, "stun:")); err == nil {
		out = append(out, net.JoinHostPort(world, port))
	}
	for _, u := range stunOnly(f.ICEServers) {
		addr := strings.TrimPrefix(u, "stun:")
		if _, _, err := net.SplitHostPort(addr); err != nil {
			addr = net.JoinHostPort(addr, stunPort)
		}
		out = append(out, addr)
	}
	return out
}

// ownTracker is the WebTorrent side of the tracker in this process.
func (n *node) ownTracker() string {
	return "ws" + strings.TrimPrefix(n.running.HTTP, "http") + "/announce"
}

// trackerTLS tells our own tracker by its certificate: the one that the world trusts does
// not name the address at which it is asked here.
func (n *node) trackerTLS(url string) *tls.Config {
	if n.cert == nil || url != n.ownTracker() {
		return nil
	}
	return n.cert.pinned()
}

// seeding brings the seed into swarms: the client, and what viewers are told of it. own
// is set where the tracker runs in this process.
func (n *node) seeding(f swarmFlags, publicURL string, own *matchmaker.Service, o *seeder.Options) error {
	o.Trackers, o.Announce = list(f.Trackers), list(f.Trackers)
	if own != nil {
		o.SwarmSize = func(hash metainfo.InfoHash) int { return own.SwarmSize(hash) }
		if o.Tracker = len(o.Trackers) == 0; o.Tracker {
			o.Announce = []string{cmp.Or(n.running.TrackerUDP, n.running.HTTP+"/announce"), n.ownTracker()}
		}
	}
	if f.Torrent == "" {
		return nil
	}
	ip := f.publicIP(publicURL)
	client, err := bt.New(bt.Options{
		Listen: f.Torrent, WebRTC: f.WebRTC, PublicIP: ip, ICEServers: stunOnly(f.ICEServers), TrackerTLS: n.trackerTLS,
		MaxConns: seedConns, UploadRate: f.rate(), Log: n.log.With(obs.KeyService, "torrent"),
	})
	if err != nil {
		return refused(fmt.Errorf("cannot listen on --torrent %s and --webrtc %s: %s; stop what uses them or choose other addresses",
			f.Torrent, f.WebRTC, reasonOf(err)))
	}
	host, _, err := net.SplitHostPort(f.Torrent)
	if err != nil {
		return refused(err)
	}
	world := "" // the host that viewers reached the origin by
	if ip.IsValid() {
		world = ip.String()
	}
	port := fmt.Sprint(client.Port())
	n.running.Torrent = net.JoinHostPort(cmp.Or(host, "127.0.0.1"), port)
	o.Seeds = []string{net.JoinHostPort(world, port)}
	o.STUN = n.stunFor(f, world)
	relay, err := n.addRelay(f, ip)
	if err != nil {
		return errors.Join(err, client.Close())
	}
	o.ICE = n.pageICE(f, world, relay)
	o.Transport, o.Files, o.Egress = bt.Transport{Client: client}, client, 8*f.rate()
	n.group.Add(proc.Service, "torrent", func(ctx context.Context) error {
		<-ctx.Done()
		return client.Close()
	})
	return nil
}
