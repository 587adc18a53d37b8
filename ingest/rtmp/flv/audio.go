package flv

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/shoalcast/shoal/ingest/media"
)

// Packet types of enhanced audio (AudioPacketType).
const (
	audioSequenceStart      = 0
	audioCodedFrames        = 1
	audioSequenceEnd        = 2
	audioMultichannelConfig = 4
	audioMultitrack         = 5
)

// Sound formats.
const (
	soundExHeader = 9
	soundAAC      = 10
)

// defaultOpusHead is what an empty Opus sequence start stands for: stereo at 48 kHz,
// mapping family 0 (RFC 7845 section 5.1).
var defaultOpusHead = []byte{
	'O', 'p', 'u', 's', 'H', 'e', 'a', 'd', 1, 2, 0, 0, 0x80, 0xBB, 0, 0, 0, 0, 0,
}

// ParseAudio reads an audio message. An empty one, RTMP's silence, carries nothing.
// Body aliases b.
func ParseAudio(b []byte) (Packet, error) {
	if len(b) == 0 {
		return Packet{}, nil
	}
	c := &cursor{b: b}
	first := c.u8()
	var p Packet
	var err error
	switch format := first >> 4; format {
	case soundAAC:
		err = c.legacyAAC(&p)
	case soundExHeader:
		err = c.exAudio(&p, first&0x0F)
	default:
		err = unsupported("audio", soundName(format))
	}
	if err == nil {
		err = c.err
	}
	if err != nil {
		return Packet{}, fmt.Errorf("read audio tag: %w", err)
	}
	return p, nil
}

func soundName(format uint8) string {
	switch format {
	case 2, 14:
		return "MP3"
	case 11:
		return "Speex"
	}
	return "FLV sound format " + strconv.Itoa(int(format))
}

func (c *cursor) legacyAAC(p *Packet) error {
	p.Codec, p.Key = media.AAC, true
	switch typ := c.u8(); typ {
	case 0:
		p.set(Config, c.b)
	case 1:
		p.set(Frame, c.b)
	default:
		return fmt.Errorf("AAC packet of type %d: %w", typ, ErrForm)
	}
	return nil
}

func (c *cursor) exAudio(p *Packet, typ uint8) error {
	typ, p.Nanos = c.modEx(typ)
	typ, fourCC, found, err := c.track(p, typ, audioMultitrack)
	if err != nil || !found {
		return err
	}
	p.Key = true
	return c.exAudioBody(p, typ, fourCC)
}

func (c *cursor) exAudioBody(p *Packet, typ uint8, fourCC media.Codec) error {
	switch fourCC {
	case media.AAC, media.Opus:
		p.Codec = fourCC
	default:
		return unsupported("audio", strconv.Quote(string(fourCC)))
	}
	p.Body = nil
	switch typ {
	case audioSequenceStart:
		p.set(Config, c.b)
		if p.What == Nothing && p.Codec == media.Opus {
			p.set(Config, bytes.Clone(defaultOpusHead)) // the receiver owns what it gets
		}
	case audioCodedFrames:
		p.set(Frame, c.b)
	case audioSequenceEnd:
		p.What = End
	case audioMultichannelConfig:
		// The order of speakers: AAC's and Opus's own configuration says it.
	default:
		return fmt.Errorf("audio packet of type %d: %w", typ, ErrForm)
	}
	return nil
}
