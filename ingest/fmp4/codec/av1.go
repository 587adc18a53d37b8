package codec

import (
	"errors"
	"fmt"
)

// parseAV1 reads an AV1CodecConfigurationRecord (AV1-ISOBMFF section 2.3). Its
// sequence header may be missing; then Width is 0, and AV1Sequence finds the rest in
// the first keyframe.
func parseAV1(i *Info) error {
	b := i.Record
	if len(b) < 4 {
		return errShort
	}
	if b[0] != 0x81 {
		return fmt.Errorf("marker and version %#02x", b[0])
	}
	depth := 8
	switch {
	case b[1]>>5 == 2 && b[2]&0x60 == 0x60:
		depth = 12
	case b[2]&0x40 != 0:
		depth = 10
	}
	tier := 'M'
	if b[2]&0x80 != 0 {
		tier = 'H'
	}
	i.String = fmt.Sprintf("av01.%d.%02d%c.%02d", b[1]>>5, b[1]&31, tier, depth)
	if len(b) == 4 {
		return nil
	}
	return AV1Sequence(i, b[4:])
}

const obuSequenceHeader = 1

// AV1Sequence reads the picture's size and rate from the first sequence header among
// the given OBUs.
func AV1Sequence(i *Info, obus []byte) error {
	for len(obus) > 0 {
		head := obus[0]
		if head&0x80 != 0 {
			return errors.New("an OBU with its forbidden bit set")
		}
		at := 1
		if head&4 != 0 {
			at = 2
		}
		if at > len(obus) {
			return errShort
		}
		size := len(obus) - at
		if head&2 != 0 {
			n, used := leb128(obus[at:])
			if used == 0 || n > uint64(len(obus)-at-used) {
				return errShort
			}
			at += used
			size = int(n)
		}
		if head>>3&15 == obuSequenceHeader {
			if err := parseAV1Header(i, obus[at:at+size]); err != nil {
				return fmt.Errorf("sequence header: %w", err)
			}
			return checkPicture(i)
		}
		obus = obus[at+size:]
	}
	return errors.New("no sequence header")
}

func leb128(b []byte) (v uint64, used int) {
	for k := range min(8, len(b)) {
		v |= uint64(b[k]&0x7f) << (7 * k)
		if b[k]&0x80 == 0 {
			return v, k + 1
		}
	}
	return 0, 0
}

// parseAV1Header reads sequence_header_obu (AV1 specification section 5.5).
func parseAV1Header(i *Info, b []byte) error {
	r := &bits{b: b}
	profile := r.u(3)
	r.skip(1) // still picture
	reduced := r.flag()
	if reduced {
		r.skip(5)
	} else {
		av1OperatingPoints(i, r)
	}
	wBits, hBits := int(r.u(4))+1, int(r.u(4))+1
	w, h := int(r.u(wBits))+1, int(r.u(hBits))+1
	if r.short {
		return errShort
	}
	i.Width, i.Height = w, h
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
	av1Color(i, r, profile)
	return nil
}

// av1OperatingPoints reads from timing_info_present_flag to the last operating point.
func av1OperatingPoints(i *Info, r *bits) {
	decoderModel, delayBits := false, 0
	if r.flag() {
		tick, scale := uint64(r.u(32)), uint64(r.u(32))
		ticksPerPicture := uint64(0)
		if r.flag() {
			ticksPerPicture = uint64(r.ue()) + 1
		}
		if !r.short && tick < 1<<31 {
			i.FrameRate = frameRate(scale, tick*ticksPerPicture)
		}
		if decoderModel = r.flag(); decoderModel {
			delayBits = int(r.u(5)) + 1
			r.skip(32 + 10)
		}
	}
	initialDelay := r.flag()
	for range r.u(5) + 1 {
		r.skip(12)
		if r.u(5) > 7 {
			r.skip(1)
		}
		if decoderModel && r.flag() {
			r.skip(2*delayBits + 1)
		}
		if initialDelay && r.flag() {
			r.skip(4)
		}
	}
}

// av1ForcedTools passes over seq_force_screen_content_tools and what hangs on it.
func av1ForcedTools(r *bits) {
	force := uint32(2)
	if !r.flag() {
		force = r.bit()
	}
	if force > 0 && !r.flag() {
		r.skip(1)
	}
}

// av1Color reads color_config as far as the code points.
func av1Color(i *Info, r *bits, profile uint32) {
	high := r.flag()
	if profile == 2 && high {
		r.skip(1)
	}
	mono := profile != 1 && r.flag()
	if !r.flag() {
		return
	}
	c := Color{Primaries: int(r.u(8)), Transfer: int(r.u(8)), Matrix: int(r.u(8))}
	switch {
	case mono:
		c.FullRange = r.flag()
	case c.Primaries == 1 && c.Transfer == 13 && c.Matrix == 0:
		c.FullRange = true // sRGB
	default:
		c.FullRange = r.flag()
	}
	if !r.short {
		i.Color = c
	}
}
