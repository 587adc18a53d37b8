package codec

import "errors"

// parseHEVCSPS reads seq_parameter_set_rbsp (ITU-T H.265 clause 7.3.2.2). Width and
// height must be there; what comes after them is read as far as it makes sense.
func parseHEVCSPS(i *Info, b []byte) error {
	r := &bits{b: b}
	r.skip(4) // VPS id
	subLayers := int(r.u(3))
	r.skip(1)
	skipProfileTierLevel(r, subLayers)
	r.ue() // id
	chroma, planes := r.ue(), false
	if chroma == 3 {
		planes = r.flag()
	}
	w, h := int64(r.ue()), int64(r.ue())
	if r.flag() {
		ux, uy := int64(1), int64(1)
		if !planes {
			if chroma == 1 || chroma == 2 {
				ux = 2
			}
			if chroma == 1 {
				uy = 2
			}
		}
		left, right, top, bottom := int64(r.ue()), int64(r.ue()), int64(r.ue()), int64(r.ue())
		w -= (left + right) * ux
		h -= (top + bottom) * uy
	}
	if r.short {
		return errShort
	}
	if w <= 0 || h <= 0 || w > maxDimension || h > maxDimension {
		return errors.New("an impossible size")
	}
	i.Width, i.Height = int(w), int(h)
	if skipToHEVCVUI(r, subLayers) && r.flag() && !r.short {
		parseHEVCVUI(i, r)
	}
	return nil
}

func skipProfileTierLevel(r *bits, subLayers int) {
	r.skip(88) // general profile
	r.skip(8)  // general level
	var profile, level [8]bool
	for k := range subLayers {
		profile[k], level[k] = r.flag(), r.flag()
	}
	if subLayers > 0 {
		r.skip(2 * (8 - subLayers))
	}
	for k := range subLayers {
		if profile[k] {
			r.skip(88)
		}
		if level[k] {
			r.skip(8)
		}
	}
}

// skipToHEVCVUI passes over all that stands between the size and the VUI flag, and
// reports whether it could.
func skipToHEVCVUI(r *bits, subLayers int) bool {
	r.ue() // bit depth luma
	r.ue() // bit depth chroma
	pocBits := r.ue() + 4
	if pocBits > 16 {
		return false
	}
	from := subLayers
	if r.flag() {
		from = 0
	}
	for k := from; k <= subLayers; k++ {
		r.ue()
		r.ue()
		r.ue()
	}
	for range 6 { // block sizes and transform depths
		r.ue()
	}
	if enabled := r.flag(); enabled {
		if present := r.flag(); present {
			skipHEVCScalingLists(r)
		}
	}
	r.skip(2) // amp, sao
	if r.flag() {
		r.skip(8) // pcm bit depths
		r.ue()
		r.ue()
		r.skip(1)
	}
	if !skipRefPicSets(r) {
		return false
	}
	if r.flag() {
		n := r.ue()
		if n > 32 {
			return false
		}
		r.skip(int(n) * (int(pocBits) + 1))
	}
	r.skip(2) // temporal mvp, strong intra smoothing
	return !r.short
}

func skipHEVCScalingLists(r *bits) {
	for size := range 4 {
		step := 1
		if size == 3 {
			step = 3
		}
		for m := 0; m < 6; m += step {
			if !r.flag() {
				r.ue()
				continue
			}
			if size > 1 {
				r.se()
			}
			for range min(64, 1<<(4+size<<1)) {
				r.se()
			}
		}
	}
}

// skipRefPicSets passes over the st_ref_pic_set structures (clause 7.3.7).
func skipRefPicSets(r *bits) bool {
	n := r.ue()
	if n > 64 || r.short {
		return false
	}
	var before uint32 // NumDeltaPocs of the set before
	for k := range n {
		if k > 0 && r.flag() {
			r.skip(1)
			r.ue()
			var pics uint32
			for range before + 1 {
				if used := r.flag(); used || r.flag() {
					pics++
				}
			}
			if pics > 32 {
				return false
			}
			before = pics
			continue
		}
		neg, pos := r.ue(), r.ue()
		if neg > 16 || pos > 16 || r.short {
			return false
		}
		for range neg + pos {
			r.ue()
			r.skip(1)
		}
		before = neg + pos
	}
	return true
}

// parseHEVCVUI reads vui_parameters (ITU-T H.265 clause E.2.1) up to the timing.
func parseHEVCVUI(i *Info, r *bits) {
	parseVUIHead(i, r)
	r.skip(3)
	if r.flag() { // default display window
		for range 4 {
			r.ue()
		}
	}
	if !r.flag() {
		return
	}
	tick, scale := uint64(r.u(32)), uint64(r.u(32))
	if !r.short {
		i.FrameRate = frameRate(scale, tick)
	}
}
