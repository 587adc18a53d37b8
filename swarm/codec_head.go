package swarm

import (
	"bytes"
	"encoding/binary"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

// The form of a Head says how its payload is written: as it is, or in short, by the
// members of its entry, of which its receiver makes the same bytes again (section 4.2).
const (
	formWhole byte = iota
	formPiece
	formKey // a piece with key
	formGap
)

// framing is what BitTorrent puts before each frame: length, type and extension.
const framing = 4 + 1 + 1

// shorten notes what the short forms write of the head's entry, where that and the leaves
// give the payload again; else the head travels whole. It belongs to opening a head, as
// Entry does: once the head is shared, neither may change.
func (h *Head) shorten() {
	members := appendMembers(nil, &h.Entry)
	r := reader{rest: members}
	e := readMembers(&r, formOf(&h.Entry), Key{h.Entry.R, event.Position{Epoch: h.Entry.Epoch, N: r.uvarint()}})
	payload, err := payloadOf(e, h.Entry.Stream, h.Leaves)
	if h.members = nil; r.err == nil && len(r.rest) == 0 && err == nil && bytes.Equal(payload, h.Payload) {
		h.members = members
	}
}

// FrameSize returns the length of the head's frame, on a connection of its stream.
func (h *Head) FrameSize() int { return h.frameSize(h.members != nil) }

func (h *Head) frameSize(short bool) int {
	size := 2 + len(h.Sig) + len(h.KeyID) + 32*len(h.Leaves)
	if short {
		return size + 1 + len(h.members)
	}
	return size + 2 + len(h.Payload)
}

// size is what sending the head costs.
func (h *Head) size() int { return framing + h.FrameSize() }

func formOf(e *manifest.Entry) byte {
	switch {
	case e.Gap:
		return formGap
	case e.Key:
		return formKey
	}
	return formPiece
}

// appendMembers writes what the short forms have of an entry after its track.
func appendMembers(b []byte, e *manifest.Entry) []byte {
	b = binary.AppendUvarint(b, e.N)
	b = binary.AppendVarint(b, e.At-int64(e.Epoch))
	b = binary.AppendVarint(b, e.Issued-e.At)
	b = binary.AppendUvarint(b, e.MSN)
	b = binary.AppendUvarint(b, e.DSN)
	b = append(b, byte(e.Part))
	b = binary.AppendVarint(b, int64(e.PTS))
	b = binary.AppendUvarint(b, uint64(e.Dur))
	if !e.Gap {
		b = binary.AppendUvarint(b, uint64(e.Size))
	}
	if e.StartsSegment() {
		b = binary.AppendUvarint(b, e.Seg)
		b = binary.AppendUvarint(b, uint64(e.Target))
		b = append(append(b, e.Session[:]...), e.Init[:]...)
	}
	return append(b, e.Prev[:]...)
}

// readMembers reads what follows the number of k's piece. Its stream and root are left out.
func readMembers(r *reader, form byte, k Key) manifest.Entry {
	e := manifest.Entry{R: k.R, Epoch: k.Epoch, N: k.N, Key: form == formKey, Gap: form == formGap}
	e.At = int64(e.Epoch) + r.varint()
	e.Issued = e.At + r.varint()
	e.MSN, e.DSN, e.Part = r.uvarint(), r.uvarint(), uint64(r.u8())
	e.PTS, e.Dur = event.Ticks(r.varint()), event.Ticks(r.uvarint())
	if !e.Gap {
		e.Size = int64(r.uvarint())
	}
	if e.StartsSegment() {
		e.Seg, e.Target = r.uvarint(), event.Ticks(r.uvarint())
		e.Session, e.Init = event.Digest(r.take(32)), event.Root(r.take(32))
	}
	e.Prev = event.Digest(r.take(32))
	return e
}

// payloadOf makes the payload of an entry that was written in short, with its leaves.
func payloadOf(e manifest.Entry, stream event.StreamID, leaves [][32]byte) ([]byte, error) {
	if len(leaves) > MaxBlocks || len(leaves) != blocksOf(e.Size) {
		return nil, malformed("%d leaves of a piece of %d bytes", len(leaves), e.Size)
	}
	e.Stream, e.Root = stream, manifest.RootOfLeaves(leaves)
	payload, err := e.Payload()
	if err != nil {
		return nil, malformed("%w", err)
	}
	return payload, nil
}

func (e *Encoder) head(dst [][]byte, m *Head) ([][]byte, error) {
	short := m.members != nil && m.Entry.Stream == e.stream
	size := m.frameSize(short)
	if !short && len(m.Payload) == 0 || len(m.Leaves) > MaxBlocks || size > MaxFrame {
		return dst, malformed("a head with a payload of %d bytes and %d leaves", len(m.Payload), len(m.Leaves))
	}
	frame := make([]byte, 0, size)
	if short {
		var id byte
		var err error
		if dst, id, err = e.declare(dst, m.Key()); err != nil {
			return dst, err
		}
		frame = append(frame, kindHead, formOf(&m.Entry), id)
		frame = append(frame, m.members...)
	} else {
		frame = append(frame, kindHead, formWhole)
		frame = binary.BigEndian.AppendUint16(frame, uint16(len(m.Payload)))
		frame = append(frame, m.Payload...)
	}
	frame = append(append(frame, m.Sig[:]...), m.KeyID[:]...)
	for i := range m.Leaves {
		frame = append(frame, m.Leaves[i][:]...)
	}
	return append(dst, frame), nil
}

func (d *Decoder) readHead(r *reader) Message {
	m := &Head{}
	var e manifest.Entry
	form := r.u8()
	switch {
	case form == formWhole:
		if m.Payload = r.take(int(r.u16())); len(m.Payload) == 0 {
			r.fail("a head without a payload")
		}
	case form > formGap:
		r.fail("a head of form %d", form)
	default:
		e = readMembers(r, form, d.key(r))
	}
	copy(m.Sig[:], r.take(len(m.Sig)))
	copy(m.KeyID[:], r.take(len(m.KeyID)))
	m.Leaves = r.leaves()
	if form != formWhole && r.err == nil {
		var err error
		if m.Payload, err = payloadOf(e, d.stream, m.Leaves); err != nil {
			r.err = err
		}
	}
	return m
}

// leaves reads as many as there are; nil where there are none.
func (r *reader) leaves() [][32]byte {
	count := len(r.rest) / 32
	if count > MaxBlocks {
		r.fail("%d leaves", count)
		return nil
	}
	if count == 0 {
		return nil
	}
	leaves := make([][32]byte, count)
	for i := range leaves {
		copy(leaves[i][:], r.take(32))
	}
	return leaves
}
