package codec

// bits reads a bit string, most significant bit first. Past its end it gives zeros
// and remembers that it did.
type bits struct {
	b     []byte
	pos   int
	short bool
}

func (r *bits) bit() uint32 {
	if r.pos>>3 >= len(r.b) {
		r.short = true
		return 0
	}
	v := uint32(r.b[r.pos>>3]>>(7-r.pos&7)) & 1
	r.pos++
	return v
}

func (r *bits) flag() bool { return r.bit() == 1 }

// u reads n bits, at most 32.
func (r *bits) u(n int) uint32 {
	var v uint32
	for range n {
		v = v<<1 | r.bit()
	}
	return v
}

func (r *bits) skip(n int) {
	if n > len(r.b)*8-r.pos {
		r.pos, r.short = len(r.b)*8, true
		return
	}
	r.pos += n
}

// ue reads an Exp-Golomb code (ITU-T H.264 clause 9.1).
func (r *bits) ue() uint32 {
	zeros := 0
	for !r.flag() {
		zeros++
		if zeros > 31 || r.short {
			r.short = true
			return 0
		}
	}
	return 1<<zeros - 1 + r.u(zeros)
}

func (r *bits) se() int32 {
	v := r.ue()
	if v&1 == 1 {
		return int32(v/2) + 1
	}
	return -int32(v / 2)
}

// unescape takes the emulation prevention bytes out of a NAL unit.
func unescape(nal []byte) []byte {
	out := make([]byte, 0, len(nal))
	zeros := 0
	for _, c := range nal {
		if zeros >= 2 && c == 3 {
			zeros = 0
			continue
		}
		if c == 0 {
			zeros++
		} else {
			zeros = 0
		}
		out = append(out, c)
	}
	return out
}
