package codec

import (
	"encoding/binary"
	"errors"
	"fmt"
	mathbits "math/bits"
	"strings"
)

// parseHEVC reads an HEVCDecoderConfigurationRecord (ISO/IEC 14496-15 clause 8.3.3).
func parseHEVC(i *Info) error {
	b := i.Record
	if len(b) < 23 {
		return errShort
	}
	if b[0] != 1 {
		return fmt.Errorf("version %d", b[0])
	}
	if b[21]&3 == 2 {
		return errors.New("NAL unit lengths of 3 bytes")
	}
	i.String = hevcString(b)
	var sps []byte
	seen := map[byte]bool{}
	rest := b[23:]
	for range b[22] {
		if len(rest) < 3 {
			return errShort
		}
		kind, n := rest[0]&63, int(binary.BigEndian.Uint16(rest[1:]))
		rest = rest[3:]
		for range n {
			nal, tail, err := lengthPrefixed(rest)
			if err != nil {
				return err
			}
			if kind == 33 && sps == nil {
				sps = nal
			}
			seen[kind] = true
			rest = tail
		}
	}
	if !seen[32] || !seen[33] || !seen[34] {
		return errors.New("it lacks a video, sequence or picture parameter set")
	}
	if len(sps) < 4 || sps[0]>>1&63 != 33 {
		return errors.New("no sequence parameter set where one must be")
	}
	if err := parseHEVCSPS(i, unescape(sps[2:])); err != nil {
		return fmt.Errorf("sequence parameter set: %w", err)
	}
	return checkPicture(i)
}

// hevcString names the profile as ISO/IEC 14496-15 annex E.3 says.
func hevcString(b []byte) string {
	var s strings.Builder
	s.WriteString("hvc1.")
	if space := b[1] >> 6; space != 0 {
		s.WriteByte('A' + space - 1)
	}
	tier := byte('L')
	if b[1]&0x20 != 0 {
		tier = 'H'
	}
	compat := mathbits.Reverse32(binary.BigEndian.Uint32(b[2:]))
	fmt.Fprintf(&s, "%d.%X.%c%d", b[1]&31, compat, tier, b[12])
	constraints := b[6:12]
	for len(constraints) > 0 && constraints[len(constraints)-1] == 0 {
		constraints = constraints[:len(constraints)-1]
	}
	for _, c := range constraints {
		fmt.Fprintf(&s, ".%X", c)
	}
	return s.String()
}
