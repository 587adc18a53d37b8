// Package flv reads the bodies of FLV audio and video tags, which are also RTMP's
// audio and video messages: H.264 and AAC as in Adobe's FLV specification 10.1 annex E,
// and the FourCC modes of Enhanced RTMP v2.
//
// A message may carry several tracks. Shoal carries one of each kind: track 0.
// Everything here is a pure function of bytes from outside; nothing is copied.
package flv

import (
	"errors"
	"fmt"

	"github.com/shoalcast/shoal/ingest/media"
)

// What says what a packet carries.
type What uint8

// The contents of a packet.
const (
	Nothing What = iota // nothing of track 0 that Shoal needs
	Config              // Body is the codec's configuration record
	Frame               // Body is an access unit
	End                 // the track ends
)

// Packet is what a message says about track 0.
type Packet struct {
	What  What
	Codec media.Codec
	Key   bool // of a Frame: a decoder can start here
	// Composition is presentation minus decoding time in milliseconds.
	Composition int32
	// Nanos refines the message's timestamp: 0 to 999,999 ns after its millisecond.
	Nanos uint32
	Body  []byte
	// Others lists the ids of further tracks in the message, at most MaxOthers.
	Others []uint8
}

// MaxOthers bounds the list of tracks that are passed over.
const MaxOthers = 16

// Errors of parsing. Each is a sentence about the sender.
var (
	ErrShort = errors.New("the tag is cut short")
	ErrCodec = errors.New("the codec is not supported: send H.264, HEVC or AV1 with AAC or Opus")
	ErrForm  = errors.New("the tag's form is not supported")
)

// Multitrack types, the same for audio and video.
const (
	oneTrack             = 0
	manyTracks           = 1
	manyTracksManyCodecs = 2
)

// cursor walks over a tag.
type cursor struct {
	b   []byte
	err error
}

func (c *cursor) take(n int) []byte {
	if c.err != nil || n > len(c.b) {
		c.err = ErrShort
		return nil
	}
	b := c.b[:n]
	c.b = c.b[n:]
	return b
}

func (c *cursor) u8() uint8 {
	if b := c.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (c *cursor) u16() int {
	if b := c.take(2); b != nil {
		return int(b[0])<<8 | int(b[1])
	}
	return 0
}

func (c *cursor) u24() int {
	if b := c.take(3); b != nil {
		return int(b[0])<<16 | int(b[1])<<8 | int(b[2])
	}
	return 0
}

func (c *cursor) s24() int32 { return int32(c.u24()<<8) >> 8 }

// fourCC reads a codec's name, without an allocation when it is one of ours.
func (c *cursor) fourCC() media.Codec {
	b := c.take(4)
	for _, known := range [...]media.Codec{media.H264, media.HEVC, media.AV1, media.AAC, media.Opus} {
		if string(b) == string(known) {
			return known
		}
	}
	return media.Codec(b)
}

// modEx reads the modifiers in front of a packet, if any, and returns the type of the
// packet after them and the nanosecond offset. Unknown modifiers are passed over, as
// their length is known.
func (c *cursor) modEx(typ uint8) (next uint8, nanos uint32) {
	const modEx, timestampOffsetNano = 7, 0
	for typ == modEx && c.err == nil {
		n := int(c.u8()) + 1
		if n == 256 {
			n = c.u16() + 1
		}
		data := c.take(n)
		b := c.u8()
		typ = b & 0x0F
		if b>>4 == timestampOffsetNano && len(data) >= 3 {
			nanos = min(uint32(data[0])<<16|uint32(data[1])<<8|uint32(data[2]), 999_999)
		}
	}
	return typ, nanos
}

// tracks finds track 0 in a multitrack packet: its FourCC and its body. The ids of
// the others go to p.
func (c *cursor) tracks(p *Packet, kind uint8, fourCC media.Codec) (media.Codec, []byte, bool) {
	for len(c.b) > 0 {
		cc := fourCC
		if kind == manyTracksManyCodecs {
			cc = c.fourCC()
		}
		id := c.u8()
		body := c.b
		if kind != oneTrack {
			body = c.take(c.u24())
		} else {
			c.b = nil
		}
		if c.err != nil {
			return "", nil, false
		}
		if id == 0 {
			fourCC, p.Body, p.What = cc, body, Frame
		} else if len(p.Others) < MaxOthers {
			p.Others = append(p.Others, id)
		}
	}
	found := p.What == Frame
	p.What = Nothing
	return fourCC, p.Body, found && c.err == nil
}

func unsupported(kind, name string) error {
	return fmt.Errorf("%s comes as %s: %w", kind, name, ErrCodec)
}

// track reads what stands before an enhanced packet's body, in audio and video alike:
// the packet type and codec of the one track that is taken. multitrack is the packet
// type that announces several; found is false when none of them is to be taken.
func (c *cursor) track(p *Packet, typ, multitrack uint8) (inner uint8, fourCC media.Codec, found bool, err error) {
	if typ != multitrack {
		fourCC = c.fourCC()
		return typ, fourCC, c.err == nil, c.err
	}
	k := c.u8()
	kind, inner := k>>4, k&0x0F
	if kind > manyTracksManyCodecs || inner == multitrack {
		return inner, "", false, fmt.Errorf("multitrack of type %d, packet type %d: %w", kind, inner, ErrForm)
	}
	if kind != manyTracksManyCodecs {
		fourCC = c.fourCC()
	}
	cc, body, found := c.tracks(p, kind, fourCC)
	if !found || c.err != nil {
		return inner, "", false, c.err
	}
	c.b = body
	return inner, cc, true, nil
}
