package limit

import "net/netip"

// Network returns what counts as one address: an IPv4 address, or the /64 that an IPv6
// subscriber has. Free says that no bound holds for it.
func Network(a netip.Addr) (n netip.Prefix, free bool) {
	a = a.Unmap().WithZone("")
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	n, err := a.Prefix(bits)
	if err != nil { // of no address: all of those are one
		return netip.Prefix{}, false
	}
	return n, a.IsLoopback()
}

// Remote is Network of an http.Request's RemoteAddr.
func Remote(addr string) (n netip.Prefix, free bool) {
	a, err := netip.ParseAddrPort(addr)
	if err != nil {
		return netip.Prefix{}, false
	}
	return Network(a.Addr())
}
