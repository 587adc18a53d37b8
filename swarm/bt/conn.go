package bt

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/anacrolix/torrent/bencode"
)

// peerID is a peer's id in the BitTorrent handshake.
type peerID = [20]byte

// phase is how far the reading of a connection has come.
type phase uint8

const (
	handshaking phase = iota // the first 68 bytes
	messages                 // a stream's connection: frames are taken out
	opaque                   // an archive torrent's, or obfuscated: nothing is looked at
)

// conn is what the library takes for the network. Read is called by one goroutine at a
// time, and never under the library's lock.
type conn struct {
	net.Conn
	client   *Client
	outbound bool
	dialled  netip.AddrPort // of an outbound TCP connection
	remote   netip.Addr     // invalid over WebRTC
	onClose  func()

	// Reading.
	br       *bufio.Reader
	phase    phase
	greeting [handshakeLen]byte
	greeted  int
	through  int    // bytes of the current message that are the library's
	held     []byte // read ahead of it, the library's as well
	deadline time.Time
	swarm    *Swarm
	id       peerID
	link     *Link

	// Writing.
	wmu     sync.Mutex
	written int64
	ready   chan struct{} // closed once our extended handshake is written
	isReady bool

	once sync.Once
	done chan struct{}
}

func newConn(c *Client, nc net.Conn) *conn {
	return &conn{
		Conn: nc, client: c, br: bufio.NewReaderSize(nc, 32<<10),
		ready: make(chan struct{}), done: make(chan struct{}),
	}
}

// Close ends the connection at once.
func (c *conn) Close() error {
	var err error
	c.once.Do(func() {
		close(c.done)
		err = c.Conn.Close()
		if c.onClose != nil {
			c.onClose()
		}
	})
	return err
}

// SetReadDeadline leaves the deadline of a stream's connection to Read, which also sees
// the frames that the library does not.
func (c *conn) SetReadDeadline(t time.Time) error {
	if c.phase == messages {
		return nil
	}
	return c.Conn.SetReadDeadline(t)
}

// Read gives the library what is its own.
func (c *conn) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if c.phase == handshaking {
		if c.greeted < handshakeLen {
			return c.readGreeting(b)
		}
		c.recognize()
	}
	if c.phase == opaque {
		return c.br.Read(b)
	}
	for {
		if len(c.held) > 0 {
			n := copy(b, c.held)
			c.held = c.held[n:]
			return n, nil
		}
		if c.through > 0 {
			n, err := c.br.Read(b[:min(len(b), c.through)])
			c.through -= n
			return n, err
		}
		if err := c.next(); err != nil {
			return 0, err
		}
	}
}

// readGreeting passes the handshake on and turns away who is banned.
func (c *conn) readGreeting(b []byte) (int, error) {
	n, err := c.br.Read(b[:min(len(b), handshakeLen-c.greeted)])
	c.greeted += copy(c.greeting[c.greeted:], b[:n])
	switch known := min(c.greeted, len(protocolHeader)); {
	case string(c.greeting[:known]) != protocolHeader[:known]:
		c.phase = opaque
	case c.greeted == handshakeLen:
		copy(c.id[:], c.greeting[48:])
		if c.client.bans.id(c.id) {
			return 0, ErrBanned
		}
	}
	return n, err
}

// recognize sees whose connection it is once the library, which reads on, has found the
// torrent that the greeting names: a swarm that is joined at that moment is there by now.
func (c *conn) recognize() {
	c.phase = opaque
	if c.swarm = c.client.swarm([20]byte(c.greeting[28:48])); c.swarm != nil {
		c.phase = messages
	}
}

// next looks at the next message's beginning: the library's is left for Read, a frame
// is delivered.
func (c *conn) next() error {
	c.extend()
	head, err := c.br.Peek(4)
	if err != nil {
		return err
	}
	length := int64(binary.BigEndian.Uint32(head))
	if length < 2 {
		c.through = 4 + int(length)
		return nil
	}
	if head, err = c.br.Peek(6); err != nil {
		return unexpected(err)
	}
	switch {
	case head[4] != messageExtended:
		// The library has a limit of its own for these.
		c.through = 4 + int(length)
		return nil
	case head[5] == 0:
		return c.extendedHandshake(int(min(length, maxLTEP+1)))
	case head[5] != extensionID:
		c.through = 4 + int(length)
		return nil
	case length-2 > MaxPayload:
		return fmt.Errorf("receive from %s: %w", c.RemoteAddr(), ErrTooLong)
	case c.link == nil:
		return errors.New("a frame came before the extended handshake")
	}
	if _, err := c.br.Discard(6); err != nil {
		return err
	}
	frame := make([]byte, length-2)
	if _, err := io.ReadFull(c.br, frame); err != nil {
		return unexpected(err)
	}
	return c.link.deliver(frame)
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// extend moves the read deadline, at most every sixteenth of its length.
func (c *conn) extend() {
	now := time.Now()
	d := c.client.opts.ReadTimeout
	if c.deadline.Sub(now) > d-d/16 {
		return
	}
	c.deadline = now.Add(d)
	// A closed connection says so at the read that follows.
	_ = c.Conn.SetReadDeadline(c.deadline)
}

// extendedHandshake reads the peer's (BEP 10), which the library gets as well, and
// attaches the link if it speaks sh_live.
func (c *conn) extendedHandshake(length int) error {
	if length > maxLTEP {
		return fmt.Errorf("the extended handshake is longer than %d bytes", maxLTEP)
	}
	held := make([]byte, 4+length)
	if _, err := io.ReadFull(c.br, held); err != nil {
		return unexpected(err)
	}
	c.held = held
	var hello struct {
		M map[string]int64 `bencode:"m"`
		P int64            `bencode:"p"`
	}
	var trailing bencode.ErrUnusedTrailingBytes
	if err := bencode.Unmarshal(held[6:], &hello); err != nil && !errors.As(err, &trailing) {
		return fmt.Errorf("read extended handshake: %w", err)
	}
	id := hello.M[extensionName]
	if c.link != nil || id <= 0 || id > 255 {
		return nil
	}
	addr := c.dialled
	if !c.outbound && c.remote.IsValid() && hello.P > 0 && hello.P < 1<<16 {
		addr = netip.AddrPortFrom(c.remote, uint16(hello.P))
	}
	if addr.IsValid() && c.client.bans.addr(addr) {
		return ErrBanned
	}
	link, err := c.swarm.attach(c, byte(id), addr)
	c.link = link
	return err
}

// Write sends what the library writes: since the handshake, whole messages.
func (c *conn) Write(b []byte) (int, error) {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	if c.written >= handshakeLen {
		if err := c.Conn.SetWriteDeadline(time.Now().Add(c.client.opts.Stall)); err != nil {
			return 0, err
		}
	}
	n, err := c.Conn.Write(b)
	if !c.isReady && c.written >= handshakeLen && err == nil && len(b) >= 6 && b[4] == messageExtended && b[5] == 0 {
		c.isReady = true
		close(c.ready)
	}
	c.written += int64(n)
	return n, err
}

// writeFrames sends frames between the library's messages.
func (c *conn) writeFrames(b *net.Buffers) error {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	if err := c.Conn.SetWriteDeadline(time.Now().Add(c.client.opts.Stall)); err != nil {
		return err
	}
	var n int64
	var err error
	if rc, ok := c.Conn.(*rtcConn); ok {
		n, err = rc.writeBuffers(*b)
	} else {
		n, err = b.WriteTo(c.Conn)
	}
	c.written += n
	return err
}
