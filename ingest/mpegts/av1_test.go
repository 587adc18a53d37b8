package mpegts_test

import (
	"bytes"
	"testing"

	"github.com/shoalcast/shoal/ingest/media"
	"github.com/shoalcast/shoal/internal/mediatest"
)

const av1Descriptors = "\x05\x04AV01\x80\x04\x81\x00\x0c\x00"

// startCodes writes OBUs as transport streams have them: with or without their sizes.
func startCodes(t *testing.T, obus []byte, sized bool) []byte {
	t.Helper()
	out := []byte{0, 0, 1, 0x12, 0} // a temporal delimiter
	for len(obus) > 0 {
		head, at := obus[0], 1
		if head&4 != 0 {
			at++
		}
		from, size := at, 0
		for k := 0; ; k++ {
			c := obus[at]
			at++
			size |= int(c&0x7f) << (7 * k)
			if c&0x80 == 0 {
				break
			}
		}
		unit := bytes.Clone(obus[:at+size])
		if !sized {
			unit = append(bytes.Clone(obus[:from]), obus[at:at+size]...)
			unit[0] &^= 2
		}
		out = append(out, 0, 0, 1)
		zeros := 0
		for _, c := range unit {
			if zeros >= 2 && c <= 3 {
				out, zeros = append(out, 3), 0
			}
			if c == 0 {
				zeros++
			} else {
				zeros = 0
			}
			out = append(out, c)
		}
		obus = obus[at+size:]
	}
	return out
}

// AV1 comes out as ffmpeg has it in MP4, what the record says included.
func TestAV1(t *testing.T) {
	t.Parallel()
	for name, video := range map[string]string{
		"8 bits":  "-c:v libsvtav1 -preset 12 -g 25",
		"10 bits": "-c:v libsvtav1 -preset 12 -g 25 -pix_fmt yuv420p10le -color_primaries bt709 -color_trc bt709 -colorspace bt709",
		"4:4:4":   "-c:v libaom-av1 -cpu-used 8 -usage realtime -g 25 -pix_fmt yuv444p",
	} {
		c := mediatest.Make(t, mediatest.Spec{Video: video, Seconds: 2})
		for _, sized := range []bool{true, false} {
			var m muxer
			m.pat(0, [2]uint16{1, 0x1000})
			m.pmt(0x1000, 1, 0, stream{0x06, 0x100, av1Descriptors})
			for _, u := range c.Video.Units {
				m.pes(0x100, 0xbd, u.DTS+90000, u.PTS+90000, startCodes(t, u.Data, sized))
			}
			var r recorder
			demux(t, r.options(), m.out, 1316)
			if len(r.warnings) > 0 || len(r.configs) != 1 || len(r.units) != len(c.Video.Units) {
				t.Fatalf("%s: %d configurations, %d pictures of %d, warnings %v", name, len(r.configs), len(r.units), len(c.Video.Units), r.warnings)
			}
			// SVT-AV1 describes itself otherwise in its global header than in the stream,
			// so the sequence header is the stream's.
			got, want := r.configs[0], c.Video.Config.Record
			if got.Codec != media.AV1 || !bytes.Equal(got.Record[:4], want[:4]) || !bytes.HasPrefix(c.Video.Units[0].Data, got.Record[4:]) {
				t.Errorf("%s: record %x, ffmpeg makes %x", name, got.Record, want)
			}
			for i, u := range r.units {
				w := c.Video.Units[i]
				if u.Key != w.Key || u.DTS != w.DTS+90000 || u.PTS != w.PTS+90000 {
					t.Fatalf("%s: picture %d is %v %d %d, want %v %d %d", name, i, u.Key, u.DTS, u.PTS, w.Key, w.DTS, w.PTS)
				}
				if !bytes.Equal(u.Data, w.Data) {
					t.Fatalf("%s: picture %d has other bytes", name, i)
				}
			}
		}
	}
}
