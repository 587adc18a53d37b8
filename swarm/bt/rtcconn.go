package bt

import (
	"io"
	"net"
	"sync"
	"time"

	"github.com/pion/datachannel"
	"github.com/pion/webrtc/v4"
)

// rtcAddr names one end of a WebRTC connection. It has no port, so nobody dials it.
type rtcAddr string

func (rtcAddr) Network() string  { return "webrtc" }
func (a rtcAddr) String() string { return string(a) }

// rtcConn is a data channel as a stream of bytes.
type rtcConn struct {
	ice     *ice
	pc      *webrtc.PeerConnection
	channel datachannel.ReadWriteCloserDeadliner
	remote  rtcAddr
	once    sync.Once

	dmu    sync.Mutex
	closed bool

	message []byte // room for one that arrives
	rest    []byte // of it

	wmu  sync.Mutex
	part []byte // room for one to send
}

func (c *rtcConn) LocalAddr() net.Addr  { return rtcAddr("webrtc") }
func (c *rtcConn) RemoteAddr() net.Addr { return c.remote }

func (c *rtcConn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline sets none once the connection is closed: pion keeps a goroutine until
// a deadline is reached or taken back.
func (c *rtcConn) SetReadDeadline(t time.Time) error {
	c.dmu.Lock()
	defer c.dmu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	return c.channel.SetReadDeadline(t)
}

func (c *rtcConn) SetWriteDeadline(t time.Time) error { return c.channel.SetWriteDeadline(t) }

func (c *rtcConn) Read(b []byte) (int, error) {
	for len(c.rest) == 0 {
		n, err := c.channel.Read(c.message)
		if err != nil {
			return 0, err
		}
		c.rest = c.message[:n]
	}
	n := copy(b, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

func (c *rtcConn) Write(b []byte) (int, error) {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	sent := 0
	for len(b) > 0 {
		n, err := c.channel.Write(b[:min(len(b), rtcMessage)])
		sent += n
		if err != nil {
			return sent, err
		}
		b = b[n:]
	}
	return sent, nil
}

// writeBuffers sends buffers as if they were one: a message each would be many.
func (c *rtcConn) writeBuffers(buffers net.Buffers) (int64, error) {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	var sent int64
	flush := func(b []byte) error {
		n, err := c.channel.Write(b)
		sent += int64(n)
		return err
	}
	part := c.part[:0]
	for _, b := range buffers {
		for len(b) > 0 {
			n := min(len(b), rtcMessage-len(part))
			part, b = append(part, b[:n]...), b[n:]
			if len(part) == rtcMessage {
				if err := flush(part); err != nil {
					return sent, err
				}
				part = part[:0]
			}
		}
	}
	if len(part) == 0 {
		return sent, nil
	}
	return sent, flush(part)
}

// Close ends the connection and waits for its goroutines.
func (c *rtcConn) Close() error {
	var err error
	c.once.Do(func() {
		c.dmu.Lock()
		c.closed = true
		// It only ends the goroutine.
		_ = c.channel.SetReadDeadline(time.Time{})
		c.dmu.Unlock()
		err = c.pc.GracefulClose()
		c.ice.mu.Lock()
		delete(c.ice.open, c)
		c.ice.mu.Unlock()
	})
	return err
}

var _ io.ReadWriteCloser = (*rtcConn)(nil)
