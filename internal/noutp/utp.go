// Package utp stands in for github.com/anacrolix/go-utp, which the BitTorrent library
// imports: Shoal speaks TCP and WebRTC, so every function here says that uTP is not
// available. It is a module of its own, put in place by a replace line in go.mod.
package utp

import (
	"context"
	"errors"
	"log/slog"
	"net"
)

// ErrNotAvailable is what asking for a socket gets.
var ErrNotAvailable = errors.New("uTP is not available in this build: use TCP")

// Default names this implementation in messages.
const Default = "no uTP"

// FirewallCallback reports whether packets from an address are to be dropped.
type FirewallCallback func(net.Addr) bool

// Option would configure a socket.
type Option struct{}

// WithLogger would set a socket's logger.
func WithLogger(*slog.Logger) Option { return Option{} }

// Socket is what a uTP implementation provides; there is none here.
type Socket interface {
	net.PacketConn
	Accept() (net.Conn, error)
	Addr() net.Addr
	DialContext(ctx context.Context, network, addr string) (net.Conn, error)
	SetFirewallCallback(FirewallCallback)
}

// NewSocket fails with ErrNotAvailable.
func NewSocket(_, _ string, _ ...Option) (Socket, error) { return nil, ErrNotAvailable }

// NewSocketFromPacketConn fails with ErrNotAvailable.
func NewSocketFromPacketConn(net.PacketConn, ...Option) (Socket, error) {
	return nil, ErrNotAvailable
}
