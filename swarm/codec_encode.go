package swarm

import (
	"encoding/binary"
	"slices"

	"github.com/shoalcast/shoal/event"
)

// Encoder writes the messages that go out on one connection, in the order in which they
// are encoded: addresses are short because it remembers which tracks it declared. The
// zero Encoder is ready. It is not safe for concurrent use.
type Encoder struct {
	tracks []trackKey     // by id
	oldest int            // id that is declared anew when all are taken
	last   int            // id that was used last
	stream event.StreamID // that this side's Hello named
}

// Encode appends the frames of one message to dst: the message's, after that of a track
// if the message needs one that is not declared. Each frame has memory of its own, at
// most MaxFrame bytes. A message that no receiver would accept is an error that wraps
// ErrMessage, and leaves dst and the Encoder as they were.
func (e *Encoder) Encode(dst [][]byte, m Message) ([][]byte, error) {
	switch m := m.(type) {
	case *Head:
		return e.head(dst, m)
	case *Block:
		return e.block(dst, m)
	case *Have:
		return e.have(dst, m)
	case *Want:
		return e.mask(dst, kindWant, m.Key, &m.Blocks)
	case *Cancel:
		return e.mask(dst, kindCancel, m.Key, &m.Blocks)
	case *Deny:
		return e.mask(dst, kindDeny, m.Key, &m.Blocks)
	case *GetHeads:
		if m.Count < 1 || m.Count > MaxHeads {
			return dst, malformed("%d heads asked for", m.Count)
		}
		return e.addressed(dst, kindGetHeads, m.Key, []byte{byte(m.Count)})
	}
	frame, err := plain(m)
	if err != nil {
		return dst, err
	}
	if len(frame) > MaxFrame {
		return dst, malformed("a frame of %d bytes", len(frame))
	}
	if hello, ok := m.(*Hello); ok {
		e.stream = hello.Stream
	}
	return append(dst, frame), nil
}

func (e *Encoder) block(dst [][]byte, m *Block) ([][]byte, error) {
	if m.Index < 0 || m.Index >= MaxBlocks || len(m.Data) == 0 || len(m.Data) > event.BlockSize {
		return dst, malformed("block %d of %d bytes", m.Index, len(m.Data))
	}
	dst, id, err := e.declare(dst, m.Key)
	if err != nil {
		return dst, err
	}
	frame := make([]byte, 0, 3+binary.MaxVarintLen64+len(m.Data))
	frame = append(frame, kindBlock, id)
	frame = binary.AppendUvarint(frame, m.N)
	frame = append(frame, byte(m.Index))
	return append(dst, append(frame, m.Data...)), nil
}

func (e *Encoder) have(dst [][]byte, m *Have) ([][]byte, error) {
	switch {
	case m.Count < 1 || m.Count > MaxRun || m.N > maxNumber-uint64(m.Count-1):
		return dst, malformed("%d pieces from %s on", m.Count, m.Key)
	case m.Count == 1:
		return e.addressed(dst, kindHave, m.Key, nil)
	}
	return e.addressed(dst, kindHave, m.Key, binary.AppendUvarint(nil, uint64(m.Count)))
}

func (e *Encoder) mask(dst [][]byte, kind byte, k Key, blocks *Mask) ([][]byte, error) {
	var bits [MaxBlocks / 8]byte
	for i, word := range blocks {
		binary.LittleEndian.PutUint64(bits[8*i:], word)
	}
	n := len(bits)
	for n > 0 && bits[n-1] == 0 {
		n--
	}
	if n == 0 {
		return dst, malformed("no block of %s is named", k)
	}
	return e.addressed(dst, kind, k, bits[:n])
}

func (e *Encoder) addressed(dst [][]byte, kind byte, k Key, rest []byte) ([][]byte, error) {
	dst, id, err := e.declare(dst, k)
	if err != nil {
		return dst, err
	}
	frame := make([]byte, 0, 2+binary.MaxVarintLen64+len(rest))
	frame = append(frame, kind, id)
	frame = binary.AppendUvarint(frame, k.N)
	return append(dst, append(frame, rest...)), nil
}

// declare returns the id of the track that k is in, after declaring it if need be.
func (e *Encoder) declare(dst [][]byte, k Key) ([][]byte, byte, error) {
	if !k.possible() {
		return dst, 0, malformed("there can be no piece %s", k)
	}
	key := trackKey{k.R, k.Epoch}
	if e.last < len(e.tracks) && e.tracks[e.last] == key {
		return dst, byte(e.last), nil
	}
	if i := slices.Index(e.tracks, key); i >= 0 {
		e.last = i
		return dst, byte(i), nil
	}
	if _, err := event.ParseRendition(string(k.R)); err != nil {
		return dst, 0, malformed("%w", err)
	}
	if len(e.tracks) < trackIDs {
		e.last = len(e.tracks)
		e.tracks = append(e.tracks, key)
	} else {
		e.last = e.oldest
		e.tracks[e.last] = key
		e.oldest = (e.oldest + 1) % trackIDs
	}
	frame := binary.BigEndian.AppendUint64([]byte{kindTrack, byte(e.last)}, uint64(k.Epoch))
	return append(dst, append(frame, k.R...)), byte(e.last), nil
}

// plain encodes a message that needs no track.
func plain(m Message) ([]byte, error) {
	switch m := m.(type) {
	case *Hello:
		return encodeHello(m)
	case *Subscribe:
		var flags byte
		if m.Urgent {
			flags = subscribeUrgent
		}
		return lanes(kindSubscribe, m.R, m.Lanes, flags)
	case *Grant:
		return lanes(kindGrant, m.R, m.Lanes)
	case *Peers:
		return encodePeers(m)
	case *State:
		if _, err := event.ParseRendition(string(m.R)); err != nil {
			return nil, malformed("%w", err)
		}
		frame := append([]byte{kindState}, m.Depth[:]...)
		frame = append(frame, m.Branch[:]...)
		if m.Open&^AllLanes != 0 {
			return nil, malformed("lanes %x", uint32(m.Open))
		}
		frame = binary.BigEndian.AppendUint16(frame, m.Spare)
		frame = binary.BigEndian.AppendUint32(frame, m.Least)
		frame = binary.BigEndian.AppendUint32(frame, uint32(m.Open))
		return append(frame, m.R...), nil
	case *Credit:
		if m.Limit > maxNumber {
			return nil, malformed("a credit of %d", m.Limit)
		}
		return binary.AppendUvarint([]byte{kindCredit}, m.Limit), nil
	case *Ping:
		return binary.BigEndian.AppendUint32([]byte{kindPing}, m.Token), nil
	case *Pong:
		return binary.BigEndian.AppendUint32([]byte{kindPong}, m.Token), nil
	case *Drain:
		return []byte{kindDrain}, nil
	case *GetRecords:
		return []byte{kindGetRecords}, nil
	case *Records:
		return encodeRecords(m)
	case *GetInit:
		return append([]byte{kindGetInit}, m.Root[:]...), nil
	case *Init:
		return encodeInit(m)
	case *Signal:
		if len(m.Body) == 0 || len(m.Body) > MaxSignal {
			return nil, malformed("a signal of %d bytes", len(m.Body))
		}
		return slices.Concat([]byte{kindSignal}, m.From[:], m.To[:], m.Body), nil
	case *Bye:
		return []byte{kindBye, byte(m.Reason)}, nil
	}
	return nil, malformed("%T has no encoding", m)
}

func encodeHello(m *Hello) ([]byte, error) {
	id, err := streamCoding.DecodeString(string(m.Stream))
	if err != nil || len(id) != 20 {
		return nil, malformed("%q is not a stream id", m.Stream)
	}
	if m.Role > Edge {
		return nil, malformed("role %d", m.Role)
	}
	var flags byte
	if m.Leaf {
		flags = helloLeaf
	}
	frame := slices.Concat([]byte{kindHello, m.Version}, id, m.ID[:], []byte{byte(m.Role), flags})
	return binary.BigEndian.AppendUint32(frame, m.Up), nil
}

func lanes(kind byte, r event.Rendition, mask LaneMask, flags ...byte) ([]byte, error) {
	if _, err := event.ParseRendition(string(r)); err != nil {
		return nil, malformed("%w", err)
	}
	if mask&^AllLanes != 0 {
		return nil, malformed("lanes %x", uint32(mask))
	}
	frame := binary.BigEndian.AppendUint32([]byte{kind}, uint32(mask))
	return append(append(frame, flags...), r...), nil
}

func encodePeers(m *Peers) ([]byte, error) {
	if len(m.Hints) > MaxHints {
		return nil, malformed("%d hints", len(m.Hints))
	}
	frame := []byte{kindPeers}
	for _, h := range m.Hints {
		if h.Role > Edge {
			return nil, malformed("role %d", h.Role)
		}
		frame = append(append(frame, h.ID[:]...), byte(h.Role))
		if !h.Addr.IsValid() || h.Addr.Port() == 0 {
			frame = append(frame, 0)
			continue
		}
		ip := h.Addr.Addr().Unmap().WithZone("").AsSlice()
		frame = append(append(frame, byte(len(ip))), ip...)
		frame = binary.BigEndian.AppendUint16(frame, h.Addr.Port())
	}
	return frame, nil
}

func encodeRecords(m *Records) ([]byte, error) {
	if len(m.Envelopes) > maxRecords {
		return nil, malformed("%d records", len(m.Envelopes))
	}
	frame := []byte{kindRecords}
	for _, env := range m.Envelopes {
		if len(env) == 0 || len(env) > MaxEnvelope {
			return nil, malformed("a record of %d bytes", len(env))
		}
		frame = binary.BigEndian.AppendUint16(frame, uint16(len(env)))
		frame = append(frame, env...)
	}
	return frame, nil
}

func encodeInit(m *Init) ([]byte, error) {
	if !m.possible() {
		return nil, malformed("bytes %d to %d of an init segment of %d", m.Offset, m.Offset+len(m.Data), m.Total)
	}
	frame := make([]byte, 0, 41+len(m.Data))
	frame = append(append(frame, kindInit), m.Root[:]...)
	frame = binary.BigEndian.AppendUint32(frame, uint32(m.Total))
	frame = binary.BigEndian.AppendUint32(frame, uint32(m.Offset))
	return append(frame, m.Data...), nil
}

func (m *Init) possible() bool {
	if m.Total == 0 {
		return m.Offset == 0 && len(m.Data) == 0
	}
	return m.Total > 0 && m.Total <= MaxInit && len(m.Data) > 0 && len(m.Data) <= InitChunk &&
		m.Offset >= 0 && m.Offset <= m.Total-len(m.Data)
}
