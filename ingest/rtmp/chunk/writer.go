package chunk

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Writer cuts messages into chunks. Every message starts with a full header (type 0),
// which every reader understands; a server's few answers need no shorter ones.
type Writer struct {
	w    io.Writer
	size int
	buf  []byte
}

// NewWriter writes to w, one Write a message.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w, size: DefaultSize} }

// Write sends m on chunk stream id, 2 to 63.
func (w *Writer) Write(id uint32, m Message) error {
	b, err := AppendMessage(w.buf[:0], id, m, w.size)
	if err != nil {
		return err
	}
	if cap(b) <= 4096 { // not worth holding more for the rare long answer
		w.buf = b
	}
	_, err = w.w.Write(b)
	return err
}

// SetSize tells the peer the size of the chunks that follow.
func (w *Writer) SetSize(n int) error {
	if n < 1 || n > MaxSize {
		return badSize(uint32(n))
	}
	if err := w.Control(TypeSetChunkSize, uint32(n)); err != nil {
		return err
	}
	w.size = n
	return nil
}

// Control sends a protocol control message whose payload is one number.
func (w *Writer) Control(typ uint8, v uint32) error {
	return w.Write(controlCID, Message{Type: typ, Payload: binary.BigEndian.AppendUint32(nil, v)})
}

// AppendMessage appends m as chunks of at most size bytes on chunk stream id, 2 to 63.
func AppendMessage(b []byte, id uint32, m Message, size int) ([]byte, error) {
	if id < firstCSID || id > 63 {
		return nil, fmt.Errorf("write chunk: no one-byte header for chunk stream %d", id)
	}
	if len(m.Payload) > 0xFFFFFF {
		return nil, fmt.Errorf("write chunk: %d bytes: %w", len(m.Payload), ErrTooLarge)
	}
	ts := m.Timestamp
	b = append(b, byte(id))
	b = appendU24(b, min(ts, extended))
	b = appendU24(b, uint32(len(m.Payload)))
	b = append(b, m.Type)
	b = binary.LittleEndian.AppendUint32(b, m.StreamID)
	if ts >= extended {
		b = binary.BigEndian.AppendUint32(b, ts)
	}
	p := m.Payload
	for len(p) > size {
		b = append(append(b, p[:size]...), 0xC0|byte(id))
		if ts >= extended {
			b = binary.BigEndian.AppendUint32(b, ts)
		}
		p = p[size:]
	}
	return append(b, p...), nil
}

func appendU24(b []byte, v uint32) []byte { return append(b, byte(v>>16), byte(v>>8), byte(v)) }
