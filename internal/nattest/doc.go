// Package nattest makes a small internet for a test: a server that everybody reaches, and
// homes, each behind the NAT of its own router. The machines are Linux network namespaces,
// the NATs are the kernel's. What runs on them are ordinary programs, which see nothing
// but each other.
//
// Nothing of it has a name outside: a namespace lives as long as a process that waits in
// it for the end of its input, and that comes with the end of the test's process at the
// latest. Who is not root becomes root of namespaces of their own. It needs unshare and
// nsenter (util-linux), ip (iproute2) and nft (nftables).
package nattest
