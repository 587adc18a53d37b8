package codec

import (
	"encoding/binary"
	"errors"
	"fmt"
)

const opusMagic = "OpusHead"

// OpusRate is the clock of all Opus timestamps and of pre-skip (RFC 7845 section 4).
const OpusRate = 48_000

// parseOpus reads an OpusHead (RFC 7845 section 5.1) and makes it an
// OpusSpecificBox's content (Encapsulation of Opus in ISOBMFF, section 4.3.2): the
// same fields, big-endian and with a version of their own.
func parseOpus(i *Info) error {
	b := i.Record
	if len(b) < 19 {
		return errShort
	}
	if string(b[:8]) != opusMagic {
		return errors.New("it does not begin with OpusHead")
	}
	if b[8]&0xf0 != 0 {
		return fmt.Errorf("version %d", b[8])
	}
	channels, family := int(b[9]), b[18]
	if channels == 0 {
		return errors.New("no channels")
	}
	record := make([]byte, 11, 13+channels)
	record[1] = b[9]
	binary.BigEndian.PutUint16(record[2:], binary.LittleEndian.Uint16(b[10:]))
	binary.BigEndian.PutUint32(record[4:], binary.LittleEndian.Uint32(b[12:]))
	binary.BigEndian.PutUint16(record[8:], binary.LittleEndian.Uint16(b[16:]))
	record[10] = family
	if family == 0 {
		if channels > 2 {
			return fmt.Errorf("%d channels without a mapping", channels)
		}
	} else {
		if len(b) < 21+channels {
			return errShort
		}
		streams, coupled := int(b[19]), int(b[20])
		if streams == 0 || coupled > streams {
			return fmt.Errorf("%d coupled of %d streams", coupled, streams)
		}
		for _, m := range b[21 : 21+channels] {
			if m != 255 && int(m) >= streams+coupled {
				return errors.New("a channel of no stream")
			}
		}
		record = append(record, b[19:21+channels]...)
	}
	i.Record = record
	i.String = "opus"
	i.SampleRate, i.Timescale, i.Channels = OpusRate, OpusRate, channels
	return nil
}

// OpusSamples returns how long a packet plays, in samples at 48 kHz (RFC 6716 section
// 3.1): at most 5760, which is 120 ms.
func OpusSamples(packet []byte) (int, error) {
	if len(packet) == 0 {
		return 0, errors.New("read Opus packet: it is empty")
	}
	mode := int(packet[0] >> 3)
	var frame int
	switch {
	case mode < 12:
		frame = [4]int{480, 960, 1920, 2880}[mode&3]
	case mode < 16:
		frame = 480 << (mode & 1)
	default:
		frame = 120 << (mode & 3)
	}
	n := 1
	switch packet[0] & 3 {
	case 1, 2:
		n = 2
	case 3:
		if len(packet) < 2 {
			return 0, errors.New("read Opus packet: it ends before its frame count")
		}
		n = int(packet[1] & 63)
	}
	if n == 0 || n*frame > 5760 {
		return 0, fmt.Errorf("read Opus packet: %d frames of %d samples", n, frame)
	}
	return n * frame, nil
}
