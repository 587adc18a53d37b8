package mpegts

import (
	"bytes"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/media"
)

// state is how far a track is with a PES packet.
type state uint8

const (
	idle   state = iota // waits for one to begin
	header              // its header is not whole yet
	body
	over // it seemed whole, though it states no length, and was passed on
)

// lengthBound is the PES_packet_length from which on a video PES packet is not taken
// for the whole picture: larger ones are cut by muxers that state every length, which
// 16 bits can, and go on in packets without times.
const lengthBound = 60_000

// track puts the PES packets of one PID together (H.222.0 section 2.4.3.6).
type track struct {
	found
	d       *Demuxer
	kind    media.Kind
	counter continuity

	state    state
	pending  bool // while a header is read: the packet before is whole, or goes on
	head     []byte
	buf      []byte // the body so far; afterwards the one before, until the next begins
	left     int    // bytes of it still to come; negative when it ends where the next begins
	stamped  bool
	dts, pts event.Ticks
	arrived  time.Time
	ending   ending

	video videoState
	audio audioState
}

func newTrack(d *Demuxer, k media.Kind, f found) *track {
	t := &track{found: f, d: d, kind: k}
	t.video.needKey = true
	t.audio.seeking = true
	return t
}

// packet takes a transport packet.
func (t *track) packet(h packet) {
	p := h.payload
	if h.scrambled {
		t.d.warnings.once(Scrambled, "the %s track %d is scrambled: it cannot be carried", t.kind, t.pid)
		t.broken()
		return
	}
	switch v := t.counter.next(h.counter, h.restarts); {
	case v == duplicate && t.isLast(p, h.start):
		return
	case v != follows:
		t.d.warnings.Add(t.d.now, Discontinuity, "packets of the %s track are missing; %s", t.kind, t.consequence())
		t.broken()
	}
	switch {
	case h.start:
		t.begin()
	case t.state == over:
		t.ending.refuted = true
		t.damaged("a PES packet that seemed to have ended went on")
	}
	if t.state != idle {
		t.ending.packet(h.padded)
	}
	if t.state == header {
		t.head = append(t.head, p...)
		if p = t.readHeader(); t.state != body {
			return
		}
	}
	if t.state == body {
		t.add(p)
	}
}

// isLast tells a packet that was sent twice from one that follows fifteen lost ones,
// which has the same counter.
func (t *track) isLast(p []byte, start bool) bool {
	if t.state == header {
		return bytes.HasSuffix(t.head, p)
	}
	return bytes.HasSuffix(t.buf, p) || start && len(t.buf) > 0 && len(t.buf) < len(p) && bytes.HasSuffix(p, t.buf)
}

func (t *track) consequence() string {
	if t.kind == media.Video {
		return "pictures are dropped up to the next keyframe"
	}
	return "sound goes on at its next whole frame"
}

// broken drops what is being put together. Frames of sound that are whole stay.
func (t *track) broken() {
	if t.kind == media.Video {
		t.video.needKey = true
	} else {
		if t.state == body {
			t.finish()
		}
		t.audio.lost()
	}
	t.state, t.pending = idle, false
	t.head, t.buf = t.head[:0], t.buf[:0]
	t.ending.begins(false)
}

func (t *track) begin() {
	t.pending = false
	switch {
	case t.state == header, t.state == body && t.left > 0:
		t.damaged("a PES packet broke off")
	case t.state == body:
		t.pending = true
	}
	t.ending.begins(t.pending && t.left < 0)
	t.state, t.head = header, t.head[:0]
}

func (t *track) damaged(what string) {
	t.d.warnings.Add(t.d.now, Damaged, "%s of the %s track; %s", what, t.kind, t.consequence())
	t.broken()
}

// readHeader reads the header as soon as it is whole, and returns what follows it.
func (t *track) readHeader() []byte {
	const fixed = 9
	h := t.head
	if len(h) >= 3 && (h[0] != 0 || h[1] != 0 || h[2] != 1) {
		t.damaged("a PES packet without its start code")
		return nil
	}
	if len(h) < fixed || len(h) < fixed+int(h[8]) {
		return nil
	}
	if h[6]&0xc0 != 0x80 {
		t.damaged("a PES packet with a malformed header")
		return nil
	}
	if h[6]&0x30 != 0 {
		t.d.warnings.once(Scrambled, "the %s track %d is scrambled: it cannot be carried", t.kind, t.pid)
		t.broken()
		return nil
	}
	length, size := int(h[4])<<8|int(h[5]), fixed+int(h[8])
	dts, pts, stamped, ok := readTimes(h[:size])
	if !ok || length > 0 && length < size-6 {
		t.damaged("a PES packet with a malformed header")
		return nil
	}
	left := -1
	if length > 0 {
		left = length - (size - 6)
	}
	if t.kind == media.Video && !stamped {
		t.ending.refuted = true
	}
	switch {
	case t.kind == media.Video && !stamped && t.pending: // the picture goes on
	case t.kind == media.Video && !stamped:
		t.damaged("a PES packet without times")
		return nil
	default:
		if t.pending {
			t.finish()
		}
		t.buf = t.buf[:0]
		if t.stamped = stamped; stamped {
			t.dts, t.pts = t.d.unwrap(dts, pts)
		}
	}
	t.pending = false
	t.state, t.left = body, left
	return h[size:]
}

// readTimes reads PTS and DTS of a whole header.
func readTimes(h []byte) (dts, pts uint64, stamped, ok bool) {
	flags, fields := h[7]>>6, h[9:]
	if flags == 0 {
		return 0, 0, false, true
	}
	if flags == 1 || len(fields) < 5 || flags == 3 && len(fields) < 10 {
		return 0, 0, false, false
	}
	pts, ok = readTime(fields, flags)
	if !ok || flags == 2 {
		return pts, pts, true, ok
	}
	dts, ok = readTime(fields[5:], 1)
	return dts, pts, true, ok
}

// readTime reads 33 bits in three parts; prefix and marker bits must be right.
func readTime(b []byte, prefix byte) (uint64, bool) {
	ok := b[0]>>4 == prefix && b[0]&b[2]&b[4]&1 == 1
	return uint64(b[0]>>1&7)<<30 | uint64(b[1])<<22 | uint64(b[2]>>1)<<15 | uint64(b[3])<<7 | uint64(b[4]>>1), ok
}

// add takes bytes of the body.
func (t *track) add(p []byte) {
	if t.left >= 0 && len(p) > t.left {
		p = p[:t.left]
	}
	if len(t.buf)+len(p) > maxPES {
		t.d.warnings.Add(t.d.now, TooLarge, "a PES packet of the %s track is larger than %d bytes; %s", t.kind, maxPES, t.consequence())
		t.broken()
		return
	}
	t.buf = append(t.buf, p...)
	t.arrived = t.d.now
	if t.left < 0 {
		if t.kind == media.Video && t.ending.seen() {
			t.finish()
			t.state = over
		}
		return
	}
	t.left -= len(p)
	if t.left == 0 && (t.kind == media.Audio || len(t.buf) < lengthBound) {
		t.finish()
		t.state = idle
	}
}

// finish passes on a body that is whole, or the whole frames of sound in it.
func (t *track) finish() {
	switch {
	case t.kind == media.Audio:
		t.sound()
	case t.codec == media.AV1:
		t.temporalUnit()
	default:
		t.picture()
	}
}

// end passes on what is whole where the stream, or the track, ends.
func (t *track) end() {
	if t.state == body && t.left <= 0 || t.state == header && t.pending {
		t.finish()
	}
	if t.kind == media.Audio {
		t.broken()
	}
	t.state, t.pending = idle, false
}
