package nattest

import (
	"fmt"
	"testing"
)

// ServerAddr is where everybody reaches the server.
const ServerAddr = "203.0.113.1"

// Mapping is how a NAT chooses the public port of an address behind it (RFC 4787 §4.1).
type Mapping string

// All of them filter by address and port: only who was sent something may answer.
const (
	// Steady keeps the port, whoever is sent to: endpoint-independent mapping.
	Steady Mapping = ""
	// Symmetric takes another port for each address and port that is sent to, and nobody
	// can tell which.
	Symmetric Mapping = "fully-random"
)

// Internet is a server and the homes that reach it, and through it each other's routers.
type Internet struct {
	Server *Host
	homes  int
}

// New makes an internet without homes. It ends with the test.
func New(t testing.TB) *Internet {
	t.Helper()
	i := &Internet{Server: first(t)}
	i.Server.sh(`
		ip addr add "$1" dev lo
		echo 1 >/proc/sys/net/ipv4/ip_forward`, ServerAddr)
	return i
}

// Home adds a router and returns the one host behind it. Its address is the same in every
// home, as it often is.
func (i *Internet) Home(m Mapping) *Host {
	i.Server.t.Helper()
	i.homes++
	wan := fmt.Sprintf("198.51.100.%d", i.homes)
	router, home := i.Server.beside(), i.Server.beside()
	i.Server.sh(`
		ip link add "home$1" type veth peer name wan netns "$2"
		ip addr add "$3" peer "$4" dev "home$1"
		ip link set "home$1" up`, i.homes, router.id(), ServerAddr, wan)
	router.sh(`
		ip addr add "$2" peer "$1" dev wan
		ip link set wan up
		ip route add default via "$1"
		ip link add lan type veth peer name eth0 netns "$3"
		ip addr add 192.168.1.1/24 dev lan
		ip link set lan up
		echo 1 >/proc/sys/net/ipv4/ip_forward`, ServerAddr, wan, home.id())
	router.sh(`echo "$1" | nft -f -`, fmt.Sprintf(rules, m))
	home.sh(`
		ip addr add 192.168.1.2/24 dev eth0
		ip link set eth0 up
		ip route add default via 192.168.1.1`)
	return home
}

// rules are a home router's. What comes unasked is dropped in silence; if it were refused,
// the kernel would take its port for used, and map the answer to another.
const rules = `table ip home {
	chain out {
		type nat hook postrouting priority srcnat
		oifname "wan" masquerade %s
	}
	chain in {
		type filter hook input priority filter; policy drop
		iifname != "wan" accept
		ct state established,related accept
	}
	chain through {
		type filter hook forward priority filter; policy drop
		iifname "lan" accept
		ct state established,related accept
	}
}`
