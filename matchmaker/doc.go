// Package matchmaker brings peers together: it is a plain BitTorrent tracker over HTTP
// (BEP 3, 7, 23, 48) and UDP (BEP 15), and a WebTorrent tracker over WebSockets, for the
// swarms of this installation, live and archived. What it knows of peers with an address is
// a fold over facts on the bus, so that it may be stopped at any moment and goes on where it
// was; pages, which have none, are in a swarm as long as their WebSocket is open.
package matchmaker
