package codec

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Bounds of what a record can count.
const (
	maxAVCSPS = 31
	maxSets   = 255
)

// AVCRecord makes an AVCDecoderConfigurationRecord (ISO/IEC 14496-15 clause 5.3.3,
// lengths of 4 bytes) of parameter sets as they stand in the bitstream, NAL unit
// header included. It fails when there are none, too many, or the first sequence
// parameter set cannot be read.
func AVCRecord(sps, pps [][]byte) ([]byte, error) {
	if len(sps) == 0 || len(pps) == 0 || len(sps) > maxAVCSPS || len(pps) > maxSets {
		return nil, fmt.Errorf("make AVC record: %d sequence and %d picture parameter sets", len(sps), len(pps))
	}
	first := sps[0]
	if len(first) < 5 {
		return nil, fmt.Errorf("make AVC record: sequence parameter set: %w", errShort)
	}
	out := append(make([]byte, 0, 256), 1, first[1], first[2], first[3], 0xff, 0xe0|byte(len(sps)))
	var err error
	if out, err = appendSets(out, sps); err != nil {
		return nil, fmt.Errorf("make AVC record: %w", err)
	}
	out = append(out, byte(len(pps)))
	if out, err = appendSets(out, pps); err != nil {
		return nil, fmt.Errorf("make AVC record: %w", err)
	}
	switch first[1] {
	case 66, 77, 88: // these profiles have 4:2:0 with 8 bits
		return out, nil
	}
	r := &bits{b: unescape(first[4:])}
	r.ue() // id
	chroma := r.ue()
	if chroma == 3 {
		r.skip(1)
	}
	luma, second := r.ue(), r.ue()
	if r.short || chroma > 3 || luma > 6 || second > 6 {
		return nil, errors.New("make AVC record: sequence parameter set without a sample format")
	}
	return append(out, 0xfc|byte(chroma), 0xf8|byte(luma), 0xf8|byte(second), 0), nil
}

// HEVCRecord makes an HEVCDecoderConfigurationRecord (ISO/IEC 14496-15 clause 8.3.3,
// lengths of 4 bytes, complete arrays) of parameter sets as they stand in the
// bitstream, NAL unit header included. It fails when one kind is missing or the first
// sequence parameter set cannot be read.
func HEVCRecord(vps, sps, pps [][]byte) ([]byte, error) {
	if len(vps) == 0 || len(sps) == 0 || len(pps) == 0 || max(len(vps), len(sps), len(pps)) > maxSets {
		return nil, fmt.Errorf("make HEVC record: %d video, %d sequence and %d picture parameter sets", len(vps), len(sps), len(pps))
	}
	if len(sps[0]) < 2 {
		return nil, fmt.Errorf("make HEVC record: sequence parameter set: %w", errShort)
	}
	b := unescape(sps[0][2:])
	const profileTierLevel = 12
	if len(b) < 1+profileTierLevel {
		return nil, fmt.Errorf("make HEVC record: sequence parameter set: %w", errShort)
	}
	layers, nested := b[0]>>1&7, b[0]&1
	r := &bits{b: b}
	r.skip(8)
	skipProfileTierLevel(r, int(layers))
	r.ue() // id
	chroma := r.ue()
	if chroma == 3 {
		r.skip(1)
	}
	r.ue() // width
	r.ue() // height
	if r.flag() {
		for range 4 {
			r.ue()
		}
	}
	luma, second := r.ue(), r.ue()
	if r.short || chroma > 3 || luma > 7 || second > 7 {
		return nil, errors.New("make HEVC record: sequence parameter set without a sample format")
	}
	out := append(make([]byte, 0, 256), 1)
	out = append(out, b[1:1+profileTierLevel]...)
	out = append(
		out,
		0xf0, 0, // no least size of a segment
		0xfc, // any parallelism
		0xfc|byte(chroma), 0xf8|byte(luma), 0xf8|byte(second),
		0, 0, // no average frame rate
		(layers+1)<<3|nested<<2|3,
		3,
	)
	for i, sets := range [][][]byte{vps, sps, pps} {
		out = append(out, 0x80|byte(32+i), 0, byte(len(sets)))
		var err error
		if out, err = appendSets(out, sets); err != nil {
			return nil, fmt.Errorf("make HEVC record: %w", err)
		}
	}
	return out, nil
}

func appendSets(out []byte, sets [][]byte) ([]byte, error) {
	for _, s := range sets {
		if len(s) > 0xffff {
			return nil, fmt.Errorf("a parameter set of %d bytes", len(s))
		}
		out = binary.BigEndian.AppendUint16(out, uint16(len(s)))
		out = append(out, s...)
	}
	return out, nil
}

// AV1Record makes an AV1CodecConfigurationRecord (AV1-ISOBMFF section 2.3) of a
// sequence header OBU, which it holds whole: header and size field included. The
// fields are those of sequence_header_obu (AV1 specification section 5.5).
func AV1Record(obu, payload []byte) ([]byte, error) {
	r := &bits{b: payload}
	profile := r.u(3)
	r.skip(1) // still picture
	reduced := r.flag()
	var level, tier uint32
	if reduced {
		level = r.u(5)
	} else {
		level, tier = av1Level(r)
	}
	wBits, hBits := int(r.u(4))+1, int(r.u(4))+1
	r.skip(wBits + hBits)
	if !reduced && r.flag() { // frame ids
		r.skip(7)
	}
	r.skip(3) // 128 superblock, filter intra, intra edge filter
	if !reduced {
		r.skip(4)
		order := r.flag()
		if order {
			r.skip(2)
		}
		av1ForcedTools(r)
		if order {
			r.skip(3)
		}
	}
	r.skip(3) // superres, cdef, restoration
	format := av1SampleFormat(r, profile)
	if r.short || profile > 2 {
		return nil, fmt.Errorf("make AV1 record: sequence header: %w", errShort)
	}
	out := append(make([]byte, 0, 4+len(obu)), 0x81, byte(profile<<5|level), byte(tier<<7)|format, 0)
	return append(out, obu...), nil
}

// av1Level reads to the last operating point and returns what the first one states.
func av1Level(r *bits) (level, tier uint32) {
	decoderModel, delayBits := false, 0
	if r.flag() {
		r.skip(64)
		if r.flag() {
			r.ue()
		}
		if decoderModel = r.flag(); decoderModel {
			delayBits = int(r.u(5)) + 1
			r.skip(32 + 10)
		}
	}
	initialDelay := r.flag()
	for k := range r.u(5) + 1 {
		r.skip(12)
		l, t := r.u(5), uint32(0)
		if l > 7 {
			t = r.bit()
		}
		if k == 0 {
			level, tier = l, t
		}
		if decoderModel && r.flag() {
			r.skip(2*delayBits + 1)
		}
		if initialDelay && r.flag() {
			r.skip(4)
		}
	}
	return level, tier
}

// av1SampleFormat reads color_config into the record's third byte, without its tier.
func av1SampleFormat(r *bits, profile uint32) byte {
	high := r.bit()
	twelve := uint32(0)
	if profile == 2 && high == 1 {
		twelve = r.bit()
	}
	mono := uint32(0)
	if profile != 1 {
		mono = r.bit()
	}
	primaries, transfer, matrix := uint32(2), uint32(2), uint32(2)
	if r.flag() {
		primaries, transfer, matrix = r.u(8), r.u(8), r.u(8)
	}
	x, y, position := uint32(1), uint32(1), uint32(0)
	switch {
	case mono == 1:
		r.skip(1)
	case primaries == 1 && transfer == 13 && matrix == 0: // sRGB
		x, y = 0, 0
	default:
		r.skip(1) // range
		switch {
		case profile == 1:
			x, y = 0, 0
		case profile == 2 && twelve == 1:
			if x = r.bit(); x == 1 {
				y = r.bit()
			} else {
				y = 0
			}
		case profile == 2:
			y = 0
		}
		if x == 1 && y == 1 {
			position = r.u(2)
		}
	}
	return byte(high<<6 | twelve<<5 | mono<<4 | x<<3 | y<<2 | position)
}
