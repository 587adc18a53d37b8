package peer

import (
	"encoding/binary"
	"testing"
)

func box(kind string, body ...[]byte) []byte {
	b := append(make([]byte, 4), kind...)
	for _, part := range body {
		b = append(b, part...)
	}
	binary.BigEndian.PutUint32(b, uint32(len(b)))
	return b
}

func sampleEntry(kind string, header int, boxes ...[]byte) []byte {
	body := make([]byte, header)
	if header == visualEntry {
		binary.BigEndian.PutUint16(body[visualSize:], 1920)
		binary.BigEndian.PutUint16(body[visualSize+2:], 1080)
	}
	return box(kind, append([][]byte{body}, boxes...)...)
}

func initOf(entries ...[]byte) []byte {
	var traks []byte
	for _, e := range entries {
		stsd := box("stsd", make([]byte, entriesHeader), e)
		traks = append(traks, box("trak", box("mdia", box("minf", box("stbl", stsd))))...)
	}
	return append(box("ftyp", []byte("iso6")), box("moov", traks)...)
}

// esdsOf is an esds as encoders write it, with sizes of one byte or of four.
func esdsOf(long bool, object byte, specific ...byte) []byte {
	d := func(tag byte, body ...byte) []byte {
		if long {
			return append([]byte{tag, 0x80, 0x80, 0x80, byte(len(body))}, body...)
		}
		return append([]byte{tag, byte(len(body))}, body...)
	}
	config := append([]byte{object, 0x15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, d(decoderSpecific, specific...)...)
	return box("esds", make([]byte, 4), d(esDescriptor, append([]byte{0, 1, 0}, d(decoderDescriptor, config...)...)...))
}

func TestPlaylistsNameTheCodecsOfAnInitSegment(t *testing.T) {
	avc := sampleEntry("avc1", visualEntry, box("pasp", make([]byte, 8)), box("avcC", []byte{1, 0x64, 0, 0x28, 0xff}))
	for want, entries := range map[string][][]byte{
		"avc1.640028,mp4a.40.2": {avc, sampleEntry("mp4a", audioEntry, esdsOf(false, 0x40, 0x12, 0x10))},
		"avc1.640028,mp4a.40.5": {avc, sampleEntry("mp4a", audioEntry, esdsOf(true, 0x40, 0x2b, 0x10))},
		"mp4a.40.42":            {sampleEntry("mp4a", audioEntry, esdsOf(true, 0x40, 0xf9, 0x40))},
		"hvc1.1.6.L93.B0":       {sampleEntry("hvc1", visualEntry, box("hvcC", []byte{1, 1, 0x60, 0, 0, 0, 0xb0, 0, 0, 0, 0, 0, 93}))},
		"hev1.A2.4.H120":        {sampleEntry("hev1", visualEntry, box("hvcC", []byte{1, 0x62, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 120}))},
		"av01.0.04M.10,opus":    {sampleEntry("av01", visualEntry, box("av1C", []byte{0x81, 0x04, 0x40, 0})), sampleEntry("Opus", audioEntry, box("dOps"))},
		"av01.2.13H.12":         {sampleEntry("av01", visualEntry, box("av1C", []byte{0x81, 0x4d, 0xe0, 0}))},
		"":                      {avc, sampleEntry("vp09", visualEntry, box("vpcC", make([]byte, 12)))},
	} {
		d, err := describe(initOf(entries...))
		if err != nil || d.codecs != want {
			t.Errorf("%q, %v, want %q", d.codecs, err, want)
		}
		if picture := string(entries[0][4:8]) != "mp4a"; picture && (d.width != 1920 || d.height != 1080) {
			t.Errorf("%s is %d×%d", want, d.width, d.height)
		}
	}
	for _, bad := range [][]byte{initOf(box("avc1", make([]byte, 70))), initOf(sampleEntry("avc1", visualEntry, box("avcC", []byte{1})))} {
		if d, err := describe(bad); err == nil || d != (description{}) {
			t.Errorf("a short sample entry is %+v", d)
		}
	}
}

// Whatever an init segment holds, describing it is harmless, and puts nothing into a
// playlist that could end a line or a quoted string.
func FuzzDescribe(f *testing.F) {
	f.Add(initOf(sampleEntry("avc1", visualEntry, box("avcC", []byte{1, 0x64, 0, 0x28}))))
	f.Add(initOf(sampleEntry("mp4a", audioEntry, esdsOf(true, 0x40, 0xf9, 0x40))))
	f.Add(initOf(sampleEntry("hvc1", visualEntry, box("hvcC", []byte{1, 1, 0x60, 0, 0, 0, 0xb0, 0, 0, 0, 0, 0, 93}))))
	f.Add(initOf(sampleEntry("av01", visualEntry, box("av1C", []byte{0x81, 0x04, 0x40, 0}))))
	f.Fuzz(func(t *testing.T, init []byte) {
		d, err := describe(init)
		if err != nil && d != (description{}) {
			t.Errorf("%+v beside %v", d, err)
		}
		for _, r := range d.codecs {
			if r <= ' ' || r == '"' || r > '~' {
				t.Fatalf("codecs %q", d.codecs)
			}
		}
	})
}

func FuzzParseLink(f *testing.F) {
	f.Add("http://127.0.0.1:8080/live/cam#aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
	f.Add("magnet:?xt=urn:btih:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa&x.sid=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa&xs=http%3A%2F%2Fa%2Flive%2Fcam")
	f.Fuzz(func(t *testing.T, s string) {
		l, err := ParseLink(s)
		if err == nil && l.Location == nil && l.Magnet == nil {
			t.Errorf("%q leads nowhere", s)
		}
		if err == nil && l.Magnet != nil && l.Location != nil && l.Location.ID != l.Magnet.Stream {
			t.Errorf("%q leads to two streams", s)
		}
	})
}
