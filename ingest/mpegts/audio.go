package mpegts

import (
	"bytes"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/media"
)

// audioState is what an audio track remembers between PES packets.
type audioState struct {
	carry   []byte // the beginning of a frame
	seeking bool   // its place in the bytes is not known: look for a frame

	timed   bool
	base    event.Ticks // when the first frame after the last time stamp is heard
	samples int64       // since then

	record []byte // in use
	next   []byte // what a frame stated differently; it takes effect when the next does too

	latm latmConfig
}

// lost forgets a frame that will not become whole, and the time.
func (a *audioState) lost() {
	a.carry, a.seeking, a.timed = a.carry[:0], true, false
}

// stamp is the time of the next frame.
func (a *audioState) stamp(rate int) event.Ticks {
	return a.base + event.Ticks(a.samples*event.Timescale/int64(rate))
}

// framing is how frames of AAC are told apart.
type framing struct {
	least int                // bytes that tell a frame's size
	size  func(b []byte) int // of the frame, header included; 0 if there is none
	frame func(t *track, b []byte)
}

var (
	adts = framing{least: 7, size: adtsSize, frame: (*track).adtsFrame}
	loas = framing{least: 3, size: loasSize, frame: (*track).loasFrame}
)

// sound passes on the frames of a PES packet.
func (t *track) sound() {
	switch {
	case t.codec == media.Opus:
		t.opus()
	case t.latm:
		t.frames(loas)
	default:
		t.frames(adts)
	}
}

// frames cuts AAC, whose frames need not begin with the PES packet. Its time is that
// of the first frame that begins in it (H.222.0 section 2.4.3.7).
func (t *track) frames(f framing) {
	a := &t.audio
	boundary := len(a.carry)
	b := t.buf
	if boundary > 0 {
		a.carry = append(a.carry, t.buf...)
		b = a.carry
	}
	at := 0
	for at < len(b) {
		if t.stamped && at >= boundary {
			a.timed, a.base, a.samples = true, t.pts, 0
			t.stamped = false
		}
		rest := b[at:]
		if len(rest) < f.least {
			break
		}
		n := f.size(rest)
		if n == 0 || a.seeking && len(rest) >= n+f.least && f.size(rest[n:]) == 0 {
			if !a.seeking {
				t.d.warnings.Add(t.d.now, Damaged, "a frame of sound could not be read; sound goes on at the next one")
			}
			a.seeking = true
			at++
			continue
		}
		if len(rest) < n {
			break
		}
		a.seeking = false
		f.frame(t, rest[:n])
		at += n
	}
	a.carry = append(a.carry[:0], b[at:]...) // b may be carry itself: append moves it down
}

// pushAAC passes on one raw_data_block of the given parameters.
func (t *track) pushAAC(record []byte, rate, samples int, data []byte) {
	a := &t.audio
	at := a.stamp(rate)
	a.samples += int64(samples)
	if !a.timed || len(data) == 0 {
		return
	}
	if !bytes.Equal(record, a.record) {
		// A flipped bit must not change the track for everybody: two frames have to
		// say the same.
		if a.record != nil && !bytes.Equal(record, a.next) {
			a.next = bytes.Clone(record)
			return
		}
		if !t.d.config(media.Config{Codec: media.AAC, Record: record}) {
			return
		}
		a.record, a.next = bytes.Clone(record), nil
		a.base, a.samples = at, int64(samples)
	}
	a.next = nil
	t.d.push(media.AccessUnit{Kind: media.Audio, DTS: at, PTS: at, Key: true, Data: bytes.Clone(data), Arrived: t.arrived})
}

// aacRates is table 1.18 of ISO/IEC 14496-3.
var aacRates = [...]int{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350}

// adtsSize reads an adts_fixed_header and an adts_variable_header (ISO/IEC 14496-3
// clause 1.A.2.2).
func adtsSize(b []byte) int {
	if b[0] != 0xff || b[1]&0xf6 != 0xf0 || int(b[2]>>2&15) >= len(aacRates) {
		return 0
	}
	n := int(b[3]&3)<<11 | int(b[4])<<3 | int(b[5]>>5)
	if n < adtsHeader(b) {
		return 0
	}
	return n
}

// adtsHeader is the length of the header: with a checksum, unless it says otherwise.
func adtsHeader(b []byte) int {
	if b[1]&1 == 0 {
		return 9
	}
	return 7
}

func (t *track) adtsFrame(b []byte) {
	object, index := b[2]>>6+1, b[2]>>2&15
	channels := b[2]&1<<2 | b[3]>>6
	if channels == 0 || b[6]&3 != 0 {
		t.d.warnings.once(Unsupported, "frames of track %d are dropped: AAC with a channel layout in its frames, or several blocks in one ADTS frame, is not carried", t.pid)
		return
	}
	record := [2]byte{object<<3 | index>>1, index<<7 | channels<<3}
	t.pushAAC(record[:], aacRates[index], 1024, b[adtsHeader(b):])
}
