package bt

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/pion/stun/v4"
)

// Limits of the STUN server, for each IP address.
const (
	stunBurst     = 20
	stunPerSecond = 5
	maxSTUNClient = 8192
)

// ServeSTUN answers binding requests (RFC 8489) at conn until ctx ends: it tells clients
// their public address and relays nothing. It closes conn.
func ServeSTUN(ctx context.Context, conn net.PacketConn) error {
	stop := context.AfterFunc(ctx, func() {
		// Closing is what ends the read below.
		_ = conn.Close()
	})
	defer stop()
	limit := newLimiter()
	buf := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFrom(buf)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return fmt.Errorf("serve STUN: %w", err)
			}
			continue
		}
		addr, ok := from.(*net.UDPAddr)
		if !ok || !limit.allow(addr.AddrPort().Addr().Unmap(), time.Now()) {
			continue
		}
		if answer := stunAnswer(buf[:n], addr); answer != nil {
			// The client asks again when an answer is lost.
			_, _ = conn.WriteTo(answer, from)
		}
	}
}

// stunAnswer returns the answer to a binding request, nil to anything else.
func stunAnswer(packet []byte, from *net.UDPAddr) []byte {
	if !stun.IsMessage(packet) {
		return nil
	}
	m := &stun.Message{Raw: packet}
	if m.Decode() != nil || m.Type != stun.BindingRequest {
		return nil
	}
	answer, err := stun.Build(stun.NewTransactionIDSetter(m.TransactionID), stun.BindingSuccess,
		&stun.XORMappedAddress{IP: from.IP, Port: from.Port}, stun.Fingerprint)
	if err != nil {
		return nil
	}
	return answer.Raw
}

// limiter gives each address so many answers a second.
type limiter struct{ clients map[netip.Addr]bucket }

type bucket struct {
	left float64
	at   time.Time
}

func newLimiter() *limiter { return &limiter{map[netip.Addr]bucket{}} }

func (l *limiter) allow(a netip.Addr, now time.Time) bool {
	b, known := l.clients[a]
	if !known {
		if len(l.clients) >= maxSTUNClient {
			l.forget(now)
		}
		b.left = stunBurst
	} else {
		b.left = min(b.left+now.Sub(b.at).Seconds()*stunPerSecond, stunBurst)
	}
	b.at = now
	ok := b.left >= 1
	if ok {
		b.left--
	}
	l.clients[a] = b
	return ok
}

// forget makes room: those whose bucket is full again, or else everybody.
func (l *limiter) forget(now time.Time) {
	for a, b := range l.clients {
		if now.Sub(b.at) > stunBurst/stunPerSecond*time.Second {
			delete(l.clients, a)
		}
	}
	if len(l.clients) >= maxSTUNClient {
		clear(l.clients)
	}
}
