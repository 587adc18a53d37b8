package bt

import (
	"net"

	"golang.org/x/sys/unix"
)

// tune keeps what waits unsent in the kernel small, so that a peer that reads nothing
// costs little and a late frame is not stuck behind megabytes. What is on its way is not
// limited by it.
func tune(c *net.TCPConn) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	// Without it the connection works as well, with more memory.
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, notSentLowWater)
	})
}
