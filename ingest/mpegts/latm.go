package mpegts

import "errors"

// latmConfig is a StreamMuxConfig (ISO/IEC 14496-3 clause 1.7.3.2), as far as frames
// need it.
type latmConfig struct {
	known     bool
	record    []byte
	rate      int
	subframes int
}

// loasSize reads the header of an AudioSyncStream (clause 1.7.2).
func loasSize(b []byte) int {
	if b[0] != 0x56 || b[1]&0xe0 != 0xe0 {
		return 0
	}
	n := int(b[1]&31)<<8 | int(b[2])
	if n == 0 {
		return 0
	}
	return 3 + n
}

// loasFrame takes an AudioMuxElement with its configuration in band.
func (t *track) loasFrame(b []byte) {
	c := &t.audio.latm
	r := &bitReader{b: b[3:]}
	if r.u(1) == 0 {
		next, err := readMuxConfig(r)
		if err != nil {
			t.d.warnings.once(Unsupported, "frames of track %d are dropped: %v", t.pid, err)
			return
		}
		*c = next
	}
	if !c.known {
		return
	}
	for range c.subframes {
		n := 0
		for {
			k := int(r.u(8))
			n += k
			if k != 0xff || r.short {
				break
			}
		}
		data := r.bytes(n)
		if r.short {
			t.d.warnings.Add(t.d.now, Damaged, "a frame of sound is shorter than it says")
			return
		}
		t.pushAAC(c.record, c.rate, 1024, data)
	}
}

var errLATM = errors.New("LATM with several programs or layers, or of another codec than AAC, is not carried")

func readMuxConfig(r *bitReader) (latmConfig, error) {
	var c latmConfig
	version := r.u(1)
	if version == 1 {
		if r.u(1) != 0 { // reserved
			return c, errLATM
		}
		r.value() // taraBufferFullness
	}
	sameTime := r.u(1)
	c.subframes = int(r.u(6)) + 1
	if programs, layers := r.u(4), r.u(3); sameTime != 1 || programs != 0 || layers != 0 {
		return c, errLATM
	}
	length := -1
	if version == 1 {
		length = int(r.value())
	}
	from := r.pos
	var err error
	if c.rate, err = readAudioConfig(r); err != nil {
		return c, err
	}
	if length >= 0 {
		if r.pos > from+length {
			return c, errLATM
		}
		r.pos = from + length
	}
	bits := r.pos - from
	r.pos = from
	c.record = r.bytes((bits + 7) / 8)
	if spare := (8 - bits%8) % 8; len(c.record) > 0 {
		c.record[len(c.record)-1] &= 0xff << spare
	}
	r.pos = from + bits
	if r.u(3) != 0 { // frameLengthType: each frame states its length
		return c, errLATM
	}
	r.u(8)           // latmBufferFullness
	if r.u(1) == 1 { // other data follows the audio, where nothing is read
		for more := true; more && !r.short; { // otherDataLenBits, escaped
			more = r.u(1) == 1
			r.u(8)
		}
	}
	if r.u(1) == 1 {
		r.u(8) // crcCheckSum
	}
	if r.short || len(c.record) > 64 {
		return c, errLATM
	}
	c.known = true
	return c, nil
}

// readAudioConfig passes over an AudioSpecificConfig (clause 1.6.2.1), whose length is
// told by nothing else, and returns the core's sampling rate.
func readAudioConfig(r *bitReader) (int, error) {
	rate := func() int {
		k := int(r.u(4))
		if k == 15 {
			return int(r.u(24))
		}
		if k >= len(aacRates) {
			return 0
		}
		return aacRates[k]
	}
	object, core := r.u(5), rate()
	channels := r.u(4)
	const sbr, ps = 5, 29
	if object == sbr || object == ps {
		rate()
		object = r.u(5)
	}
	if object < 1 || object > 4 || channels == 0 || core < 1000 || core > 192_000 || r.u(1) == 1 {
		return 0, errLATM // also frames of 960 samples
	}
	if r.u(1) == 1 {
		r.u(14) // coreCoderDelay
	}
	r.u(1)
	return core, nil
}

// bitReader reads bits, highest first; past the end it gives zeros and remembers.
type bitReader struct {
	b     []byte
	pos   int
	short bool
}

// u reads at most 32 bits.
func (r *bitReader) u(n int) uint32 {
	var v uint32
	for range n {
		k := r.pos >> 3
		if k >= len(r.b) {
			r.short = true
			return 0
		}
		v = v<<1 | uint32(r.b[k]>>(7-r.pos&7)&1)
		r.pos++
	}
	return v
}

// value is LatmGetValue: one to four bytes.
func (r *bitReader) value() uint32 {
	var v uint32
	for range r.u(2) + 1 {
		v = v<<8 | r.u(8)
	}
	return v & (1<<24 - 1)
}

// bytes copies n bytes from any bit on.
func (r *bitReader) bytes(n int) []byte {
	if n > (len(r.b)*8-r.pos+7)/8 {
		r.short = true
		return nil
	}
	out := make([]byte, n)
	k, shift := r.pos>>3, r.pos&7
	for i := range out {
		out[i] = r.b[k+i] << shift
		if shift > 0 && k+i+1 < len(r.b) {
			out[i] |= r.b[k+i+1] >> (8 - shift)
		}
	}
	r.pos += 8 * n
	return out
}
