package mpegts

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/asticode/go-astits"
)

// Bounds of tables.
const (
	maxSection  = 3 + 1021 // of PAT and PMT: H.222.0 section 2.4.4
	maxPrograms = 64       // whose tables are kept
	tablePAT    = 0x00
	tablePMT    = 0x02
)

// sections puts the sections of one PID together.
type sections struct {
	counter continuity
	open    bool // a section has begun
	buf     []byte
}

// packet takes a packet and hands on every section that it completes. The
// section is the callee's only while it runs.
func (s *sections) packet(h packet, whole func([]byte)) {
	p := h.payload
	switch s.counter.next(h.counter, h.restarts) {
	case duplicate:
		return
	case gap:
		s.open, s.buf = false, s.buf[:0]
	}
	if !h.start {
		if s.open {
			s.add(p, whole)
		}
		return
	}
	pointer := int(p[0])
	p = p[1:]
	if pointer > len(p) {
		s.open, s.buf = false, s.buf[:0]
		return
	}
	if s.open {
		s.add(p[:pointer], whole)
	}
	s.open, s.buf = true, s.buf[:0]
	s.add(p[pointer:], whole)
}

func (s *sections) add(p []byte, whole func([]byte)) {
	for s.open && len(p) > 0 {
		if len(s.buf) == 0 && p[0] == 0xff { // stuffing up to the packet's end
			s.open = false
			return
		}
		need := 3
		if len(s.buf) >= 3 {
			need += int(s.buf[1]&15)<<8 | int(s.buf[2])
		}
		if need > maxSection {
			s.open, s.buf = false, s.buf[:0]
			return
		}
		k := min(len(p), need-len(s.buf))
		s.buf = append(s.buf, p[:k]...)
		p = p[k:]
		if len(s.buf) == need && need > 3 {
			whole(s.buf)
			s.buf = s.buf[:0]
		} else if len(s.buf) == 3 && s.buf[1]&15 == 0 && s.buf[2] == 0 {
			s.buf = s.buf[:0] // an empty one
		}
	}
}

// readSection lets go-astits read one PAT or PMT section. It is given the section in
// packets of its own, as it reads nothing else; for a PMT, after a PAT that names it.
func readSection(section []byte) (data *astits.DemuxerData, err error) {
	defer func() {
		// Its descriptor parsers trust lengths in places; a section with a good checksum
		// and a bad length must not end the program.
		if r := recover(); r != nil {
			data, err = nil, fmt.Errorf("read table: the parser gave up: %v", r)
		}
	}()
	const pmtPID = 0x100
	var packets []byte
	pid := uint16(0)
	if section[0] == tablePMT {
		pid = pmtPID
		pat := []byte{tablePAT, 0xb0, 13, 0, 1, 0xc1, 0, 0, 0, 1, 0xe0 | pmtPID>>8, pmtPID & 0xff}
		packets = appendPackets(packets, 0, appendCRC(pat))
	}
	packets = appendPackets(packets, pid, section)
	demuxer := astits.NewDemuxer(context.Background(), bytes.NewReader(packets), astits.DemuxerOptPacketSize(packetSize))
	for {
		data, err := demuxer.NextData()
		if err != nil {
			if errors.Is(err, astits.ErrNoMorePackets) {
				err = errors.New("it is not whole")
			}
			return nil, fmt.Errorf("read table: %w", err)
		}
		if section[0] == tablePAT && data.PAT != nil || data.PMT != nil {
			return data, nil
		}
	}
}

// appendPackets cuts a section into packets.
func appendPackets(out []byte, pid uint16, section []byte) []byte {
	b := append([]byte{0}, section...) // the pointer field
	for k := byte(0); len(b) > 0; k++ {
		var p [packetSize]byte
		p[0], p[1], p[2], p[3] = syncByte, byte(pid>>8), byte(pid), 0x10|k&15
		if k == 0 {
			p[1] |= 0x40
		}
		n := copy(p[4:], b)
		for i := 4 + n; i < packetSize; i++ {
			p[i] = 0xff
		}
		out, b = append(out, p[:]...), b[n:]
	}
	return out
}

// crcTable is of the CRC of H.222.0 annex A: polynomial 0x04C11DB7, from the highest
// bit on.
var crcTable = func() (t [256]uint32) {
	for i := range t {
		c := uint32(i) << 24
		for range 8 {
			if c&(1<<31) != 0 {
				c = c<<1 ^ 0x04c11db7
			} else {
				c <<= 1
			}
		}
		t[i] = c
	}
	return t
}()

// crc is 0 over a section that ends with its own.
func crc(b []byte) uint32 {
	c := ^uint32(0)
	for _, x := range b {
		c = c<<8 ^ crcTable[byte(c>>24)^x]
	}
	return c
}

func appendCRC(b []byte) []byte {
	c := crc(b)
	return append(b, byte(c>>24), byte(c>>16), byte(c>>8), byte(c))
}
