//go:build !linux

package bt

import "net"

// tune bounds what the kernel holds for a peer that reads nothing.
func tune(c *net.TCPConn) {
	// Without it the connection works as well, with more memory.
	_ = c.SetWriteBuffer(4 * notSentLowWater)
}
