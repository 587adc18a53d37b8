package bt

import (
	"net/netip"
	"testing"
)

func TestARelayServesTheNetworkThatItIsOn(t *testing.T) {
	const world, lan, self, six = "8.8.8.8", "192.168.1.2", "127.0.0.1", "2a00:1450::1"
	for _, c := range []struct {
		own, peer string
		want      bool
	}{
		{world, "1.1.1.1", true},
		{world, world, true},
		{world, lan, false},
		{world, self, false},
		{world, "::ffff:127.0.0.1", false},
		{world, "169.254.169.254", false},
		{world, "100.100.0.1", false},
		{world, "255.255.255.255", false},
		{world, "0.1.2.3", false},
		{world, six, false},
		{lan, "192.168.1.3", true},
		{lan, "10.1.1.1", true},
		{lan, world, true},
		{lan, self, false},
		{lan, "169.254.169.254", false},
		{self, self, true},
		{self, lan, true},
		{six, "2606:4700::1", true},
		{six, "::1", false},
		{six, "fd00::1", false},
		{six, "fe80::1", false},
		{six, "64:ff9b::7f00:1", false},
		{six, "2002:7f00:1::", false},
		{six, "::127.0.0.1", false},
		{six, world, false},
	} {
		if got := relaysTo(netip.MustParseAddr(c.own), netip.MustParseAddr(c.peer)); got != c.want {
			t.Errorf("at %s it relays to %s: %v", c.own, c.peer, got)
		}
	}
}
