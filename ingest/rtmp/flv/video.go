package flv

import (
	"fmt"
	"strconv"

	"github.com/shoalcast/shoal/ingest/media"
)

// Frame types (E-RTMP v2, VideoFrameType).
const (
	frameKey          = 1
	frameGeneratedKey = 4
	frameCommand      = 5
)

// Packet types of enhanced video (VideoPacketType).
const (
	videoSequenceStart   = 0
	videoCodedFrames     = 1
	videoSequenceEnd     = 2
	videoCodedFramesX    = 3
	videoMetadata        = 4
	videoMPEG2TSSequence = 5
	videoMultitrack      = 6
)

const codecAVC = 7

// ParseVideo reads a video message. An empty one carries nothing. Body and the lists
// alias b.
func ParseVideo(b []byte) (Packet, error) {
	if len(b) == 0 {
		return Packet{}, nil
	}
	c := &cursor{b: b}
	first := c.u8()
	var p Packet
	var err error
	if first&0x80 == 0 {
		err = c.legacyVideo(&p, first)
	} else {
		err = c.exVideo(&p, first)
	}
	if err == nil {
		err = c.err
	}
	if err != nil {
		return Packet{}, fmt.Errorf("read video tag: %w", err)
	}
	return p, nil
}

func isKey(frameType uint8) bool { return frameType == frameKey || frameType == frameGeneratedKey }

func (c *cursor) legacyVideo(p *Packet, first uint8) error {
	frameType, codec := first>>4, first&0x0F
	if frameType == frameCommand {
		return nil
	}
	if codec != codecAVC {
		return unsupported("video", "FLV codec "+strconv.Itoa(int(codec)))
	}
	p.Codec = media.H264
	switch typ := c.u8(); typ {
	case 0:
		c.u24()
		p.set(Config, c.b)
	case 1:
		p.Composition = c.s24()
		p.Key = isKey(frameType)
		p.set(Frame, c.b)
	case 2:
		p.What = End
	default:
		return fmt.Errorf("AVC packet of type %d: %w", typ, ErrForm)
	}
	return nil
}

// set gives the packet its body; an empty one is nothing to pass on.
func (p *Packet) set(w What, body []byte) {
	p.Body = body
	if p.What = w; len(body) == 0 {
		p.What = Nothing
	}
}

func (c *cursor) exVideo(p *Packet, first uint8) error {
	frameType := first >> 4 & 7
	typ, nanos := c.modEx(first & 0x0F)
	p.Nanos = nanos
	if frameType == frameCommand && typ != videoMetadata {
		return nil // a command, no picture
	}
	typ, fourCC, found, err := c.track(p, typ, videoMultitrack)
	if err != nil || !found {
		return err
	}
	p.Key = isKey(frameType)
	return c.exVideoBody(p, typ, fourCC)
}

func (c *cursor) exVideoBody(p *Packet, typ uint8, fourCC media.Codec) error {
	switch fourCC {
	case media.H264, media.HEVC, media.AV1:
		p.Codec = fourCC
	default:
		return unsupported("video", strconv.Quote(string(fourCC)))
	}
	p.Body = nil
	switch typ {
	case videoSequenceStart:
		p.set(Config, c.b)
	case videoCodedFrames:
		if p.Codec != media.AV1 { // AV1 has no composition time
			p.Composition = c.s24()
		}
		p.setFrame(c.b)
	case videoCodedFramesX:
		p.setFrame(c.b)
	case videoSequenceEnd:
		p.What = End
	case videoMetadata:
		// HDR details: they are in the bitstream too.
	case videoMPEG2TSSequence:
		return fmt.Errorf("video starts with an MPEG-2 TS descriptor: %w", ErrForm)
	default:
		return fmt.Errorf("video packet of type %d: %w", typ, ErrForm)
	}
	return nil
}

func (p *Packet) setFrame(body []byte) {
	if p.Codec == media.AV1 {
		body = withoutDelimiter(body)
	}
	p.set(Frame, body)
}

// withoutDelimiter drops a temporal delimiter OBU from the front of a temporal unit,
// the only place for it (AV1 section 7.5): MP4 leaves it out.
func withoutDelimiter(b []byte) []byte {
	const delimiter, extension, hasSize = 2, 4, 2
	if len(b) < 2 || b[0]>>3&0x0F != delimiter || b[0]&hasSize == 0 {
		return b
	}
	n := 1
	if b[0]&extension != 0 {
		n = 2
	}
	if len(b) <= n || b[n] != 0 { // its size: a delimiter is empty
		return b
	}
	return b[n+1:]
}
