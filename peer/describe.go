package peer

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"
	"strings"
)

// description is what a playlist says of an init segment.
type description struct {
	codecs        string // RFC 6381; empty where one is not known
	width, height int
}

// Offsets in sample entries (ISO/IEC 14496-12 sections 8.5.2, 12.1.3 and 12.2.3).
const (
	visualSize    = 24 // width and height
	visualEntry   = 78 // where the boxes begin
	audioEntry    = 28
	entriesHeader = 8 // of stsd
)

// describe reads codecs and size of the picture from the sample descriptions of a
// verified init segment.
func describe(init []byte) (description, error) {
	var d description
	var codecs []string
	unknown := false
	var walk func(kind string, whole, body []byte) error
	walk = func(kind string, _, body []byte) error {
		switch kind {
		case "moov", "trak", "mdia", "minf", "stbl":
			return eachBox(body, walk)
		case "stsd":
			if len(body) < entriesHeader {
				return errBox
			}
			return eachBox(body[entriesHeader:], func(kind string, _, body []byte) error {
				codec, err := d.sample(kind, body)
				unknown = unknown || codec == ""
				if codecs = append(codecs, codec); len(codecs) > maxTracks {
					return fmt.Errorf("more than %d sample descriptions", maxTracks)
				}
				return err
			})
		}
		return nil
	}
	if err := eachBox(init, walk); err != nil {
		return description{}, fmt.Errorf("read sample descriptions: %w", err)
	}
	if !unknown {
		d.codecs = strings.Join(codecs, ",")
	}
	return d, nil
}

// sample reads one sample entry; the codec is empty when it is none of ours.
func (d *description) sample(kind string, body []byte) (codec string, err error) {
	at := visualEntry
	if kind == "mp4a" || kind == "Opus" {
		at = audioEntry
	}
	if len(body) < at {
		return "", errBox
	}
	if at == visualEntry {
		d.width = int(binary.BigEndian.Uint16(body[visualSize:]))
		d.height = int(binary.BigEndian.Uint16(body[visualSize+2:]))
	}
	if kind == "Opus" {
		return "opus", nil
	}
	err = eachBox(body[at:], func(box string, _, config []byte) error {
		switch kind + " " + box {
		case "avc1 avcC", "avc3 avcC":
			if len(config) < 4 {
				return errBox
			}
			codec = kind + "." + hex.EncodeToString(config[1:4])
		case "hvc1 hvcC", "hev1 hvcC":
			if len(config) < 13 {
				return errBox
			}
			codec = kind + hevc(config)
		case "av01 av1C":
			if len(config) < 4 {
				return errBox
			}
			codec = av1(config)
		case "mp4a esds":
			codec = aac(config)
		}
		return nil
	})
	return codec, err
}

// hevc writes the parameters of an hvcC (ISO/IEC 14496-15 annex E).
func hevc(config []byte) string {
	space := []string{"", "A", "B", "C"}[config[1]>>6]
	tier := "L"
	if config[1]&0x20 != 0 {
		tier = "H"
	}
	out := fmt.Sprintf(".%s%d.%X.%s%d", space, config[1]&0x1f, bits.Reverse32(binary.BigEndian.Uint32(config[2:])), tier, config[12])
	constraints := config[6:12]
	for len(constraints) > 0 && constraints[len(constraints)-1] == 0 {
		constraints = constraints[:len(constraints)-1]
	}
	for _, c := range constraints {
		out += fmt.Sprintf(".%X", c)
	}
	return out
}

// av1 writes profile, level, tier and depth of an av1C (AV1 in ISOBMFF section 5).
func av1(config []byte) string {
	tier, depth := "M", 8
	if config[2]&0x80 != 0 {
		tier = "H"
	}
	switch {
	case config[2]&0x60 == 0x60:
		depth = 12
	case config[2]&0x40 != 0:
		depth = 10
	}
	return fmt.Sprintf("av01.%d.%02d%s.%02d", config[1]>>5, config[1]&0x1f, tier, depth)
}

// Tags of the descriptors in an esds (ISO/IEC 14496-1 section 7.2.2).
const (
	esDescriptor      = 3
	decoderDescriptor = 4
	decoderSpecific   = 5
)

// aac writes the object types of an esds; empty when it is not what encoders write.
func aac(esds []byte) string {
	const optional = 0xe0 // flags of an ES_Descriptor that put fields before the next
	es, ok := descriptor(esds[min(4, len(esds)):], esDescriptor)
	if !ok || len(es) < 3 || es[2]&optional != 0 {
		return ""
	}
	config, ok := descriptor(es[3:], decoderDescriptor)
	if !ok || len(config) < 13 {
		return ""
	}
	info, ok := descriptor(config[13:], decoderSpecific)
	if !ok || len(info) < 2 {
		return ""
	}
	object := int(info[0] >> 3)
	if object == 31 { // an escape
		object = 32 + int(info[0]&7)<<3 + int(info[1]>>5)
	}
	return fmt.Sprintf("mp4a.%02x.%d", config[0], object)
}

// descriptor returns the body of a descriptor that b begins with, if its tag is that.
func descriptor(b []byte, tag byte) ([]byte, bool) {
	if len(b) == 0 || b[0] != tag {
		return nil, false
	}
	size := 0
	for i, c := range b[1:min(5, len(b))] {
		size = size<<7 | int(c&0x7f)
		if c&0x80 == 0 {
			body := b[i+2:]
			return body[:min(size, len(body))], true
		}
	}
	return nil, false
}
