package mpegts_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/media"
)

// Frames of sound may lie across PES packets: each has its own time, which is that of
// the first frame that begins in a PES packet, or follows from the one before.
func TestFramesAcrossPES(t *testing.T) {
	t.Parallel()
	const frames, length, step = 60, 100, 1920
	var es []byte
	for i := range byte(frames) {
		es = append(es, 0xff, 0xf1, 0x4c, 0x80|length>>11, length>>3&0xff, length<<5&0xff|0x1f, 0xfc, i)
		es = append(es, bytes.Repeat([]byte{0x21}, length-8)...)
	}
	for _, size := range []int{30, 99, 100, 101, 250, 999} {
		var m muxer
		m.pat(0, [2]uint16{1, 0x1000})
		m.pmt(0x1000, 1, 0, stream{0x0f, 0x100, ""})
		at := 0
		for p := range slices.Chunk(es, size) {
			first := event.Ticks((at + length - 1) / length) // that begins here
			m.pes(0x100, 0xc0, first*step, first*step, p)
			at += len(p)
		}
		var r recorder
		demux(t, r.options(), m.out, 0)
		if len(r.units) != frames || len(r.warnings) > 0 {
			t.Fatalf("in PES packets of %d bytes: %d frames, want %d; %v", size, len(r.units), frames, r.warnings)
		}
		for i, u := range r.units {
			if u.PTS != event.Ticks(i)*step || u.Data[0] != byte(i) || len(u.Data) != length-7 {
				t.Fatalf("in PES packets of %d bytes: frame %d is at %d, with %d bytes", size, i, u.PTS, len(u.Data))
			}
		}
	}
}

// A picture that is too large for a stated length goes on in PES packets without times.
func TestPictureAcrossPES(t *testing.T) {
	t.Parallel()
	var m muxer
	m.pat(0, [2]uint16{1, 0x1000})
	m.pmt(0x1000, 1, 0, stream{0x1b, 0x100, ""})
	picture := append([]byte("\x00\x00\x01\x67\x42\xc0\x0a\xda\x0f\x0a\x69\xa8\x08\x08\x0a\x00\x00\x01\x68\xce\x3c\x80\x00\x00\x01\x65"), bytes.Repeat([]byte{0x88}, 150_000)...)
	for i := range event.Ticks(3) {
		m.pes(0x100, 0xe0, i*3600, i*3600, picture[:65_000])
		for p := range slices.Chunk(picture[65_000:], 65_000) {
			n := 3 + len(p)
			m.packets(0x100, append([]byte{0, 0, 1, 0xe0, byte(n >> 8), byte(n), 0x80, 0, 0}, p...))
		}
	}
	var r recorder
	demux(t, r.options(), m.out, 1316)
	if len(r.units) != 3 || len(r.warnings) > 0 {
		t.Fatalf("%d pictures, want 3; %v", len(r.units), r.warnings)
	}
	for i, u := range r.units {
		if len(u.Data) != 4+150_001 || u.DTS != event.Ticks(i)*3600 {
			t.Errorf("picture %d at %d has %d bytes", i, u.DTS, len(u.Data))
		}
	}
}

// Where pictures go on at a keyframe with an open GOP, those shown before it are
// dropped: they refer to what was lost.
func TestLeadingPicturesAreDropped(t *testing.T) {
	t.Parallel()
	for name, codec := range map[string]string{"H.264": avc + " -x264-params open-gop=1 ", "HEVC": hevc + ":open-gop=1 "} {
		c := spec{codecs: codec + aac}.make(t)
		ps := packetsOf(c.ts)
		n := 0
		for _, p := range ps {
			if pidOf(p) == videoPID {
				n++
			}
		}
		i := nth(t, ps, videoPID, n*3/8)
		var r recorder
		demux(t, r.options(), bytes.Join(slices.Delete(slices.Clone(ps), i, i+1), nil), 0)
		video := r.of(media.Video)
		if missing := len(of(c.source, "video")) - len(video); missing < 2 || missing > 30 {
			t.Errorf("%s: %d pictures are missing", name, missing)
		}
		resumed, leading := -1, 0
		for k := 1; k < len(video); k++ {
			if video[k].Key && video[k].DTS-video[k-1].DTS > 3700 {
				resumed = k
			}
			if resumed >= 0 && k > resumed && k < resumed+8 && video[k].PTS < video[resumed].PTS {
				leading++
			}
		}
		if resumed < 0 || leading > 0 {
			t.Errorf("%s: pictures go on at %d, with %d that come before it", name, resumed, leading)
		}
	}
}
