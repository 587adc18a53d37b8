package mpegts_test

import (
	"encoding/binary"

	"github.com/shoalcast/shoal/event"
)

const packetSize = 188

// muxer writes transport streams as no tool at hand does.
type muxer struct {
	out      []byte
	counters map[uint16]byte
}

func (m *muxer) packets(pid uint16, b []byte) {
	if m.counters == nil {
		m.counters = map[uint16]byte{}
	}
	for first := true; len(b) > 0; first = false {
		p := [packetSize]byte{0x47, byte(pid >> 8), byte(pid), 0x10 | m.counters[pid]&15}
		m.counters[pid]++
		if first {
			p[1] |= 0x40
		}
		at := 4
		if spare := packetSize - 4 - len(b); spare > 0 {
			p[3] |= 0x20
			p[4] = byte(spare - 1)
			for i := 6; i < 4+spare; i++ {
				p[i] = 0xff
			}
			at += spare
		}
		b = b[copy(p[at:], b):]
		m.out = append(m.out, p[:]...)
	}
}

// section writes a table's section with its checksum.
func (m *muxer) section(pid uint16, table byte, id uint16, version byte, body []byte) {
	n := 5 + len(body) + 4
	s := []byte{table, 0xb0 | byte(n>>8), byte(n), byte(id >> 8), byte(id), 0xc1 | version<<1, 0, 0}
	s = append(s, body...)
	c := ^uint32(0)
	for _, x := range s {
		c ^= uint32(x) << 24
		for range 8 {
			if c>>31 == 1 {
				c = c<<1 ^ 0x04c11db7
			} else {
				c <<= 1
			}
		}
	}
	s = binary.BigEndian.AppendUint32(s, c)
	m.packets(pid, append([]byte{0}, s...))
}

// pat names programs: each a number and the PID of its PMT.
func (m *muxer) pat(version byte, programs ...[2]uint16) {
	var b []byte
	for _, p := range programs {
		b = binary.BigEndian.AppendUint16(b, p[0])
		b = binary.BigEndian.AppendUint16(b, 0xe000|p[1])
	}
	m.section(0, 0, 1, version, b)
}

// stream is an elementary stream in a PMT.
type stream struct {
	kind        byte
	pid         uint16
	descriptors string
}

func (m *muxer) pmt(pid, program uint16, version byte, streams ...stream) {
	b := []byte{0xff, 0xff, 0xf0, 0}
	for _, s := range streams {
		b = append(b, s.kind, 0xe0|byte(s.pid>>8), byte(s.pid), 0xf0, byte(len(s.descriptors)))
		b = append(b, s.descriptors...)
	}
	m.section(pid, 2, program, version, b)
}

func (m *muxer) pes(pid uint16, id byte, dts, pts event.Ticks, data []byte) {
	length := 13 + len(data)
	if length > 0xffff {
		length = 0
	}
	b := []byte{0, 0, 1, id, byte(length >> 8), byte(length), 0x84, 0xc0, 10}
	b = append(b, stamp(3, pts)...)
	b = append(b, stamp(1, dts)...)
	m.packets(pid, append(b, data...))
}

func stamp(prefix byte, v event.Ticks) []byte {
	return []byte{prefix<<4 | byte(v>>30&7)<<1 | 1, byte(v >> 22), byte(v>>15)<<1 | 1, byte(v >> 7), byte(v)<<1 | 1}
}
