package mpegts_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/media"
	"github.com/shoalcast/shoal/ingest/mpegts"
)

var usual = spec{codecs: avc + " " + aac}

const (
	videoPID = 0x100 // ffmpeg's
	audioPID = 0x101
)

func packetsOf(ts []byte) [][]byte { return slices.Collect(slices.Chunk(ts, packetSize)) }

func pidOf(p []byte) int { return int(p[1]&0x1f)<<8 | int(p[2]) }

// nth is the index of the n-th packet of a PID.
func nth(t *testing.T, ps [][]byte, pid, n int) int {
	t.Helper()
	for i, p := range ps {
		if pidOf(p) == pid {
			if n--; n < 0 {
				return i
			}
		}
	}
	t.Fatalf("PID %#x has too few packets", pid)
	return 0
}

// intact checks that whatever arrived is as the encoder made it, and at its time: what
// was lost in between moves neither track against the other.
func intact(t interface{ Errorf(string, ...any) }, c clip, r *recorder) {
	for _, k := range []media.Kind{media.Video, media.Audio} {
		at := map[string]int64{}
		packets := of(c.packet, k.String())
		for i, p := range of(c.source, k.String()) {
			at[p.Hash] = packets[i].PTS
		}
		for i, u := range r.of(k) {
			pts, ok := at[hash(u.Data)]
			if !ok {
				t.Errorf("%s %d at %d is not what the encoder made", k, i, u.PTS)
				return
			}
			if d := int64(u.PTS) - pts; d < -2 || d > 2 {
				t.Errorf("%s at %d was moved by %d ticks", k, u.PTS, d)
				return
			}
		}
	}
}

// A lost packet of video costs the pictures up to the next keyframe, and no sound.
func TestLossInVideo(t *testing.T) {
	t.Parallel()
	c := usual.make(t)
	damage := map[string]func(ps [][]byte, i int) [][]byte{
		"a packet is lost":    func(ps [][]byte, i int) [][]byte { return slices.Delete(ps, i, i+1) },
		"a packet is damaged": func(ps [][]byte, i int) [][]byte { ps[i][1] |= 0x80; return ps },
	}
	for name, f := range damage {
		t.Run(name, func(t *testing.T) {
			ps := packetsOf(bytes.Clone(c.ts))
			i := nth(t, ps, videoPID, 150)
			if ps[i][1]&0x40 != 0 {
				i = nth(t, ps, videoPID, 151)
			}
			var r recorder
			demux(t, r.options(), bytes.Join(f(ps, i), nil), 1316)
			intact(t, c, &r)
			if got, want := len(r.of(media.Audio)), len(of(c.source, "audio")); got != want {
				t.Errorf("%d frames of sound, want all %d", got, want)
			}
			video := r.of(media.Video)
			missing := len(of(c.source, "video")) - len(video)
			if missing < 1 || missing > 25 {
				t.Errorf("%d pictures are missing: want those from the loss to the next keyframe", missing)
			}
			for i, u := range video[1:] {
				if u.DTS-video[i].DTS > event.Timescale/25+2 && !u.Key {
					t.Errorf("pictures go on at %d, which is no keyframe", u.DTS)
				}
			}
			if len(r.told(mpegts.Discontinuity)) != 1 {
				t.Errorf("warnings %v: want one of a discontinuity", r.warnings)
			}
		})
	}
}

// A lost packet of sound costs the frames that it was part of.
func TestLossInAudio(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]spec{"ADTS": usual, "Opus": {codecs: avc + " -c:a libopus -b:a 64k -ac 2"}} {
		t.Run(name, func(t *testing.T) {
			c := s.make(t)
			ps := packetsOf(c.ts)
			i := nth(t, ps, audioPID, 100)
			var r recorder
			demux(t, r.options(), bytes.Join(slices.Delete(slices.Clone(ps), i, i+1), nil), 1316)
			intact(t, c, &r)
			if got, want := len(r.of(media.Video)), len(of(c.source, "video")); got != want {
				t.Errorf("%d pictures, want all %d", got, want)
			}
			if missing := len(of(c.source, "audio")) - len(r.of(media.Audio)); missing < 1 || missing > 10 {
				t.Errorf("%d frames of sound are missing", missing)
			}
		})
	}
}

// Whatever packets are lost, marked as damaged or sent twice, what arrives is whole,
// and at its time.
func TestAnyLoss(t *testing.T) {
	t.Parallel()
	c := usual.make(t)
	rapid.Check(t, func(t *rapid.T) {
		var out []byte
		random := rand.New(rand.NewPCG(1, rapid.Uint64().Draw(t, "seed")))
		rate := rapid.SampledFrom([]int{3, 30, 300}).Draw(t, "one in")
		run := rapid.SampledFrom([]int{1, 2, 15, 16, 17, 40}).Draw(t, "run")
		lost := 0
		missing := map[int]int{} // of a PID, since its last packet
		ps := packetsOf(c.ts)
		for i, p := range ps {
			pid := pidOf(p)
			// The counter cannot show sixteen lost packets: it is seventeen, then.
			if lost > 0 || missing[pid] > 0 && missing[pid]%16 == 0 {
				lost = max(0, lost-1)
				missing[pid] += int(p[3] >> 4 & 1)
				continue
			}
			damage := random.IntN(rate * 3)
			if i > len(ps)-100 { // a loss that nothing follows cannot be seen
				damage = -1
			}
			switch damage {
			case 0:
				lost = run - 1
				missing[pid] += int(p[3] >> 4 & 1)
				continue
			case 1:
				p = bytes.Clone(p)
				p[1] |= 0x80
				missing[pid] += int(p[3] >> 4 & 1)
				out = append(out, p...)
				continue
			case 2:
				out = append(out, p...)
			}
			if p[3]&0x10 != 0 {
				missing[pid] = 0
			}
			out = append(out, p...)
		}
		var r recorder
		d := mpegts.New(r.options())
		if _, err := d.Write(out); err != nil {
			t.Fatal(err)
		}
		if err := d.Flush(); err != nil {
			t.Fatal(err)
		}
		intact(t, c, &r)
	})
}

// Every packet sent twice is as if it were sent once.
func TestDuplicates(t *testing.T) {
	t.Parallel()
	c := usual.make(t)
	var twice []byte
	for _, p := range packetsOf(c.ts) {
		twice = append(append(twice, p...), p...)
	}
	var r recorder
	demux(t, r.options(), twice, 1316)
	intact(t, c, &r)
	if len(r.units) != len(c.source) || len(r.warnings) > 0 {
		t.Errorf("%d access units, want %d; warnings %v", len(r.units), len(c.source), r.warnings)
	}
}

// Bytes between packets are passed over, and cost nothing else.
func TestLostSync(t *testing.T) {
	t.Parallel()
	c := usual.make(t)
	ps := packetsOf(c.ts)
	garbage := append(bytes.Repeat([]byte{1, 0x47, 2}, 77), 0x47)
	var r recorder
	demux(t, r.options(), slices.Concat(garbage, bytes.Join(ps[:100], nil), garbage, bytes.Join(ps[100:], nil)), 1000)
	intact(t, c, &r)
	if len(r.units) != len(c.source) || len(r.told(mpegts.LostSync)) == 0 {
		t.Errorf("%d access units, want %d; warnings %v", len(r.units), len(c.source), r.warnings)
	}
}

// An encoder that starts anew with another codec, size and PIDs is followed.
func TestTracksChange(t *testing.T) {
	t.Parallel()
	first := usual.make(t)
	second := spec{codecs: hevc + " -c:a libopus -ac 2", mux: "-mpegts_start_pid 0x200 -mpegts_pmt_start_pid 0x900"}.make(t)
	larger := spec{source: "-f lavfi -i testsrc2=size=640x360:rate=25 " + testSound, codecs: avc + " " + aac}.make(t)
	var r recorder
	demux(t, r.options(), slices.Concat(first.ts, second.ts, larger.ts), 1316)
	var codecs []string
	for _, c := range r.configs {
		codecs = append(codecs, string(c.Codec))
	}
	if got := strings.Join(codecs, " "); got != "avc1 mp4a hvc1 Opus avc1 mp4a" && got != "avc1 mp4a Opus hvc1 avc1 mp4a" {
		t.Errorf("configurations %s", got)
	}
	want := len(first.source) + len(second.source) + len(larger.source)
	if got := len(r.units); got != want {
		t.Errorf("%d access units, want %d", got, want)
	}
}

// Parameters that change on the same PID are told before the keyframe that has them.
func TestParametersChange(t *testing.T) {
	t.Parallel()
	first := spec{source: testPicture, codecs: avc}.make(t)
	second := spec{source: "-f lavfi -i testsrc2=size=640x360:rate=25", codecs: avc}.make(t)
	var r recorder
	demux(t, r.options(), slices.Concat(first.ts, second.ts), 0)
	if len(r.configs) != 2 {
		t.Fatalf("%d configurations, want 2", len(r.configs))
	}
	if missing := len(first.source) + len(second.source) - len(r.units); missing > 1 { // the one that was open
		t.Errorf("%d pictures are missing", missing)
	}
}

// Codecs that are not carried are named once, and the picture goes on.
func TestOtherTracksAreNamed(t *testing.T) {
	t.Parallel()
	for codec, says := range map[string]string{"ac3": "AC-3", "mp2": "MPEG audio"} {
		c := spec{codecs: avc + " -c:a " + codec}.make(t)
		var r recorder
		demux(t, r.options(), c.ts, 1316)
		if w := r.told(mpegts.Unsupported); len(w) != 1 || !strings.Contains(w[0], says) || len(r.warnings) != 1 {
			t.Errorf("%s: warnings %v", codec, r.warnings)
		}
		if got, want := len(r.units), len(of(c.source, "video")); got != want {
			t.Errorf("%s: %d pictures, want %d", codec, got, want)
		}
	}
	var m muxer
	m.pat(0, [2]uint16{1, 0x100})
	for v := range byte(4) {
		m.pmt(
			0x100, 1, v,
			stream{0x06, 0x201, "\x56\x05eng\x09\x00"}, stream{0x86, 0x202, ""}, stream{0x06, 0x203, ""},
			stream{0x06, 0x204, "\x6a\x01\x00"}, stream{0x15, 0x205, ""}, stream{0x7e, 0x206, ""},
		)
	}
	var r recorder
	demux(t, r.options(), m.out, 0)
	said := strings.Join(r.told(mpegts.Unsupported), "; ")
	for _, name := range []string{"teletext", "SCTE 35", "private data", "AC-3", "metadata", "0x7e"} {
		if strings.Count(said, name) != 1 {
			t.Errorf("%q is not named once: %s", name, said)
		}
	}
}

// Of several programs the first with video is taken, or the one that was asked for.
func TestPrograms(t *testing.T) {
	t.Parallel()
	c := usual.make(t)
	frame := func() []byte {
		return append([]byte{0xff, 0xf1, 0x4c, 0x80, 1<<5>>3 | 1, 0x1f, 0xfc}, make([]byte, 64)...)
	}()
	size := len(frame)
	frame[3], frame[4], frame[5] = 0x80|byte(size>>11), byte(size>>3), byte(size<<5)|0x1f
	var m muxer
	m.pat(1, [2]uint16{7, 0x700}, [2]uint16{1, 0x1000}, [2]uint16{9, 0x900})
	m.pmt(0x900, 9, 0, stream{0x0f, 0x901, ""})
	m.pmt(0x700, 7, 0, stream{0x0f, 0x701, ""})
	for i := range event.Ticks(20) {
		m.pes(0x701, 0xc0, 1920*i, 1920*i, frame)
		m.pes(0x901, 0xc0, 1920*i, 1920*i, frame)
	}
	var ours []byte
	for _, p := range packetsOf(c.ts) {
		if pidOf(p) != 0 {
			ours = append(ours, p...)
		}
	}
	for program, want := range map[uint16]int{0: len(c.source), 1: len(c.source), 9: 20} {
		var r recorder
		o := r.options()
		o.Program = program
		// Ours first: its table must be waited for no longer than others'.
		demux(t, o, slices.Concat(m.out[:3*packetSize], ours, m.out[3*packetSize:]), 1316)
		if len(r.units) != want {
			t.Errorf("program %d: %d access units, want %d; %v", program, len(r.units), want, r.warnings)
		}
	}
	var r recorder
	o := r.options()
	o.Program = 5
	demux(t, o, m.out, 0)
	if len(r.units) != 0 || len(r.told(mpegts.NoProgram)) != 1 {
		t.Errorf("a program that is not there: %d access units, warnings %v", len(r.units), r.warnings)
	}
}

// Scrambled packets are refused, not taken for media.
func TestScrambled(t *testing.T) {
	t.Parallel()
	c := usual.make(t)
	ts := bytes.Clone(c.ts)
	for _, p := range packetsOf(ts) {
		if pidOf(p) == videoPID {
			p[3] |= 0x80
		}
	}
	var r recorder
	demux(t, r.options(), ts, 1316)
	if len(r.of(media.Video)) != 0 || len(r.told(mpegts.Scrambled)) != 1 {
		t.Errorf("%d pictures, warnings %v", len(r.of(media.Video)), r.warnings)
	}
	if got, want := len(r.of(media.Audio)), len(of(c.source, "audio")); got != want {
		t.Errorf("%d frames of sound, want %d", got, want)
	}
}

// held is how much the heap grew while f ran, garbage left out.
func held(f func()) int64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f()
	runtime.GC()
	runtime.ReadMemStats(&after)
	return int64(after.HeapAlloc) - int64(before.HeapAlloc)
}

// Without tables nothing is kept, and somebody is told.
func TestNoTables(t *testing.T) { //nolint:paralleltest // it measures the heap
	var m muxer
	m.packets(0x100, make([]byte, 8<<20))
	var r recorder
	d := mpegts.New(r.options())
	if n := held(func() { _, _ = d.Write(m.out) }); n > 1<<20 {
		t.Errorf("%d bytes are kept", n)
	}
	if len(r.told(mpegts.NoTables)) != 1 {
		t.Errorf("warnings %v", r.warnings)
	}
	_ = d.Flush()
}

// A PES packet that does not end is dropped, and the stream goes on after it.
func TestEndlessPES(t *testing.T) { //nolint:paralleltest // it measures the heap
	c := usual.make(t)
	ps := packetsOf(c.ts)
	i := nth(t, ps, videoPID, 150)
	p := bytes.Clone(ps[i])
	p[1] &^= 0x40
	p[3] = 0x10
	out := slices.Concat(ps[:i]...)
	for k := range 100_000 {
		p[3] = 0x10 | byte(int(ps[i][3]&15)+k)&15
		out = append(out, p...)
	}
	out = append(out, slices.Concat(ps[i:]...)...)
	var r recorder
	d := mpegts.New(r.options())
	if n := held(func() { _, _ = d.Write(out) }); n > 24<<20 {
		t.Errorf("%d bytes are kept", n)
	}
	_ = d.Flush()
	intact(t, c, &r)
	if len(r.told(mpegts.TooLarge)) == 0 || len(r.of(media.Video)) < 50 {
		t.Errorf("%d pictures, warnings %v", len(r.of(media.Video)), r.warnings)
	}
}

// Any flipped bits and bytes leave the demuxer running, within its memory, and the
// stream's end is as it should be once they stop.
func TestFlippedBits(t *testing.T) {
	t.Parallel()
	c := usual.make(t)
	rapid.Check(t, func(t *rapid.T) {
		random := rand.New(rand.NewPCG(2, rapid.Uint64().Draw(t, "seed")))
		every := rapid.SampledFrom([]int{50, 1000, 20_000}).Draw(t, "one in")
		ts := bytes.Clone(c.ts)
		for i := random.IntN(every); i < len(ts); i += 1 + random.IntN(2*every) {
			ts[i] ^= 1 << random.IntN(8)
		}
		var r recorder
		d := mpegts.New(r.options())
		for p := range slices.Chunk(append(ts, c.ts...), 1316) {
			if _, err := d.Write(p); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.Flush(); err != nil {
			t.Fatal(err)
		}
		if n := len(of(c.source, "video")); len(r.of(media.Video)) < n-25 {
			t.Errorf("%d pictures, though %d came undamaged at the end", len(r.of(media.Video)), n)
		}
		if len(r.warnings) > 300 {
			t.Errorf("%d warnings", len(r.warnings))
		}
	})
}

// A Sink that fails ends the stream.
func TestSinkFails(t *testing.T) {
	t.Parallel()
	c := usual.make(t)
	r := recorder{fail: errors.New("the disk is full")}
	d := mpegts.New(r.options())
	if _, err := d.Write(c.ts); !errors.Is(err, r.fail) {
		t.Errorf("Write: %v", err)
	}
	if _, err := d.Write(c.ts); !errors.Is(err, r.fail) {
		t.Errorf("the next Write: %v", err)
	}
	if len(r.configs)+len(r.units) != 1 {
		t.Errorf("the Sink was called %d times", len(r.configs)+len(r.units))
	}
}
