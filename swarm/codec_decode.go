package swarm

import (
	"encoding/binary"
	"net/netip"

	"github.com/shoalcast/shoal/event"
)

// Decoder reads the messages that come in on one connection, in the order in which they
// were encoded. The zero Decoder is ready. It is not safe for concurrent use.
type Decoder struct {
	tracks [trackIDs]trackKey
	stream event.StreamID // that the sender's Hello named
}

// Decode reads one frame. It returns nil without an error where there is nothing to act
// on: the declaration of a track, or a kind of message that a later version may know;
// whoever bounds what a peer may send counts those too. The message shares memory with
// the frame, a Block's Data above all: the frame must not change afterwards. All errors
// wrap ErrMessage, and after one the connection is of no more use.
func (d *Decoder) Decode(frame []byte) (Message, error) {
	if len(frame) == 0 || len(frame) > MaxFrame {
		return nil, malformed("a frame of %d bytes", len(frame))
	}
	kind := frame[0]
	r := reader{rest: frame[1:]}
	m := d.read(kind, &r)
	if r.err == nil && len(r.rest) > 0 && kind <= kindBye && kind != kindHello {
		r.fail("%d bytes too many", len(r.rest))
	}
	if r.err != nil {
		return nil, r.err
	}
	return m, nil
}

func (d *Decoder) read(kind byte, r *reader) Message {
	switch kind {
	case kindTrack:
		d.declare(r)
	case kindHello:
		m := readHello(r)
		d.stream = m.Stream
		return m
	case kindHead:
		return d.readHead(r)
	case kindBlock:
		m := &Block{Key: d.key(r), Index: int(r.u8()), Data: r.all()}
		if len(m.Data) == 0 || len(m.Data) > event.BlockSize {
			r.fail("a block of %d bytes", len(m.Data))
		}
		return m
	case kindHave:
		return d.readHave(r)
	case kindWant:
		return &Want{Key: d.key(r), Blocks: r.mask()}
	case kindCancel:
		return &Cancel{Key: d.key(r), Blocks: r.mask()}
	case kindDeny:
		return &Deny{Key: d.key(r), Blocks: r.mask()}
	case kindGetHeads:
		m := &GetHeads{Key: d.key(r), Count: int(r.u8())}
		if m.Count < 1 || m.Count > MaxHeads {
			r.fail("%d heads asked for", m.Count)
		}
		return m
	default:
		return readPlain(kind, r)
	}
	return nil
}

func (d *Decoder) declare(r *reader) {
	id := r.u8()
	epoch := r.u64()
	rendition := r.rendition()
	if id >= trackIDs || epoch == 0 || epoch > maxNumber {
		r.fail("track %d of epoch %d", id, epoch)
	}
	if r.err == nil {
		d.tracks[id] = trackKey{rendition, event.Epoch(epoch)}
	}
}

// key reads a track's id and a piece's number.
func (d *Decoder) key(r *reader) Key {
	id, n := r.u8(), r.uvarint()
	if id >= trackIDs || d.tracks[id].epoch == 0 {
		r.fail("track %d was not declared", id)
		return Key{}
	}
	t := d.tracks[id]
	return Key{t.r, event.Position{Epoch: t.epoch, N: n}}
}

func (d *Decoder) readHave(r *reader) Message {
	m := &Have{Key: d.key(r), Count: 1}
	if len(r.rest) > 0 {
		count := r.uvarint()
		if count < 2 || count > MaxRun || m.N > maxNumber-(count-1) {
			r.fail("%d pieces from %s on", count, m.Key)
			return nil
		}
		m.Count = int(count)
	}
	return m
}

// readPlain reads what needs no track.
func readPlain(kind byte, r *reader) Message {
	switch kind {
	case kindSubscribe:
		m := &Subscribe{Lanes: r.lanes()}
		flags := r.u8()
		if flags&^subscribeUrgent != 0 {
			r.fail("flags %x", flags)
		}
		m.Urgent, m.R = flags != 0, r.rendition()
		return m
	case kindGrant:
		return &Grant{Lanes: r.lanes(), R: r.rendition()}
	case kindPeers:
		return readPeers(r)
	case kindState:
		m := &State{}
		copy(m.Depth[:], r.take(len(m.Depth)))
		copy(m.Branch[:], r.take(len(m.Branch)))
		m.Spare, m.Least, m.Open, m.R = r.u16(), r.u32(), r.lanes(), r.rendition()
		return m
	case kindCredit:
		return &Credit{Limit: r.uvarint()}
	case kindPing:
		return &Ping{Token: r.u32()}
	case kindPong:
		return &Pong{Token: r.u32()}
	case kindDrain:
		return &Drain{}
	case kindGetRecords:
		return &GetRecords{}
	case kindRecords:
		return readRecords(r)
	case kindGetInit:
		m := &GetInit{}
		copy(m.Root[:], r.take(len(m.Root)))
		return m
	case kindInit:
		return readInit(r)
	case kindSignal:
		m := &Signal{From: r.peer(), To: r.peer(), Body: r.all()}
		if len(m.Body) == 0 || len(m.Body) > MaxSignal {
			r.fail("a signal of %d bytes", len(m.Body))
		}
		return m
	case kindBye:
		return &Bye{Reason: Reason(r.u8())}
	}
	return nil // for growth
}

// readHello passes over what later versions add: roles, flags and what follows.
func readHello(r *reader) *Hello {
	m := &Hello{Version: r.u8()}
	m.Stream = event.StreamID(streamCoding.EncodeToString(r.take(20)))
	m.ID, m.Role = r.peer(), Role(r.u8())
	if m.Role > Edge {
		m.Role = Viewer
	}
	m.Leaf = r.u8()&helloLeaf != 0
	m.Up = r.u32()
	return m
}

func readPeers(r *reader) Message {
	m := &Peers{}
	for r.err == nil && len(r.rest) > 0 {
		if len(m.Hints) == MaxHints {
			r.fail("more than %d hints", MaxHints)
			break
		}
		h := Hint{ID: r.peer(), Role: Role(r.u8())}
		if h.Role > Edge {
			r.fail("role %d", h.Role)
		}
		if size := r.u8(); size != 0 {
			ip, ok := netip.AddrFromSlice(r.take(int(size)))
			h.Addr = netip.AddrPortFrom(ip, r.u16())
			if !ok || ip.Is4In6() || h.Addr.Port() == 0 {
				r.fail("%s is no peer's address", h.Addr)
			}
		}
		m.Hints = append(m.Hints, h)
	}
	return m
}

func readRecords(r *reader) Message {
	m := &Records{}
	for r.err == nil && len(r.rest) > 0 {
		size := int(r.u16())
		if size == 0 || size > MaxEnvelope || len(m.Envelopes) == maxRecords {
			r.fail("record %d has %d bytes", len(m.Envelopes), size)
			break
		}
		m.Envelopes = append(m.Envelopes, r.take(size))
	}
	return m
}

func readInit(r *reader) Message {
	m := &Init{}
	copy(m.Root[:], r.take(len(m.Root)))
	m.Total, m.Offset = int(r.u32()), int(r.u32())
	m.Data = r.all()
	if r.err == nil && !m.possible() {
		r.fail("%d bytes from %d on of an init segment of %d", len(m.Data), m.Offset, m.Total)
	}
	return m
}

// reader takes a frame apart. After its first error everything it returns is zero.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = malformed(format, args...)
	}
	r.rest = nil
}

var zeros [64]byte

func (r *reader) take(n int) []byte {
	if n > len(r.rest) {
		r.fail("it ends too early")
		return zeros[:min(n, len(zeros))]
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

// all returns what is left; nil where nothing is.
func (r *reader) all() []byte {
	if len(r.rest) == 0 {
		return nil
	}
	return r.take(len(r.rest))
}

func (r *reader) u8() byte    { return r.take(1)[0] }
func (r *reader) u16() uint16 { return binary.BigEndian.Uint16(r.take(2)) }
func (r *reader) u32() uint32 { return binary.BigEndian.Uint32(r.take(4)) }
func (r *reader) u64() uint64 { return binary.BigEndian.Uint64(r.take(8)) }

func (r *reader) peer() PeerID { return PeerID(r.take(len(PeerID{}))) }

// uvarint reads an unsigned LEB128 number in its shortest form, at most maxNumber.
func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 || n > 1 && r.rest[n-1] == 0 || v > maxNumber {
		r.fail("a number that is too long, too large or cut off")
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// varint reads a signed number, written as the uvarint of twice its size, less one where
// it is below zero.
func (r *reader) varint() int64 {
	v := r.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

func (r *reader) rendition() event.Rendition {
	if len(r.rest) == 0 || len(r.rest) > 16 {
		r.fail("a rendition's name of %d bytes", len(r.rest))
		return ""
	}
	v, err := event.ParseRendition(string(r.all()))
	if err != nil {
		r.fail("%w", err)
	}
	return v
}

func (r *reader) lanes() LaneMask {
	m := LaneMask(r.u32())
	if m&^AllLanes != 0 {
		r.fail("lanes %x", uint32(m))
	}
	return m
}

// mask reads a set of blocks: at least one, without zeros at its end.
func (r *reader) mask() Mask {
	var m Mask
	bits := r.all()
	if len(bits) == 0 || len(bits) > MaxBlocks/8 || bits[len(bits)-1] == 0 {
		r.fail("a set of blocks of %d bytes", len(bits))
		return m
	}
	var padded [MaxBlocks / 8]byte
	copy(padded[:], bits)
	for i := range m {
		m[i] = binary.LittleEndian.Uint64(padded[8*i:])
	}
	return m
}
