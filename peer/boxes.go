package peer

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Reading of ISO base media files (ISO/IEC 14496-12), as far as joining the pieces of
// two epochs needs it. The bytes were signed by the stream's creator and may still be
// anything.

var errBox = errors.New("a box does not fit in its parent")

// maxTracks bounds the tracks and fragments of one file.
const maxTracks = 16

// eachBox calls fn with the type and the body of every box in b.
func eachBox(b []byte, fn func(kind string, whole, body []byte) error) error {
	for len(b) > 0 {
		if len(b) < 8 {
			return errBox
		}
		size, head := uint64(binary.BigEndian.Uint32(b)), 8
		switch {
		case size == 0:
			size = uint64(len(b))
		case size == 1 && len(b) >= 16:
			size, head = binary.BigEndian.Uint64(b[8:]), 16
		}
		if size < uint64(head) || size > uint64(len(b)) {
			return errBox
		}
		if err := fn(string(b[4:8]), b[:size], b[head:size]); err != nil {
			return err
		}
		b = b[size:]
	}
	return nil
}

// track is what a track of an init segment says that its fragments rely on.
type track struct {
	timescale       uint32
	defaultDuration uint32 // trex
	description     string // hdlr type and stsd, byte for byte
}

// readInit reads the tracks of an init segment by track id.
func readInit(init []byte) (map[uint32]track, error) {
	tracks := map[uint32]track{}
	defaults := map[uint32]uint32{}
	var id uint32
	var t track
	var walk func(kind string, whole, body []byte) error
	walk = func(kind string, whole, body []byte) error {
		switch kind {
		case "moov", "mdia", "minf", "stbl", "mvex":
			return eachBox(body, walk)
		case "trak":
			id, t = 0, track{}
			if err := eachBox(body, walk); err != nil {
				return err
			}
			if id == 0 || t.timescale == 0 {
				return errors.New("a track has no id or no timescale")
			}
			if tracks[id] = t; len(tracks) > maxTracks {
				return fmt.Errorf("more than %d tracks", maxTracks)
			}
		case "tkhd":
			at, err := versioned(body, 12, 20)
			if err != nil {
				return err
			}
			id = binary.BigEndian.Uint32(at)
		case "mdhd":
			at, err := versioned(body, 12, 20)
			if err != nil {
				return err
			}
			t.timescale = binary.BigEndian.Uint32(at)
		case "hdlr":
			if len(body) < 12 {
				return errBox
			}
			t.description += string(body[8:12])
		case "stsd":
			t.description += string(whole)
		case "trex":
			if len(body) < 16 {
				return errBox
			}
			if len(defaults) > maxTracks {
				return fmt.Errorf("more than %d tracks", maxTracks)
			}
			defaults[binary.BigEndian.Uint32(body[4:])] = binary.BigEndian.Uint32(body[12:])
		}
		return nil
	}
	if err := eachBox(init, walk); err != nil {
		return nil, fmt.Errorf("read init segment: %w", err)
	}
	if len(tracks) == 0 {
		return nil, errors.New("read init segment: it has no tracks")
	}
	for id, d := range defaults {
		if t, ok := tracks[id]; ok {
			t.defaultDuration = d
			tracks[id] = t
		}
	}
	return tracks, nil
}

// versioned returns what stands behind the two times of a full box: at v0 or v1 by
// its version.
func versioned(body []byte, v0, v1 int) ([]byte, error) {
	if len(body) < 4 {
		return nil, errBox
	}
	at := v0
	if body[0] == 1 {
		at = v1
	}
	if len(body) < at+4 {
		return nil, errBox
	}
	return body[at:], nil
}

// sameTracks reports whether fragments made for one init segment play after the other.
func sameTracks(a, b map[uint32]track) bool {
	if len(a) != len(b) {
		return false
	}
	for id, t := range a {
		u, ok := b[id]
		if !ok || t.timescale != u.timescale || t.description != u.description {
			return false
		}
	}
	return true
}

// fragment is one track's part of a piece, in its track's timescale.
type fragment struct {
	track uint32
	tfdt  []byte // its decode time, in the piece
	start int64  // the same, read
	span  span
}

// span is where samples lie, from their fragment's start or as a decode and a
// presentation time: with B-frames the last picture shown is not the last decoded, and
// where a publish was cut off, pictures before it may be missing.
type span struct {
	decoded     int64 // end of the last sample in decode order
	first, last int64 // start of the first and end of the last that is shown
}

func (s span) shifted(by int64) span { return span{s.decoded + by, s.first + by, s.last + by} }

// with returns the span over both.
func (s span) with(t span) span {
	return span{max(s.decoded, t.decoded), min(s.first, t.first), max(s.last, t.last)}
}

// readPiece finds the fragments of a piece.
func readPiece(piece []byte, tracks map[uint32]track) ([]fragment, error) {
	var out []fragment
	err := eachBox(piece, func(kind string, _, body []byte) error {
		if kind != "moof" {
			return nil
		}
		return eachBox(body, func(kind string, _, body []byte) error {
			if kind != "traf" {
				return nil
			}
			f, err := readFragment(body, tracks)
			if err != nil {
				return err
			}
			if out = append(out, f); len(out) > 16*maxTracks {
				return errors.New("too many track fragments")
			}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read piece: %w", err)
	}
	return out, nil
}

// Flags of tfhd and trun.
const (
	tfhdBaseDataOffset  = 0x1
	tfhdDescription     = 0x2
	tfhdDefaultDuration = 0x8
	trunDataOffset      = 0x1
	trunFirstFlags      = 0x4
	trunDuration        = 0x100
	trunSize            = 0x200
	trunFlags           = 0x400
	trunComposition     = 0x800
)

// maxTime bounds decode times, so that sums of them cannot overflow.
const maxTime = 1 << 60

func readFragment(traf []byte, tracks map[uint32]track) (fragment, error) {
	f := fragment{span: span{first: maxTime}}
	var each uint32
	err := eachBox(traf, func(kind string, _, body []byte) error {
		if kind != "tfhd" && kind != "tfdt" && kind != "trun" {
			return nil
		}
		if len(body) < 8 {
			return errBox
		}
		flags := binary.BigEndian.Uint32(body) & 0xffffff
		switch kind {
		case "tfhd":
			f.track = binary.BigEndian.Uint32(body[4:])
			each = tracks[f.track].defaultDuration
			at := 8
			if flags&tfhdBaseDataOffset != 0 {
				at += 8
			}
			if flags&tfhdDescription != 0 {
				at += 4
			}
			if flags&tfhdDefaultDuration != 0 {
				if len(body) < at+4 {
					return errBox
				}
				each = binary.BigEndian.Uint32(body[at:])
			}
		case "tfdt":
			f.tfdt = body[4:8]
			start := uint64(binary.BigEndian.Uint32(body[4:]))
			if body[0] == 1 {
				if len(body) < 12 {
					return errBox
				}
				f.tfdt, start = body[4:12], binary.BigEndian.Uint64(body[4:])
			}
			if start > maxTime {
				return errors.New("a decode time is out of range")
			}
			f.start = int64(start)
		case "trun":
			run, err := readRun(flags, body, each)
			if err != nil {
				return err
			}
			f.span = f.span.with(run.shifted(f.span.decoded))
		}
		return nil
	})
	switch {
	case err != nil:
		return f, err
	case f.tfdt == nil || tracks[f.track].timescale == 0:
		return f, errors.New("a track fragment has no decode time or an unknown track")
	case f.span.decoded > maxTime:
		return f, errors.New("a duration is out of range")
	}
	f.span.first = min(f.span.first, f.span.decoded) // no samples
	return f, nil
}

// readRun returns where the samples of a trun lie, from its own start.
func readRun(flags uint32, body []byte, each uint32) (span, error) {
	count := int64(binary.BigEndian.Uint32(body[4:]))
	if flags&(trunDuration|trunComposition) == 0 {
		return span{decoded: count * int64(each), last: count * int64(each)}, nil
	}
	at, size, offset := int64(8), int64(0), int64(0)
	for _, f := range []uint32{trunDataOffset, trunFirstFlags} {
		if flags&f != 0 {
			at += 4
		}
	}
	for _, f := range []uint32{trunDuration, trunSize, trunFlags, trunComposition} {
		if flags&f != 0 {
			offset = size
			size += 4
		}
	}
	if at+count*size > int64(len(body)) {
		return span{}, errBox
	}
	s := span{first: maxTime}
	for ; count > 0; count, at = count-1, at+size {
		d, shown := int64(each), s.decoded
		if flags&trunDuration != 0 {
			d = int64(binary.BigEndian.Uint32(body[at:]))
		}
		if flags&trunComposition != 0 { // unsigned in version 0, but never that large
			shown += int64(int32(binary.BigEndian.Uint32(body[at+offset:])))
		}
		s.first, s.last = min(s.first, shown), max(s.last, shown+d)
		s.decoded += d
	}
	return s, nil
}
