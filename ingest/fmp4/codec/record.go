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
	h, err := parseAV1Header(&Info{}, payload)
	if err == nil && (!h.whole || h.profile > 2) {
		err = errShort
	}
	if err != nil {
		return nil, fmt.Errorf("make AV1 record: sequence header: %w", err)
	}
	out := append(make([]byte, 0, 4+len(obu)), 0x81, byte(h.profile<<5|h.level), byte(h.tier<<7)|h.format, 0)
	return append(out, obu...), nil
}
