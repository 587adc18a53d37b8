package mpegts

import (
	"bytes"
	"encoding/binary"

	"github.com/shoalcast/shoal/ingest/fmp4/codec"
	"github.com/shoalcast/shoal/ingest/media"
)

// extensionOpus is the descriptor_tag_extension of Opus' audio descriptor.
const extensionOpus = 0x80

// opusLayouts are the streams and the mapping of 1 to 8 channels in Vorbis' order
// (RFC 7845 section 5.1.1.2).
var opusLayouts = [...]struct {
	streams, coupled byte
	mapping          string
}{
	{1, 0, "\x00"},
	{1, 1, "\x00\x01"},
	{2, 1, "\x00\x02\x01"},
	{2, 2, "\x00\x01\x02\x03"},
	{3, 2, "\x00\x04\x01\x02\x03"},
	{4, 2, "\x00\x04\x01\x02\x03\x05"},
	{4, 3, "\x00\x04\x01\x02\x03\x05\x06"},
	{5, 3, "\x00\x06\x01\x02\x03\x04\x05\x07"},
}

// opusHead makes an OpusHead (RFC 7845 section 5.1) of the descriptor's
// channel_config_code; nil if it is none that can be read. What is to be skipped at
// the start is not in it: the first packet tells.
func opusHead(descriptor []byte) []byte {
	if len(descriptor) == 0 || descriptor[0] == 0 || int(descriptor[0]) > len(opusLayouts) {
		return nil
	}
	channels := descriptor[0]
	head := append([]byte("OpusHead"), 1, channels, 0, 0)
	head = binary.LittleEndian.AppendUint32(head, 48000)
	head = append(head, 0, 0) // gain
	if channels <= 2 {
		return append(head, 0)
	}
	l := opusLayouts[channels-1]
	head = append(head, 1, l.streams, l.coupled)
	return append(head, l.mapping...)
}

// opus passes on the packets of a PES packet: each has an opus_control_header with its
// size before it.
func (t *track) opus() {
	a := &t.audio
	if t.stamped {
		a.timed, a.base, a.samples = true, t.pts, 0
	}
	b := t.buf
	for len(b) > 0 {
		packet, trim, rest, ok := cutOpus(b)
		if !ok {
			if t.left <= 0 { // nothing is missing
				t.d.warnings.Add(t.d.now, Damaged, "a packet of sound could not be read; sound goes on at the next PES packet")
			}
			return
		}
		b = rest
		n, err := codec.OpusSamples(packet)
		if err != nil {
			t.d.warnings.Add(t.d.now, Damaged, "a packet of sound was dropped: %v", err)
			continue
		}
		const rate = 48000
		at := a.stamp(rate)
		a.samples += int64(n)
		if !a.timed || !t.opusConfig(trim) {
			continue
		}
		t.d.push(media.AccessUnit{Kind: media.Audio, DTS: at, PTS: at, Key: true, Data: bytes.Clone(packet), Arrived: t.arrived})
	}
}

// opusConfig describes the track with what its first packet says is to be skipped.
func (t *track) opusConfig(trim int) bool {
	a := &t.audio
	if a.record == nil {
		const preSkip = 10
		record := bytes.Clone(t.record)
		binary.LittleEndian.PutUint16(record[preSkip:], uint16(trim))
		if !t.d.config(media.Config{Codec: media.Opus, Record: record}) {
			return false
		}
		a.record = record
	}
	return true
}

// cutOpus takes the first access unit off, with the samples to be skipped at its start.
func cutOpus(b []byte) (packet []byte, trim int, rest []byte, ok bool) {
	if len(b) < 3 || b[0] != 0x7f || b[1]&0xe0 != 0xe0 {
		return nil, 0, nil, false
	}
	flags := b[1]
	size, at := 0, 2
	for {
		if at >= len(b) {
			return nil, 0, nil, false
		}
		c := b[at]
		at++
		size += int(c)
		if c != 0xff {
			break
		}
	}
	if flags&0x10 != 0 {
		if at+2 > len(b) {
			return nil, 0, nil, false
		}
		trim = int(b[at]&0x1f)<<8 | int(b[at+1])
		at += 2
	}
	if flags&0x08 != 0 {
		at += 2
	}
	if flags&0x04 != 0 {
		if at >= len(b) {
			return nil, 0, nil, false
		}
		at += 1 + int(b[at])
	}
	if size == 0 || at+size > len(b) {
		return nil, 0, nil, false
	}
	return b[at : at+size], trim, b[at+size:], true
}
