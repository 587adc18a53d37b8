package main

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/internal/obs"
	"github.com/shoalcast/shoal/internal/proc"
	"github.com/shoalcast/shoal/matchmaker"
	"github.com/shoalcast/shoal/swarm/bt"
)

type matchmakerCmd struct {
	dataFlags    `embed:""`
	busFlags     `embed:""`
	httpFlags    `embed:""`
	tlsFlags     `embed:""`
	trackerFlags `embed:""`
}

func (c *matchmakerCmd) Run(ctx context.Context, common *Common, t terminal) error {
	if err := checkAll(c.trackerFlags, viewersIn(c.HTTP)); err != nil {
		return err
	}
	return alone(ctx, common, t, nodeFlags{c.dataFlags, c.busFlags, c.httpFlags, c.tlsFlags, traceFlags{}},
		func(_ context.Context, n *node) error {
			_, err := n.addMatchmaker(c.trackerFlags, c.PublicURL, nil, nil)
			return err
		})
}

func (f trackerFlags) check() error {
	return first(checkAddress("--tracker-udp", f.TrackerUDP), checkAddress("--stun", f.STUN), checkOrigins("--allow-origins", f.AllowOrigins))
}

// checkOrigins takes what browsers send as Origin, or *.
func checkOrigins(flag, origins string) error {
	for _, o := range list(origins) {
		if u, err := url.Parse(o); o != "*" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || o != u.Scheme+"://"+u.Host) {
			return fmt.Errorf("%s %q is no origin: write https://example.org, with its port if it has one and nothing behind, or * for every site", flag, o)
		}
	}
	return nil
}

// origins are those whose pages may use the tracker, besides the host that it is asked by.
func (f trackerFlags) origins(publicURL string) []string {
	var out []string
	for _, o := range append(list(f.AllowOrigins), publicURL) {
		if u, err := url.Parse(o); err == nil && u.Host != "" {
			o = originOf(u)
		}
		if o != "" {
			out = append(out, o)
		}
	}
	return out
}

// originOf is the origin of a URL's pages as browsers write it: without the scheme's own
// port (RFC 6454, section 6.1).
func originOf(u *url.URL) string {
	host := u.Host
	if port := map[string]string{"http": ":80", "https": ":443"}[u.Scheme]; port != "" {
		host = strings.TrimSuffix(host, port)
	}
	return u.Scheme + "://" + host
}

// addMatchmaker adds the tracker, and the STUN server beside it. known says which
// torrents it is for, nil is all; stream of which stream a torrent is the live one.
func (n *node) addMatchmaker(f trackerFlags, publicURL string, known func([20]byte) bool, stream func([20]byte) (event.StreamID, bool)) (*matchmaker.Service, error) {
	s := matchmaker.New(matchmaker.Options{
		Bus:     n.bus.As("matchmaker"),
		Reports: n.bus.As("matchmaker"),
		Log:     n.log.With(obs.KeyService, "matchmaker"),
		Metrics: matchmaker.NewMetrics(n.reg),
		Known:   known,
		Stream:  stream,
		Origins: f.origins(publicURL),
	})
	n.ready.add("matchmaker", s.Ready)
	n.mux.HandleFunc("GET /announce", s.Announce)
	n.mux.HandleFunc("GET /scrape", s.Scrape)
	n.group.Add(proc.Service, "matchmaker", s.Run)
	if f.TrackerUDP != "" {
		c, err := listenPacket("--tracker-udp", f.TrackerUDP)
		if err != nil {
			return nil, err
		}
		n.running.TrackerUDP = "udp://" + reachable(c.LocalAddr().String())
		// Last: the seed in this process takes its leave of it.
		n.group.Add(proc.Base, "tracker", func(ctx context.Context) error { return s.ServeUDP(ctx, c) })
	}
	if f.STUN != "" {
		c, err := listenPacket("--stun", f.STUN)
		if err != nil {
			return nil, err
		}
		n.running.STUN = "stun:" + reachable(c.LocalAddr().String())
		n.group.Add(proc.Intake, "stun", func(ctx context.Context) error { return bt.ServeSTUN(ctx, c) })
	}
	return s, nil
}

// listenPacket opens a UDP address, or says why it cannot be had.
func listenPacket(flag, addr string) (net.PacketConn, error) {
	c, err := (&net.ListenConfig{}).ListenPacket(context.Background(), "udp", addr)
	if err != nil {
		return nil, refused(fmt.Errorf("cannot listen on %s %s: %s; stop what uses it or choose another address", flag, addr, reasonOf(err)))
	}
	return c, nil
}

// list splits what commas separate.
func list(s string) []string {
	var out []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}
