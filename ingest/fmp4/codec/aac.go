package codec

import (
	"errors"
	"fmt"
)

// aacRates is table 1.18 of ISO/IEC 14496-3.
var aacRates = [...]int{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350}

// aacChannels is table 1.19 of ISO/IEC 14496-3; 0 is reserved or told elsewhere.
var aacChannels = [16]int{0, 1, 2, 3, 4, 5, 6, 8, 0, 0, 0, 7, 8, 0, 8}

// Audio object types of ISO/IEC 14496-3 table 1.17.
const (
	aacSBR = 5
	aacLD  = 23
	aacPS  = 29
	aacELD = 39
)

// parseAAC reads an AudioSpecificConfig (ISO/IEC 14496-3 clause 1.6.2.1). Spectral
// band replication doubles the decoded rate, not the length of a frame: Timescale is
// the core's rate, in which a frame has 1024 (or 960) samples either way. SBR that
// the record does not state is left to the decoder.
func parseAAC(i *Info) error {
	r := &bits{b: i.Record}
	object := aacObject(r)
	core, err := aacRate(r)
	if err != nil {
		return err
	}
	layout := r.u(4)
	name, output := object, core
	if object == aacSBR || object == aacPS {
		if output, err = aacRate(r); err != nil {
			return err
		}
		object = aacObject(r)
	}
	i.FrameSamples = 1024
	channels := aacChannels[layout]
	switch object {
	case 1, 2, 3, 4, aacLD:
		if r.flag() {
			i.FrameSamples = 960
		}
		if r.flag() {
			r.skip(14)
		}
		r.skip(1)
		if layout == 0 {
			channels = aacProgramChannels(r)
		}
		if object == aacLD {
			i.FrameSamples /= 2
		}
	case aacELD:
		if r.flag() {
			i.FrameSamples = 960
		}
		i.FrameSamples /= 2
	default:
		return fmt.Errorf("audio object type %d", object)
	}
	if r.short {
		return errShort
	}
	if channels == 0 {
		return fmt.Errorf("channel configuration %d", layout)
	}
	if object == name && object != aacELD {
		name, output = aacExtension(r, name, output)
	}
	if name == aacPS && channels == 1 {
		channels = 2
	}
	i.String = fmt.Sprintf("mp4a.40.%d", name)
	i.SampleRate, i.Timescale, i.Channels = output, core, channels
	return nil
}

func aacObject(r *bits) int {
	if v := r.u(5); v != 31 {
		return int(v)
	}
	return 32 + int(r.u(6))
}

func aacRate(r *bits) (int, error) {
	k := r.u(4)
	if k == 15 {
		rate := int(r.u(24))
		if rate < 1000 || rate > 192_000 {
			return 0, fmt.Errorf("a sampling rate of %d Hz", rate)
		}
		return rate, nil
	}
	if r.short {
		return 0, errShort
	}
	if int(k) >= len(aacRates) {
		return 0, errors.New("a reserved sampling rate")
	}
	return aacRates[k], nil
}

// aacExtension reads the backward compatible statement of SBR and PS, if one follows.
func aacExtension(r *bits, object, rate int) (int, int) {
	if r.u(11) != 0x2b7 || aacObject(r) != aacSBR || !r.flag() {
		return object, rate
	}
	output, err := aacRate(r)
	if err != nil || r.short {
		return object, rate
	}
	if r.u(11) == 0x548 && r.flag() && !r.short {
		return aacPS, output
	}
	return aacSBR, output
}

// aacProgramChannels counts the channels of a program_config_element (ISO/IEC 14496-3
// clause 4.5.1.2).
func aacProgramChannels(r *bits) int {
	r.skip(4 + 2 + 4)
	groups := [3]uint32{r.u(4), r.u(4), r.u(4)}
	lfe := r.u(2)
	r.skip(3 + 4)
	for _, n := range []int{4, 4, 3} { // mixdowns
		if r.flag() {
			r.skip(n)
		}
	}
	n := int(lfe)
	for _, g := range groups {
		for range g {
			n++
			if r.flag() {
				n++
			}
			r.skip(4)
		}
	}
	if r.short || n > 64 {
		return 0
	}
	return n
}
