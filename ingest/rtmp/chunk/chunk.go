// Package chunk reads and writes RTMP's chunk stream (Adobe's RTMP 1.0, section 5.3):
// messages cut into chunks that several chunk streams interleave.
//
// The reader takes bytes from outside: message size, chunk size, the number of chunk
// streams and the bytes of unfinished messages are all bounded.
package chunk

import (
	"errors"
	"fmt"
)

// Types of messages (sections 5.4, 6 and 7.1).
const (
	TypeSetChunkSize     = 1
	TypeAbort            = 2
	TypeAck              = 3
	TypeUserControl      = 4
	TypeWindowAckSize    = 5
	TypeSetPeerBandwidth = 6
	TypeAudio            = 8
	TypeVideo            = 9
	TypeDataAMF3         = 15
	TypeCommandAMF3      = 17
	TypeDataAMF0         = 18
	TypeCommandAMF0      = 20
	TypeAggregate        = 22
)

// Chunk sizes in bytes: what both sides start with, and the most that is accepted.
const (
	DefaultSize = 128
	MaxSize     = 1 << 20
)

const (
	extended   = 0xFFFFFF // a timestamp field that says: see the extended one
	firstCSID  = 2        // 0 and 1 announce longer ids
	controlCID = 2        // section 5.4: protocol control messages
)

// Message is a whole message.
type Message struct {
	Type      uint8
	Timestamp uint32 // milliseconds, wraps around
	StreamID  uint32
	Payload   []byte
}

// Limits of a Reader.
type Limits struct {
	Message    int // most bytes in a message
	Unfinished int // most bytes of messages that have begun and not ended
	Streams    int // most chunk streams in use
}

// Errors of a Reader that its caller may tell apart; all mean that the connection
// cannot be read further.
var (
	ErrChunkSize = errors.New("chunk size is out of bounds")
	ErrTooLarge  = errors.New("message is too large")
	ErrStreams   = errors.New("too many chunk streams")
	ErrHeader    = errors.New("chunk header is out of place")
)

func badSize(n uint32) error {
	return fmt.Errorf("chunk size of %d bytes, allowed are 1 to %d: %w", n, MaxSize, ErrChunkSize)
}
