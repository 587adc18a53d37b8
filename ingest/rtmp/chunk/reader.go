package chunk

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Reader reassembles messages.
type Reader struct {
	br         *bufio.Reader
	limits     Limits
	size       int // of the peer's chunks
	unfinished int // bytes set aside for messages that have begun
	streams    map[uint32]*stream
}

// stream is the state of one chunk stream: the header before, which later headers
// shorten, and the message in progress.
type stream struct {
	timestamp uint32 // of the message, absolute
	field     uint32 // timestamp or delta as the last header gave it
	ext       bool   // the last header had an extended timestamp
	length    int
	typ       uint8
	streamID  uint32

	open    bool
	payload []byte // set aside for the whole message
	have    int    // bytes of it that have arrived
}

// NewReader reads from br.
func NewReader(br *bufio.Reader, l Limits) *Reader {
	return &Reader{br: br, limits: l, size: DefaultSize, streams: make(map[uint32]*stream)}
}

// SetLimits changes what is accepted from the next message on.
func (r *Reader) SetLimits(l Limits) { r.limits = l }

// Grow reads through a buffer of at least size bytes from here on.
func (r *Reader) Grow(size int) {
	if r.br.Size() < size {
		// The new buffer takes what the old one still holds; then the old one is empty,
		// and passes reads as large as these straight on.
		r.br = bufio.NewReaderSize(r.br, size)
	}
}

// Next returns the next whole message. Set Chunk Size and Abort are obeyed and not
// returned. The payload is freshly allocated and belongs to the caller.
func (r *Reader) Next() (Message, error) {
	for {
		m, done, err := r.chunk()
		if err != nil {
			return Message{}, err
		}
		if !done {
			continue
		}
		switch m.Type {
		case TypeSetChunkSize:
			if err := r.setSize(m.Payload); err != nil {
				return Message{}, err
			}
		case TypeAbort:
			if err := r.abort(m.Payload); err != nil {
				return Message{}, err
			}
		default:
			return m, nil
		}
	}
}

func (r *Reader) setSize(p []byte) error {
	if len(p) != 4 {
		return fmt.Errorf("set chunk size with %d bytes: %w", len(p), ErrChunkSize)
	}
	n := binary.BigEndian.Uint32(p)
	if n < 1 || n > MaxSize {
		return badSize(n)
	}
	r.size = int(n)
	return nil
}

func (r *Reader) abort(p []byte) error {
	if len(p) != 4 {
		return fmt.Errorf("abort with %d bytes: %w", len(p), ErrHeader)
	}
	if s := r.streams[binary.BigEndian.Uint32(p)]; s != nil && s.open {
		r.unfinished -= s.length
		s.open, s.payload = false, nil
	}
	return nil
}

// chunk reads one chunk; done says that it completed m.
func (r *Reader) chunk() (m Message, done bool, err error) {
	format, id, err := r.basicHeader()
	if err != nil {
		return m, false, err
	}
	// From here on the end of the input is in the middle of something.
	defer func() {
		err = noEOF(err)
	}()
	s := r.streams[id]
	if s == nil {
		if format >= 2 {
			return m, false, fmt.Errorf("chunk stream %d begins with a header of type %d: %w", id, format, ErrHeader)
		}
		if len(r.streams) >= r.limits.Streams {
			return m, false, fmt.Errorf("more than %d: %w", r.limits.Streams, ErrStreams)
		}
		s = &stream{}
		r.streams[id] = s
	}
	if s.open && format != 3 {
		return m, false, fmt.Errorf("a header of type %d inside a message on chunk stream %d: %w", format, id, ErrHeader)
	}
	if err := r.messageHeader(s, format); err != nil {
		return m, false, err
	}
	if !s.open {
		if err := r.begin(s); err != nil {
			return m, false, err
		}
	}
	n := min(r.size, s.length-s.have)
	if _, err := io.ReadFull(r.br, s.payload[s.have:s.have+n]); err != nil {
		return m, false, err
	}
	if s.have += n; s.have < s.length {
		return m, false, nil
	}
	m = Message{Type: s.typ, Timestamp: s.timestamp, StreamID: s.streamID, Payload: s.payload}
	r.unfinished -= s.length
	s.open, s.payload = false, nil
	return m, true, nil
}

// begin sets aside room for a message: once, so that its payload is copied once.
func (r *Reader) begin(s *stream) error {
	if s.length > r.limits.Message {
		return fmt.Errorf("%d bytes, at most %d are allowed: %w", s.length, r.limits.Message, ErrTooLarge)
	}
	if r.unfinished+s.length > r.limits.Unfinished {
		return fmt.Errorf("more than %d bytes of unfinished messages: %w", r.limits.Unfinished, ErrTooLarge)
	}
	r.unfinished += s.length
	s.open, s.have, s.payload = true, 0, make([]byte, s.length)
	return nil
}

// basicHeader reads section 5.3.1.1. Only here may the input end.
func (r *Reader) basicHeader() (format byte, id uint32, err error) {
	b, err := r.br.ReadByte()
	if err != nil {
		return 0, 0, err
	}
	format, id = b>>6, uint32(b&0x3F)
	if id >= firstCSID {
		return format, id, nil
	}
	lo, err := r.br.ReadByte()
	if err != nil {
		return 0, 0, noEOF(err)
	}
	if id == 0 {
		return format, 64 + uint32(lo), nil
	}
	hi, err := r.br.ReadByte()
	if err != nil {
		return 0, 0, noEOF(err)
	}
	return format, 64 + uint32(lo) + uint32(hi)<<8, nil
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Bytes of message headers by type (section 5.3.1.2).
var headerLen = [4]int{11, 7, 3, 0}

func (r *Reader) messageHeader(s *stream, format byte) error {
	if format == 3 {
		return r.repeatedHeader(s)
	}
	h, err := r.br.Peek(headerLen[format])
	if err != nil {
		return noEOF(err)
	}
	field := u24(h)
	if format <= 1 {
		s.length, s.typ = int(u24(h[3:])), h[6]
	}
	if format == 0 {
		s.streamID = binary.LittleEndian.Uint32(h[7:]) // the one little-endian field
	}
	if _, err := r.br.Discard(len(h)); err != nil {
		return err
	}
	if s.ext = field == extended; s.ext {
		if field, err = r.u32(); err != nil {
			return err
		}
	}
	s.field = field
	if format == 0 {
		s.timestamp = field
	} else {
		s.timestamp += field
	}
	return nil
}

// repeatedHeader handles type 3: it continues a message, or begins one that repeats
// the delta before it; after type 0 the delta is that header's timestamp, as section
// 5.3.1.2.4 has it and ffmpeg sends it.
func (r *Reader) repeatedHeader(s *stream) error {
	if s.ext {
		h, err := r.br.Peek(4)
		if err != nil {
			return noEOF(err)
		}
		v := binary.BigEndian.Uint32(h)
		// Section 5.3.1.3 repeats the extended timestamp in every chunk of type 3. Some
		// senders leave it out of continuations, some write the absolute one.
		if !s.open || v == s.field || v == s.timestamp {
			if _, err := r.br.Discard(4); err != nil {
				return err
			}
			if !s.open {
				s.field = v
			}
		}
	}
	if !s.open {
		s.timestamp += s.field
	}
	return nil
}

func (r *Reader) u32() (uint32, error) {
	h, err := r.br.Peek(4)
	if err != nil {
		return 0, noEOF(err)
	}
	v := binary.BigEndian.Uint32(h)
	_, err = r.br.Discard(4)
	return v, err
}

func u24(b []byte) uint32 { return uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]) }
