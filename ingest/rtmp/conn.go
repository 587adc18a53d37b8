package rtmp

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"time"

	"github.com/shoalcast/shoal/ingest/rtmp/chunk"
)

const (
	readBuffer    = 8 << 10   // bytes, before a publish
	mediaBuffer   = 64 << 10  // bytes: most frames come with one read
	ownChunkSize  = 4096      // bytes, of what the server sends
	windowAckSize = 2_500_000 // bytes, offered to the peer and assumed of it
	minWindow     = 16 << 10  // bytes; a peer that asks for more frequent acks gets these
)

// conn is one connection; one goroutine owns it.
type conn struct {
	server *Server
	wire   *wire
	place  *place
	in     *chunk.Reader
	out    *chunk.Writer

	connected  bool
	app, tcURL string
	encoder    string
	streams    uint32 // message streams created
	pub        *publish
	readBefore uint64 // wire.read when setup began

	window uint32 // the peer wants an acknowledgement every so many bytes
	acked  uint64
	sent   uint32 // last window that was announced to the peer
}

func (c *conn) log() *slog.Logger {
	return c.server.log.With("remote", c.wire.RemoteAddr().String())
}

// run talks to the peer until one of them has had enough.
func (c *conn) run(ctx context.Context) {
	err := c.talk(ctx)
	f := faultOf(err, c.pub != nil)
	tell := f != nil && f.say != "" && c.connected
	if tell {
		tell = c.status(c.streamID(), levelError, codeOf(c.pub), f.say) == nil
	}
	if f != nil && f.cause != "" {
		c.server.metrics.Ended.WithLabelValues(f.cause).Inc()
	}
	switch {
	case c.pub != nil:
		c.endPublish(f)
	case f == nil:
	case f.cause == CauseRefused:
		c.log().Warn("refused a publish", "error", f.err)
	case quiet(f.err):
		c.log().Debug("an RTMP connection ended", "cause", f.cause, "error", f.err)
	default:
		c.log().Info("ended an RTMP connection", "cause", f.cause, "error", f.err)
	}
	if tell {
		c.wire.linger(ctx, c.server.limits.Linger)
	}
}

func (c *conn) talk(ctx context.Context) error {
	l := c.server.limits
	start := time.Now()
	c.wire.expect("RTMP handshake", start.Add(l.Handshake))
	if err := handshake(c.wire); err != nil {
		return fmt.Errorf("RTMP handshake: %w", err)
	}
	c.wire.expect("publish", start.Add(l.Setup))
	c.in = chunk.NewReader(bufio.NewReaderSize(c.wire, readBuffer), l.setup())
	c.out = chunk.NewWriter(c.wire)
	c.window = windowAckSize
	for {
		before := c.wire.read
		m, err := c.in.Next()
		if err != nil {
			return err
		}
		if err := c.account(int(c.wire.read - before)); err != nil {
			return err
		}
		if err := c.handle(ctx, m); err != nil {
			return err
		}
	}
}

// account holds the peer to its limits and acknowledges what came.
func (c *conn) account(n int) error {
	if c.pub != nil {
		c.server.metrics.Bytes.Add(float64(n))
		if err := c.pub.rates.message(n, c.wire.last); err != nil {
			return refused(CauseRate, "limit the publisher", err)
		}
	} else if c.wire.read-c.readBefore > setupBytes {
		return protocol("more than %d bytes came without a publish", setupBytes)
	}
	if c.wire.read-c.acked >= uint64(c.window) {
		c.acked = c.wire.read
		return c.out.Control(chunk.TypeAck, uint32(c.wire.read))
	}
	return nil
}

func (c *conn) handle(ctx context.Context, m chunk.Message) error {
	switch m.Type {
	case chunk.TypeCommandAMF0:
		return c.command(ctx, m.StreamID, m.Payload)
	case chunk.TypeCommandAMF3:
		// One byte of format, then AMF0, which is all that AMF3 peers send here.
		if len(m.Payload) == 0 {
			return protocol("an empty AMF3 command")
		}
		return c.command(ctx, m.StreamID, m.Payload[1:])
	case chunk.TypeWindowAckSize, chunk.TypeSetPeerBandwidth:
		return c.windows(m)
	case chunk.TypeUserControl:
		return c.userControl(m.Payload)
	case chunk.TypeAck:
		return nil // far less is sent than any window
	}
	if c.pub == nil || m.StreamID != c.pub.streamID {
		return nil
	}
	return c.pub.message(m, c.wire.last)
}

func (c *conn) windows(m chunk.Message) error {
	if len(m.Payload) < 4 {
		return protocol("message of type %d with %d bytes", m.Type, len(m.Payload))
	}
	n := binary.BigEndian.Uint32(m.Payload)
	if m.Type == chunk.TypeWindowAckSize {
		c.window = max(n, minWindow)
		return nil
	}
	// Section 5.4.5: answer with the window size when it is another than before.
	if n == c.sent {
		return nil
	}
	c.sent = n
	return c.out.Control(chunk.TypeWindowAckSize, n)
}

// User control events (section 7.1.7).
const (
	eventStreamBegin  = 0
	eventPingRequest  = 6
	eventPingResponse = 7
)

func (c *conn) userControl(p []byte) error {
	if len(p) < 2 {
		return protocol("user control message with %d bytes", len(p))
	}
	if binary.BigEndian.Uint16(p) != eventPingRequest || len(p) < 6 {
		return nil
	}
	return c.event(eventPingResponse, binary.BigEndian.Uint32(p[2:]))
}

func (c *conn) event(event uint16, v uint32) error {
	b := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(nil, event), v)
	return c.out.Write(2, chunk.Message{Type: chunk.TypeUserControl, Payload: b})
}

func (c *conn) streamID() uint32 {
	if c.pub != nil {
		return c.pub.streamID
	}
	return min(c.streams, 1)
}
