package mpegts

import (
	"bytes"
	"encoding/binary"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/fmp4/codec"
	"github.com/shoalcast/shoal/ingest/media"
)

// maxUnits bounds the NAL units or OBUs of a picture; level limits of slices and tiles
// are far below.
const maxUnits = 4096

// videoState is what a video track remembers between pictures.
type videoState struct {
	needKey bool // nothing can be decoded until a keyframe
	// leading: pictures that are shown before the keyframe at shown, where the stream
	// was entered, refer to what went before it.
	leading bool
	shown   event.Ticks

	units  [][]byte
	record []byte      // the newest that a keyframe came with
	sets   [3][][]byte // what it is of: video, sequence and picture parameter sets
}

// split finds the units between start codes. Zeros before a start code are stuffing of
// the byte stream (H.264 annex B) unless keep is set.
func (v *videoState) split(b []byte, keep bool) [][]byte {
	code := []byte{0, 0, 1}
	v.units = v.units[:0]
	at := bytes.Index(b, code)
	for at >= 0 && len(v.units) < maxUnits {
		b = b[at+len(code):]
		at = bytes.Index(b, code)
		unit := b
		if at >= 0 {
			unit = b[:at]
		}
		if !keep {
			for len(unit) > 0 && unit[len(unit)-1] == 0 {
				unit = unit[:len(unit)-1]
			}
		}
		if len(unit) > 0 {
			v.units = append(v.units, unit)
		}
	}
	return v.units
}

// role is what a NAL unit is to the demuxer.
type role uint8

const (
	other     role = iota
	delimiter      // or filler: dropped
	slice
	exact  // a slice of a picture that nothing before it is needed for, nor by what follows
	entry  // a slice of a picture where a decoder can start, though leading pictures may follow
	setVPS // the kinds of parameter sets, in the order of videoState.sets
	setSPS
	setPPS
	recovery // a message that says that a decoder can start here
)

// roleAVC goes by nal_unit_type (H.264 table 7-1).
func roleAVC(n []byte) role {
	switch n[0] & 31 {
	case 1, 2:
		return slice
	case 5:
		return exact
	case 6:
		if recoversAtOnce(n[1:]) {
			return recovery
		}
	case 7:
		return setSPS
	case 8:
		return setPPS
	case 9, 12:
		return delimiter
	}
	return other
}

// roleHEVC goes by nal_unit_type (H.265 table 7-1).
func roleHEVC(n []byte) role {
	switch kind := n[0] >> 1 & 63; {
	case kind == 19 || kind == 20:
		return exact
	case kind >= 16 && kind <= 21:
		return entry
	case kind < 32:
		return slice
	case kind == 32:
		return setVPS
	case kind == 33:
		return setSPS
	case kind == 34:
		return setPPS
	case kind == 35 || kind == 38:
		return delimiter
	}
	return other
}

// recoversAtOnce looks for a recovery point message with a recovery_frame_cnt of 0
// (H.264 clause D.1.8): encoders with open GOPs mark their keyframes so.
func recoversAtOnce(b []byte) bool {
	const recoveryPoint = 6
	number := func() (n int, ok bool) {
		for len(b) > 0 {
			c := b[0]
			b = b[1:]
			n += int(c)
			if c != 0xff {
				return n, true
			}
		}
		return 0, false
	}
	for len(b) > 2 {
		kind, ok := number()
		if !ok {
			return false
		}
		size, ok := number()
		if !ok || size > len(b) {
			return false
		}
		if kind == recoveryPoint {
			return size > 0 && b[0]&0x80 != 0
		}
		b = b[size:]
	}
	return false
}

// picture passes on a PES packet of H.264 or HEVC.
func (t *track) picture() {
	roleOf := roleAVC
	if t.codec == media.HEVC {
		roleOf = roleHEVC
	}
	units := t.video.split(t.buf, false)
	size, coded, key, whole := 0, false, false, false
	var sets [3][][]byte
	for _, n := range units {
		r := roleOf(n)
		switch r {
		case delimiter:
			continue
		case slice:
			coded = true
		case exact:
			coded, key, whole = true, true, true
		case entry:
			coded, key = true, true
		case recovery:
			key = true
		case setVPS, setSPS, setPPS:
			sets[r-setVPS] = append(sets[r-setVPS], n)
		}
		size += 4 + len(n)
	}
	if !coded {
		return
	}
	if key && !t.adopt(sets) {
		t.video.needKey = true
	}
	if !t.decodable(key, whole) {
		return
	}
	out := make([]byte, 0, size)
	for _, n := range units {
		switch r := roleOf(n); r {
		case delimiter:
			continue
		case setVPS, setSPS, setPPS:
			if contains(t.video.sets[r-setVPS], n) {
				continue // the record has it
			}
		}
		out = binary.BigEndian.AppendUint32(out, uint32(len(n)))
		out = append(out, n...)
	}
	t.push(key, out)
}

func contains(sets [][]byte, n []byte) bool {
	for _, s := range sets {
		if bytes.Equal(s, n) {
			return true
		}
	}
	return false
}

// adopt makes the record of the parameter sets that a keyframe came with, or keeps the
// one there is. It reports whether there is one that the Sink took.
func (t *track) adopt(sets [3][][]byte) bool {
	v := &t.video
	same := true
	for k := range sets {
		for _, n := range sets[k] {
			same = same && contains(v.sets[k], n)
		}
	}
	if same && v.record != nil {
		return t.d.config(media.Config{Codec: t.codec, Record: v.record})
	}
	for k := range sets {
		var kept [][]byte
		for _, n := range sets[k] {
			if !contains(kept, n) {
				kept = append(kept, bytes.Clone(n))
			}
		}
		if sets[k] = kept; kept == nil {
			sets[k] = v.sets[k]
		}
	}
	var record []byte
	var err error
	if t.codec == media.HEVC {
		record, err = codec.HEVCRecord(sets[0], sets[1], sets[2])
	} else {
		record, err = codec.AVCRecord(sets[1], sets[2])
	}
	if err != nil {
		t.d.warnings.Add(t.d.now, BadConfig, "a keyframe came without usable parameter sets and was dropped: %v", err)
		return false
	}
	if !t.d.config(media.Config{Codec: t.codec, Record: record}) {
		return false
	}
	v.sets, v.record = sets, record
	return true
}

// decodable reports whether a decoder that has what was passed on can show a picture.
func (t *track) decodable(key, whole bool) bool {
	v := &t.video
	switch {
	case key && !v.needKey:
		v.leading = false
		return true
	case v.needKey && !key:
		t.d.warnings.Add(t.d.now, NotDecodable, "pictures were dropped up to the next keyframe")
		return false
	case key:
		v.needKey, v.leading, v.shown = false, !whole, t.pts
		return true
	}
	if v.leading && t.pts < v.shown {
		return false
	}
	v.leading = false
	return true
}

func (t *track) push(key bool, data []byte) {
	t.d.push(media.AccessUnit{Kind: t.kind, DTS: t.dts, PTS: t.pts, Key: key, Data: data, Arrived: t.arrived})
}
