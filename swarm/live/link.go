package live

import "net/netip"

// Link is one standing connection to a peer, as a transport hands it in.
type Link interface {
	// Send queues one encoded sh_live message; it must not block. The bytes are the
	// link's from then on. An error ends the connection.
	Send(frame []byte) error
	// Close ends the connection once what was sent is out, or after a moment. With ban
	// set its peer is not to be connected again.
	Close(reason string, ban bool)
	// Addr is where other peers could reach this peer; invalid: nowhere.
	Addr() netip.AddrPort
}

// The loop's side of a link is a *Session, from Loop.Attach:
//
//	func (l *Loop) Attach(link Link, outbound bool) *Session
//	func (s *Session) Receive(frame []byte) error // never blocks; an error means: close
//	func (s *Session) Closed()                    // the transport lost it
//
// and everything else reaches the node by
//
//	func (l *Loop) Do(ctx context.Context, fn func(now swarm.Time, n *swarm.Node)) error
//
// with what the node wants from outside (heads, pieces, fetches, dials, signals) handed
// to the Handler that the loop was made with, on the loop's goroutine.

// Dialer connects to peers that the node heard of; a transport implements it.
type Dialer interface {
	// Dial connects to an address, if there is room and it is not banned; it returns at once.
	Dial(addr netip.AddrPort)
}
