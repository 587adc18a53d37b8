package rtmp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	version       = 3
	handshakeSize = 1536 // bytes of C1, S1, C2 and S2
)

var errNotRTMP = errors.New("the peer does not speak RTMP")

// handshake does the server's side of section 5.2. C1 is echoed as it is, which also
// satisfies clients that try a digest handshake and check for it; C2 is not checked.
func handshake(rw io.ReadWriter) error {
	var c0 [1]byte
	if _, err := io.ReadFull(rw, c0[:]); err != nil {
		return fmt.Errorf("read C0: %w", err)
	}
	if c0[0] != version {
		return fmt.Errorf("C0 is 0x%02x%s: %w", c0[0], guess(c0[0]), errNotRTMP)
	}
	// S0, S1 and S2 in one write; C1 lands where S2 goes.
	b := make([]byte, 1+2*handshakeSize)
	b[0] = version
	s1, s2 := b[1:1+handshakeSize], b[1+handshakeSize:]
	if _, err := io.ReadFull(rw, s2); err != nil {
		return fmt.Errorf("read C1: %w", noEOF(err))
	}
	// S1: time 0, four zero bytes, then filling that need not be secret: it serves to
	// tell this connection's echo from another's, which nobody needs over TCP.
	for i := 8; i < handshakeSize; i += 4 {
		binary.BigEndian.PutUint32(s1[i:], uint32(i)*2654435761)
	}
	if _, err := rw.Write(b); err != nil {
		return fmt.Errorf("write S0, S1 and S2: %w", err)
	}
	if _, err := io.ReadFull(rw, s2); err != nil {
		return fmt.Errorf("read C2: %w", noEOF(err))
	}
	return nil
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// guess says what a first byte usually means.
func guess(b byte) string {
	switch b {
	case 0x16:
		return " (TLS? RTMPS has a port of its own)"
	case 6, 8:
		return " (RTMPE, which is not supported)"
	case 'G', 'P', 'H', 'O':
		return " (HTTP?)"
	}
	return ""
}
