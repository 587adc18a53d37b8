package mpegts

import (
	"bytes"

	"github.com/shoalcast/shoal/ingest/fmp4/codec"
	"github.com/shoalcast/shoal/ingest/media"
)

// Types of OBUs (AV1 specification section 6.2.2).
const (
	obuSequenceHeader    = 1
	obuTemporalDelimiter = 2
	obuFrameHeader       = 3
	obuFrame             = 6
	obuTileList          = 8
	obuPadding           = 15
)

// temporalUnit passes on a PES packet of AV1: each OBU has a start code before it and
// emulation prevention bytes in it, as NAL units have, and may lack its size. In an
// access unit it has its size, and nothing else.
func (t *track) temporalUnit() {
	out := make([]byte, 0, len(t.buf)+16)
	var sequence, payload []byte
	frames, key := 0, false
	for _, u := range t.video.split(t.buf, true) {
		kind, head, body, ok := readOBU(unescape(u))
		if !ok {
			t.d.warnings.Add(t.d.now, Damaged, "a malformed OBU; pictures are dropped up to the next keyframe")
			t.video.needKey = true
			return
		}
		switch kind {
		case obuTemporalDelimiter, obuPadding, obuTileList:
			continue
		case obuFrameHeader, obuFrame:
			// Not an existing frame, a key frame, shown: bits 0, 00, 1.
			if frames++; frames == 1 {
				key = len(body) > 0 && body[0]>>4 == 1
			}
		}
		from := len(out)
		out = append(out, head...)
		out[from] |= 2 // it has its size
		out = appendLEB128(out, len(body))
		out = append(out, body...)
		if kind == obuSequenceHeader && sequence == nil {
			sequence, payload = bytes.Clone(out[from:]), body
		}
	}
	if frames == 0 {
		return
	}
	key = key && sequence != nil
	if key {
		record, err := codec.AV1Record(sequence, payload)
		if err != nil {
			t.d.warnings.Add(t.d.now, BadConfig, "a keyframe came without a usable sequence header and was dropped: %v", err)
			t.video.needKey = true
			return
		}
		if !t.d.config(media.Config{Codec: media.AV1, Record: record}) {
			t.video.needKey = true
			return
		}
	}
	if t.decodable(key, true) {
		t.push(key, out)
	}
}

// readOBU takes an OBU apart (AV1 specification section 5.3).
func readOBU(b []byte) (kind byte, head, body []byte, ok bool) {
	if len(b) == 0 || b[0]&0x80 != 0 {
		return 0, nil, nil, false
	}
	n := 1
	if b[0]&4 != 0 {
		n = 2
	}
	if len(b) < n {
		return 0, nil, nil, false
	}
	head, body = b[:n], b[n:]
	if b[0]&2 != 0 {
		size, used := 0, 0
		for used < min(4, len(body)) {
			c := body[used]
			size |= int(c&0x7f) << (7 * used)
			used++
			if c&0x80 == 0 {
				break
			}
		}
		if used == 0 || body[used-1]&0x80 != 0 || size > len(body)-used {
			return 0, nil, nil, false
		}
		body = body[used : used+size]
	}
	return b[0] >> 3 & 15, head, body, true
}

func appendLEB128(out []byte, n int) []byte {
	for ; n >= 0x80; n >>= 7 {
		out = append(out, byte(n)|0x80)
	}
	return append(out, byte(n))
}

// unescape takes emulation prevention bytes out; without any, b itself is returned.
func unescape(b []byte) []byte {
	escape := []byte{0, 0, 3}
	at := bytes.Index(b, escape)
	if at < 0 {
		return b
	}
	out := make([]byte, 0, len(b))
	for ; at >= 0; at = bytes.Index(b, escape) {
		out = append(out, b[:at+2]...)
		b = b[at+3:]
	}
	return append(out, b...)
}
