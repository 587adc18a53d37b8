package matchmaker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// errConnection is short, so that its answer is no longer than any request: nobody is to
// send us requests in another's name to have that other flooded.
var errConnection = errors.New("connect again")

// ServeUDP answers what comes in on c (BEP 15) until ctx ends, and closes it. Answers to
// IPv4 askers hold IPv4 addresses, those to IPv6 askers IPv6 ones.
func (s *Service) ServeUDP(ctx context.Context, c net.PacketConn) error {
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	buf := make([]byte, 2048) // the longest request is a scrape of 74 torrents: 1,496 bytes
	for {
		n, addr, err := c.ReadFrom(buf)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			// Answers that nobody took come back as errors; only a closed socket stays so.
			if errors.Is(err, net.ErrClosed) {
				return fmt.Errorf("read from the UDP tracker's socket: %w", err)
			}
			continue
		}
		from, err := netip.ParseAddrPort(addr.String())
		if err != nil || from.Port() == 0 {
			continue
		}
		if out := s.datagram(buf[:n], netip.AddrPortFrom(clean(from.Addr()), from.Port()), time.Now()); out != nil {
			_, _ = c.WriteTo(out, addr) // it may be lost, as datagrams are
		}
	}
}

// datagram answers one request; nil says nothing.
func (s *Service) datagram(b []byte, from netip.AddrPort, now time.Time) []byte {
	q, err := parseUDP(b)
	if errors.Is(err, errNoRequest) {
		return nil
	}
	if err == nil && q.action == actionConnect {
		return udpConnected(q.transaction, connectionID(s.secret[:], from.Addr(), now))
	}
	if !connected(s.secret[:], from.Addr(), q.connection, now) {
		if len(b) < len(udpError(0, errConnection)) {
			return nil
		}
		return udpError(q.transaction, errConnection)
	}
	kind, out := "announce", []byte(nil)
	if q.action == actionScrape {
		kind = "scrape"
	}
	if err == nil {
		out, err = s.udpAnswer(q, from)
	}
	s.opts.Metrics.Requests.WithLabelValues("udp", kind, result(err)).Inc()
	if err != nil {
		return udpError(q.transaction, err)
	}
	return out
}

// udpAnswer answers a request whose sender is who it says.
func (s *Service) udpAnswer(q udpRequest, from netip.AddrPort) ([]byte, error) {
	if q.action == actionScrape {
		all, err := s.scrape(from.Addr(), q.hashes)
		if err != nil {
			return nil, err
		}
		return udpScraped(q.transaction, all), nil
	}
	a, err := s.announce(announcement{
		infohash: q.infohash, peer: q.peer, from: from.Addr(),
		addr: netip.AddrPortFrom(believe(from.Addr(), q.named), q.port),
		left: q.left, downloaded: q.downloaded, uploaded: q.uploaded, stopped: q.stopped,
		want: q.want, family: from.Addr().BitLen(),
	})
	if err != nil {
		return nil, err
	}
	return udpAnnounced(q.transaction, s.opts.Interval, a), nil
}
