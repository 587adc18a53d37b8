package bt

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/pion/stun/v4"

	"github.com/shoalcast/shoal/internal/limit"
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
	rates := limit.NewRates(stunPerSecond, stunBurst, maxSTUNClient)
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
		if !ok || !rates.Allow(networkOf(addr), time.Now()) {
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
