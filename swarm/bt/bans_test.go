package bt

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

func TestTwoBansOfOneIPWithinTenMinutesBanIt(t *testing.T) {
	now := time.Unix(1000, 0)
	b := newBans()
	b.now = func() time.Time { return now }
	ip := netip.MustParseAddr("192.0.2.1")
	at := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(ip, port) }
	b.add(at(1), ip, peerID{1})
	b.add(at(1), ip, peerID{1}) // the same one again does not count
	if !b.addr(at(1)) || !b.id(peerID{1}) || b.addr(at(2)) || b.ip(ip) {
		t.Error("one ban is to ban one peer")
	}
	now = now.Add(9 * time.Minute)
	b.add(at(3), ip, peerID{3})
	if !b.ip(ip) || !b.addr(at(2)) {
		t.Error("two bans are to ban the IP")
	}
	now = now.Add(10 * time.Minute)
	if b.ip(ip) || b.addr(at(2)) || !b.addr(at(3)) {
		t.Error("after ten minutes the IP is free, not its peers")
	}
	home := netip.MustParseAddr("127.0.0.1")
	for i := range 5 {
		b.add(netip.AddrPortFrom(home, uint16(i+1)), home, peerID{})
	}
	if b.ip(home) {
		t.Error("all of this machine is banned")
	}
	now = now.Add(time.Hour)
	if b.addr(at(3)) || b.id(peerID{3}) {
		t.Error("a ban has no end")
	}
}

func TestBansAreBounded(t *testing.T) {
	b := newBans()
	for i := range maxBans + 100 {
		ip := netip.MustParseAddr(fmt.Sprintf("10.0.%d.%d", i>>8, i&255))
		b.add(netip.AddrPortFrom(ip, 1), ip, peerID{byte(i), byte(i >> 8), 1})
	}
	if len(b.addrs) > maxBans || len(b.ids) > maxBans || len(b.ips) > maxBans {
		t.Errorf("%d addresses, %d ids, %d IPs are kept", len(b.addrs), len(b.ids), len(b.ips))
	}
}
