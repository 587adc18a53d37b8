package fmp4

import (
	"github.com/shoalcast/shoal/ingest/fmp4/codec"
	"github.com/shoalcast/shoal/ingest/media"
)

// silence returns a frame of the track's codec that decodes to nothing, nil where
// none is known.
func silence(info *codec.Info) []byte {
	if info.Codec == media.Opus {
		if info.Channels > 2 {
			return nil
		}
		return []byte{opusQuiet, 0xff, 0xfe}
	}
	switch info.Channels {
	case 1:
		return aacQuietMono
	case 2:
		return aacQuietStereo
	}
	return nil
}

// opusQuiet begins a packet of one mono frame of 20 ms, full-band CELT (RFC 6716
// section 3.1); decoders make it as many channels as the stream has.
const opusQuiet = 31 << 3

// An AAC frame without spectral data (ISO/IEC 14496-3 clause 4.4.2.1): an element's
// header, global gain 0, a long window with max_sfb 0, no tools, and the end mark.
var (
	// SCE: id 000 tag 0000, gain 00000000, reserved 0, long window 00, shape 0,
	// max_sfb 000000, no prediction, pulse, TNS or gain control 0 0 0 0; END 111.
	aacQuietMono = []byte{0x00, 0x00, 0x00, 0x07}
	// CPE: id 001 tag 0000, common window 1, reserved 0, long window 00, shape 0,
	// max_sfb 000000, no prediction 0, no mid/side 00; twice gain 00000000 and no
	// pulse, TNS or gain control 000; END 111.
	aacQuietStereo = []byte{0x21, 0x00, 0x00, 0x00, 0x00, 0x1c}
)
