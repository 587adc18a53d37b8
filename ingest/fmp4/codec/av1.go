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
			if _, err := parseAV1Header(i, obus[at:at+size]); err != nil {
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

// av1Header is what a record says of a sequence header beside holding it.
type av1Header struct {
	profile, level, tier uint32 // level and tier of the first operating point
	format               byte   // the record's third byte, without its tier
	whole                bool   // the header goes on to the end of color_config
}

// parseAV1Header reads sequence_header_obu (AV1 specification section 5.5).
func parseAV1Header(i *Info, b []byte) (h av1Header, err error) {
	r := &bits{b: b}
	h.profile = r.u(3)
	r.skip(1) // still picture
	reduced := r.flag()
	if reduced {
		h.level = r.u(5)
	} else {
		h.level, h.tier = av1OperatingPoints(i, r)
	}
	wBits, hBits := int(r.u(4))+1, int(r.u(4))+1
	width, height := int(r.u(wBits))+1, int(r.u(hBits))+1
	if r.short {
		return h, errShort
	}
	i.Width, i.Height = width, height
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
	h.format = av1Color(i, r, h.profile)
	h.whole = !r.short
	return h, nil
}

// av1OperatingPoints reads from timing_info_present_flag to the last operating point,
// and returns what the first one states.
func av1OperatingPoints(i *Info, r *bits) (level, tier uint32) {
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

// av1Color reads color_config, and returns it as the third byte of a record, without
// its tier.
func av1Color(i *Info, r *bits, profile uint32) byte {
	high, twelve, mono := r.bit(), uint32(0), uint32(0)
	if profile == 2 && high == 1 {
		twelve = r.bit()
	}
	if profile != 1 {
		mono = r.bit()
	}
	c := Color{Primaries: 2, Transfer: 2, Matrix: 2} // unspecified
	described := r.flag()
	if described {
		c = Color{Primaries: int(r.u(8)), Transfer: int(r.u(8)), Matrix: int(r.u(8))}
	}
	sRGB := mono == 0 && c.Primaries == 1 && c.Transfer == 13 && c.Matrix == 0
	c.FullRange = sRGB || r.flag()
	if described && !r.short {
		i.Color = c
	}
	x, y, position := uint32(1), uint32(1), uint32(0) // subsampling, and where chroma samples are
	switch {
	case mono == 1:
	case sRGB, profile == 1:
		x, y = 0, 0
	case profile == 2 && twelve == 1:
		x, y = r.bit(), 0
		if x == 1 {
			y = r.bit()
		}
	case profile == 2:
		y = 0
	}
	if mono == 0 && x == 1 && y == 1 {
		position = r.u(2)
	}
	return byte(high<<6 | twelve<<5 | mono<<4 | x<<3 | y<<2 | position)
}
