package live

import "net/netip"

// Link is one standing connection to a peer, as a transport hands it in.
type Link interface {
	// Send queues one encoded message; it must not block. The bytes are the link's from
	// then on. An error ends the connection.
	Send(frame []byte) error
	// Close ends the connection once what was sent is out, or after a moment. With ban
	// set its peer is not to be connected again.
	Close(reason string, ban bool)
	// Addr is where other peers could reach this peer; invalid: nowhere.
	Addr() netip.AddrPort
}
