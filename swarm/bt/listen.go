package bt

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// listener takes TCP connections for the library, and turns away banned IPs.
type listener struct {
	*net.TCPListener
	client *Client
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		tc, err := l.AcceptTCP()
		if err != nil {
			return nil, err
		}
		ip := remoteIP(tc)
		if l.client.bans.ip(ip) {
			// Whoever is banned is not told.
			_ = tc.Close()
			continue
		}
		tune(tc)
		c := newConn(l.client, tc)
		c.remote = ip
		return c, nil
	}
}

func remoteIP(c *net.TCPConn) netip.Addr {
	return c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
}

// dialer makes the library's outbound connections: by TCP, or those that ICE has made
// already.
type dialer struct{ client *Client }

func (d dialer) DialerNetwork() string { return "tcp" }

func (d dialer) Dial(ctx context.Context, addr string) (net.Conn, error) {
	if c := d.client.made(addr); c != nil {
		return c, nil
	}
	to, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, fmt.Errorf("dial %q: %w", addr, err)
	}
	c, err := d.client.dialTCP(ctx, unmap(to), dialTimeout)
	if err != nil {
		return nil, err // and no *conn that is nil
	}
	return c, nil
}

func (c *Client) dialTCP(ctx context.Context, to netip.AddrPort, timeout time.Duration) (*conn, error) {
	if c.bans.addr(to) {
		return nil, ErrBanned
	}
	nc, err := (&net.Dialer{KeepAlive: -1, Timeout: timeout}).DialContext(ctx, "tcp", to.String())
	if err != nil {
		return nil, err
	}
	tc := nc.(*net.TCPConn)
	tune(tc)
	made := newConn(c, tc)
	made.outbound, made.dialled, made.remote = true, to, to.Addr()
	return made, nil
}
