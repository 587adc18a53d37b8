// Package matchmaker brings peers together: it is a plain BitTorrent tracker over HTTP
// (BEP 3, 7, 23, 48) and UDP (BEP 15) for the swarms of this installation, live and
// archived. What it knows of peers is a fold over facts on the bus, so that it may be
// stopped at any moment and goes on where it was.
package matchmaker
