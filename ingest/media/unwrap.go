package media

// Unwrapper turns a counter of Bits bits that wraps around (RTMP's 32-bit
// milliseconds, MPEG-TS's 33-bit ticks) into one that does not. Each value is taken
// for the one nearest to the value before it, so that small steps back, as between
// interleaved tracks, stay small. Its zero value is not usable: set Bits to 1..63.
type Unwrapper struct {
	Bits    uint
	started bool
	last    int64
}

// Unwrap returns the unwrapped value. The first is returned as it is; bits above
// Bits are ignored.
func (u *Unwrapper) Unwrap(v uint64) int64 {
	shift := 64 - u.Bits
	if !u.started {
		u.started = true
		u.last = int64(v << shift >> shift)
		return u.last
	}
	// The difference modulo 2^Bits, sign-extended: at most half the range either way.
	u.last += int64((v-uint64(u.last))<<shift) >> shift
	return u.last
}
