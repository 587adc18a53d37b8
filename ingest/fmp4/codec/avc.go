package codec

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// parseAVC reads an AVCDecoderConfigurationRecord (ISO/IEC 14496-15 clause 5.3.3).
func parseAVC(i *Info) error {
	b := i.Record
	if len(b) < 7 {
		return errShort
	}
	if b[0] != 1 {
		return fmt.Errorf("version %d", b[0])
	}
	if b[4]&3 == 2 {
		return errors.New("NAL unit lengths of 3 bytes")
	}
	i.String = fmt.Sprintf("avc1.%02x%02x%02x", b[1], b[2], b[3])
	n := int(b[5] & 31)
	if n == 0 {
		return errors.New("no sequence parameter set")
	}
	rest := b[6:]
	var sps []byte
	for k := range n {
		nal, tail, err := lengthPrefixed(rest)
		if err != nil {
			return err
		}
		if k == 0 {
			sps = nal
		}
		rest = tail
	}
	if len(rest) < 1 {
		return errShort
	}
	n, rest = int(rest[0]), rest[1:]
	if n == 0 {
		return errors.New("no picture parameter set")
	}
	for range n {
		var err error
		if _, rest, err = lengthPrefixed(rest); err != nil {
			return err
		}
	}
	if len(sps) < 4 || sps[0]&31 != 7 {
		return errors.New("no sequence parameter set where one must be")
	}
	if err := parseAVCSPS(i, unescape(sps[1:])); err != nil {
		return fmt.Errorf("sequence parameter set: %w", err)
	}
	return checkPicture(i)
}

func lengthPrefixed(b []byte) (nal, rest []byte, err error) {
	if len(b) < 2 {
		return nil, nil, errShort
	}
	n := int(binary.BigEndian.Uint16(b))
	if len(b) < 2+n {
		return nil, nil, errShort
	}
	return b[2 : 2+n], b[2+n:], nil
}

// parseAVCSPS reads seq_parameter_set_data (ITU-T H.264 clause 7.3.2.1.1).
func parseAVCSPS(i *Info, b []byte) error {
	r := &bits{b: b}
	profile := r.u(8)
	r.skip(16) // constraint flags, level
	r.ue()     // id
	chroma, planes := uint32(1), false
	switch profile {
	case 100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135:
		chroma = r.ue()
		if chroma == 3 {
			planes = r.flag()
		}
		r.ue() // bit depth luma
		r.ue() // bit depth chroma
		r.skip(1)
		if r.flag() {
			lists := 8
			if chroma == 3 {
				lists = 12
			}
			for k := range lists {
				if r.flag() {
					skipAVCScalingList(r, k < 6)
				}
			}
		}
	}
	r.ue() // log2_max_frame_num
	switch r.ue() {
	case 0:
		r.ue()
	case 1:
		r.skip(1)
		r.se()
		r.se()
		n := r.ue()
		if n > 255 {
			return errors.New("too long an order cycle")
		}
		for range n {
			r.se()
		}
	}
	r.ue() // max_num_ref_frames
	r.skip(1)
	w := (int64(r.ue()) + 1) * 16
	h := (int64(r.ue()) + 1) * 16
	frameOnly := r.flag()
	fields := int64(2)
	if frameOnly {
		fields = 1
	} else {
		r.skip(1)
	}
	h *= fields
	r.skip(1) // direct_8x8_inference
	if r.flag() {
		ux, uy := int64(1), fields
		if !planes {
			if chroma == 1 || chroma == 2 {
				ux = 2
			}
			if chroma == 1 {
				uy *= 2
			}
		}
		left, right, top, bottom := int64(r.ue()), int64(r.ue()), int64(r.ue()), int64(r.ue())
		w -= (left + right) * ux
		h -= (top + bottom) * uy
	}
	if r.short {
		return errShort
	}
	i.Width, i.Height, i.Interlaced = int(w), int(h), !frameOnly
	if r.flag() {
		parseAVCVUI(i, r)
	}
	return nil
}

func skipAVCScalingList(r *bits, small bool) {
	size := 64
	if small {
		size = 16
	}
	last, next := int32(8), int32(8)
	for range size {
		if next != 0 {
			next = (last + r.se() + 256) % 256
		}
		if next != 0 {
			last = next
		}
	}
}

// parseAVCVUI reads vui_parameters (ITU-T H.264 clause E.1.1) up to the timing. What
// a truncated one would have told stays unknown.
func parseAVCVUI(i *Info, r *bits) {
	parseVUIHead(i, r)
	if !r.flag() {
		return
	}
	tick, scale := uint64(r.u(32)), uint64(r.u(32))
	if !r.short {
		i.FrameRate = frameRate(scale, 2*tick) // a tick is a field
	}
}

// sampleAspects is table E-1 of H.264 and H.265.
var sampleAspects = [...]Aspect{
	{},
	{1, 1},
	{12, 11},
	{10, 11},
	{16, 11},
	{40, 33},
	{24, 11},
	{20, 11},
	{32, 11},
	{80, 33},
	{18, 11},
	{15, 11},
	{64, 33},
	{160, 99},
	{4, 3},
	{3, 2},
	{2, 1},
}

// parseVUIHead reads what H.264's and H.265's VUI begin with alike.
func parseVUIHead(i *Info, r *bits) {
	if r.flag() {
		idc := int(r.u(8))
		var a Aspect
		if idc == 255 {
			a = Aspect{int(r.u(16)), int(r.u(16))}
		} else if idc < len(sampleAspects) {
			a = sampleAspects[idc]
		}
		if a.W != a.H && a.W > 0 && a.H > 0 && !r.short {
			i.Aspect = a
		}
	}
	if r.flag() {
		r.skip(1) // overscan
	}
	if r.flag() {
		r.skip(3)
		full := r.flag()
		if r.flag() {
			c := Color{int(r.u(8)), int(r.u(8)), int(r.u(8)), full}
			if !r.short {
				i.Color = c
			}
		}
	}
	if r.flag() {
		r.ue()
		r.ue()
	}
}
