package mpegts_test

import (
	"bytes"
	"testing"

	"github.com/shoalcast/shoal/ingest/media"
	"github.com/shoalcast/shoal/ingest/mpegts"
)

// small is a stream with one of every codec that is carried.
func small() []byte {
	var m muxer
	m.pat(0, [2]uint16{1, 0x100}, [2]uint16{2, 0x101})
	m.pmt(0x100, 1, 0, stream{0x1b, 0x200, ""}, stream{0x0f, 0x201, ""}, stream{0x06, 0x202, av1Descriptors})
	m.pmt(0x101, 2, 0, stream{0x24, 0x300, ""}, stream{0x06, 0x301, "\x05\x04Opus\x7f\x02\x80\x02"}, stream{0x11, 0x302, ""})
	m.pes(0x200, 0xe0, 90000, 93000, []byte("\x00\x00\x01\x67\x42\xc0\x0a\xda\x0f\x0a\x69\xa8\x08\x08\x0a\x00\x00\x01\x68\xce\x3c\x80\x00\x00\x01\x65\x88\x84"))
	m.pes(0x201, 0xc0, 90000, 90000, []byte("\xff\xf1\x4c\x80\x01\x3f\xfc\x01\x02\xff\xf1\x4c\x80\x01\x3f\xfc\x01\x02"))
	m.pes(0x301, 0xbd, 90000, 90000, []byte("\x7f\xe0\x03\xf8\xff\xfe"))
	m.pes(0x302, 0xc0, 90000, 90000, []byte("\x56\xe0\x0a\x20\x00\x11\x90\x03\xfc\x02\x01\x02\x00"))
	return m.out
}

// Any bytes are taken without a panic, and what comes of them is bounded by them.
func FuzzDemuxer(f *testing.F) {
	f.Add(small(), uint16(0), byte(0))
	f.Add(small(), uint16(2), byte(1))
	f.Fuzz(func(t *testing.T, b []byte, program uint16, cut byte) {
		var r recorder
		o := r.options()
		o.Program = program
		demux(t, o, b, int(cut))
		size := 0
		for _, u := range r.units {
			size += len(u.Data)
			if u.Kind == media.Audio && !u.Key || len(u.Data) == 0 {
				t.Errorf("a %s of %d bytes, key %v", u.Kind, len(u.Data), u.Key)
			}
		}
		if size > 4*len(b) {
			t.Errorf("%d bytes became %d of media", len(b), size)
		}
	})
}

// Tables with a good checksum may say anything.
func FuzzTable(f *testing.F) {
	f.Add([]byte("\xff\xff\xf0\x00\x1b\xe2\x00\xf0\x00"), false)
	f.Add([]byte("\xff\xff\xf0\x00\x06\xe2\x00\xf0\x0a\x05\x04Opus\x7f\x02\x80\x02"), false)
	f.Add([]byte("\x00\x01\xe1\x00\x00\x02\xe1\x00"), true)
	f.Fuzz(func(t *testing.T, b []byte, pat bool) {
		if len(b) > 1000 {
			return
		}
		var m muxer
		if pat {
			m.section(0, 0, 1, 0, b)
		} else {
			m.pat(0, [2]uint16{1, 0x100})
			m.section(0x100, 2, 1, 0, b)
		}
		m.out = append(m.out, small()...)
		var r recorder
		demux(t, r.options(), m.out, 0)
	})
}

// The body of a PES packet of any track may be anything.
func FuzzBody(f *testing.F) {
	for k := range byte(5) {
		f.Add(bytes.Repeat([]byte("\x00\x00\x01\x67\x42\xc0\x0a\xda\x0f\x0a\x69\xa8\x08\x08\x0a\x00\x00\x01\x68\xce\x3c\x80\x00\x00\x01\x65\x88\x84"), 2), k)
	}
	f.Add([]byte("\xff\xf1\x4c\x80\x01\x3f\xfc\x01\x02\xff\xf1\x4c\x80\x01\x3f\xfc\x01\x02"), byte(3))
	f.Add([]byte("\x56\xe0\x0a\x20\x00\x11\x90\x03\xfc\x02\x01\x02\x00"), byte(4))
	f.Add([]byte("\x7f\xe0\x03\xf8\xff\xfe"), byte(5))
	f.Fuzz(func(t *testing.T, b []byte, k byte) {
		streams := []stream{
			{0x1b, 0x200, ""},
			{0x24, 0x200, ""},
			{0x06, 0x200, av1Descriptors},
			{0x0f, 0x200, ""},
			{0x11, 0x200, ""},
			{0x06, 0x200, "\x05\x04Opus\x7f\x02\x80\x02"},
		}
		var m muxer
		m.pat(0, [2]uint16{1, 0x100})
		m.pmt(0x100, 1, 0, streams[int(k)%len(streams)])
		for i := range 3 {
			m.pes(0x200, 0xe0, 0, 0, b[i*len(b)/3:])
		}
		d := mpegts.New(mpegts.Options{Sink: &recorder{}})
		if _, err := d.Write(m.out); err != nil {
			t.Fatal(err)
		}
		if err := d.Flush(); err != nil {
			t.Fatal(err)
		}
	})
}
