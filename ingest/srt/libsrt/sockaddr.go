package libsrt

import (
	"encoding/binary"
	"net/netip"
	"unsafe"
)

// Linux's struct sockaddr_in and sockaddr_in6 (ip(7), ipv6(7)): family in the machine's
// order, the port in the network's.
const (
	familyIPv4 = 2
	familyIPv6 = 10
	sizeIPv4   = 16
	sizeIPv6   = 28
)

type sockaddr [sizeIPv6]byte

// encode returns a as C takes it, and its length.
func encode(a netip.AddrPort) (s sockaddr, n int32) {
	binary.BigEndian.PutUint16(s[2:], a.Port())
	ip := a.Addr().Unmap()
	if ip.Is4() {
		binary.NativeEndian.PutUint16(s[:], familyIPv4)
		b := ip.As4()
		copy(s[4:], b[:])
		return s, sizeIPv4
	}
	binary.NativeEndian.PutUint16(s[:], familyIPv6)
	b := ip.As16()
	copy(s[8:], b[:])
	return s, sizeIPv6
}

// decode reads an address; the zero address when it is of another family.
func decode(s sockaddr) netip.AddrPort {
	port := binary.BigEndian.Uint16(s[2:])
	switch binary.NativeEndian.Uint16(s[:]) {
	case familyIPv4:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(s[4:8])), port)
	case familyIPv6:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(s[8:24])).Unmap(), port)
	}
	return netip.AddrPort{}
}

// decodeAt reads an address of C's memory, of which only as much is read as its family has.
func decodeAt(p *byte) netip.AddrPort {
	if p == nil {
		return netip.AddrPort{}
	}
	var s sockaddr
	n := 0
	switch *(*uint16)(unsafe.Pointer(p)) { //nolint:gosec // every sockaddr begins with its family
	case familyIPv4:
		n = sizeIPv4
	case familyIPv6:
		n = sizeIPv6
	}
	copy(s[:], unsafe.Slice(p, n)) //nolint:gosec // as long as its family says
	return decode(s)
}
