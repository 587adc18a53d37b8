package mpegts_test

import (
	"testing"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/fmp4"
	"github.com/shoalcast/shoal/ingest/media"
	"github.com/shoalcast/shoal/ingest/mpegts"
	"github.com/shoalcast/shoal/internal/mediatest"
)

const hevc = "-c:v libx265 -preset ultrafast -x265-params log-level=none:info=0:keyint=25:bframes=3"

var streams = []struct {
	name   string
	spec   spec
	codecs []media.Codec
}{
	{"H.264 with B-frames and AAC", spec{codecs: avc + " " + aac}, []media.Codec{media.H264, media.AAC}},
	{"H.264 with open GOPs", spec{codecs: avc + " -x264-params open-gop=1 " + aac}, []media.Codec{media.H264, media.AAC}},
	{"H.264 with slices", spec{codecs: avc + " -x264-params slices=4 " + aac}, []media.Codec{media.H264, media.AAC}},
	{"HEVC and AAC", spec{codecs: hevc + " " + aac}, []media.Codec{media.HEVC, media.AAC}},
	{"HEVC with open GOPs", spec{codecs: hevc + ":open-gop=1 " + aac}, []media.Codec{media.HEVC, media.AAC}},
	{"AAC in LATM", spec{codecs: avc + " " + aac, mux: "-mpegts_flags latm"}, []media.Codec{media.H264, media.AAC}},
	{"Opus", spec{codecs: avc + " -c:a libopus -b:a 64k -ac 2"}, []media.Codec{media.H264, media.Opus}},
	{"AAC at 44.1 kHz", spec{source: testPicture + " -f lavfi -i sine=sample_rate=44100", codecs: avc + " -c:a aac -ac 1"}, []media.Codec{media.H264, media.AAC}},
	{"one AAC frame in a PES packet", spec{codecs: avc + " " + aac, mux: "-pes_payload_size 0"}, []media.Codec{media.H264, media.AAC}},
	{"AAC alone", spec{source: testSound, codecs: aac}, []media.Codec{media.AAC}},
	{"video alone", spec{source: testPicture, codecs: avc}, []media.Codec{media.H264}},
	{"large pictures", spec{source: "-f lavfi -i testsrc2=size=1920x1080:rate=25", codecs: "-c:v libx264 -preset ultrafast -qp 1 -g 5", seconds: "0.4"}, []media.Codec{media.H264}},
	{"stated PES lengths", spec{codecs: avc + " " + aac, mux: "-omit_video_pes_length 0"}, []media.Codec{media.H264, media.AAC}},
	{"clock that wraps", spec{codecs: avc + " " + aac, mux: "-output_ts_offset 95442"}, []media.Codec{media.H264, media.AAC}},
}

// What encoders made comes out of a transport stream as it went in: every access unit,
// with its bytes, times and keyframes, wherever the bytes were cut.
func TestStreams(t *testing.T) {
	t.Parallel()
	for _, s := range streams {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			c := s.spec.make(t)
			for _, size := range []int{0, 1316, 1000, 1} {
				var r recorder
				demux(t, r.options(), c.ts, size)
				for _, w := range r.warnings {
					t.Errorf("unexpected warning %s: %s", w.Code, w.Message)
				}
				if len(r.configs) != len(s.codecs) {
					t.Fatalf("%d configurations, want those of %v", len(r.configs), s.codecs)
				}
				for _, k := range []media.Kind{media.Video, media.Audio} {
					compare(t, r.of(k), of(c.source, k.String()), of(c.packet, k.String()), k)
				}
				if t.Failed() {
					t.Fatalf("in pieces of %d bytes", size)
				}
			}
		})
	}
}

func compare(t *testing.T, got []media.AccessUnit, source, packets []packet, k media.Kind) {
	t.Helper()
	if len(got) != len(source) {
		t.Errorf("%d access units of %s, want %d", len(got), k, len(source))
		return
	}
	var from int64
	for i, u := range got {
		if hash(u.Data) != source[i].Hash {
			t.Errorf("%s %d has other bytes than the encoder made", k, i)
			return
		}
		if u.Arrived != start {
			t.Errorf("%s %d arrived at %v", k, i, u.Arrived)
			return
		}
		if len(packets) != len(got) { // LATM: ffprobe may cut it otherwise
			continue
		}
		p := packets[i]
		if i == 0 {
			from = int64(u.DTS) - p.DTS
		}
		if d, e := int64(u.DTS)-p.DTS-from, int64(u.PTS)-p.PTS-from; d < -2 || d > 2 || e < -2 || e > 2 {
			t.Errorf("%s %d is at %d, %d; ffprobe says %d, %d", k, i, u.DTS, u.PTS, p.DTS, p.PTS)
			return
		}
		if key := p.Flags[0] == 'K'; u.Key != key {
			t.Errorf("%s %d: key is %v, ffprobe says %v", k, i, u.Key, key)
			return
		}
	}
	if len(got) > 0 && from%(1<<33) != 0 {
		t.Errorf("the %s clock is off by %v", k, event.Ticks(from).Duration())
	}
}

// Pieces cut from a transport stream decode whole.
func TestPieces(t *testing.T) {
	t.Parallel()
	for _, s := range streams {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			c := s.spec.make(t)
			k := chunks{t: t, c: fmp4.New(fmp4.Options{Warn: func(w fmp4.Warning) { t.Errorf("the chunker warns: %s", w.Message) }})}
			demux(t, mpegts.Options{Sink: &k}, c.ts, 1316)
			k.out = append(k.out, k.c.Flush()...)
			parts := [][]byte{k.out[0].Init.Data}
			for _, p := range k.out {
				parts = append(parts, p.Data)
			}
			path := mediatest.File(t, parts...)
			mediatest.Decode(t, path)
			if got, want := mediatest.Frames(t, path), len(of(c.source, "video")); got != want {
				t.Errorf("%d pictures decode, want %d", got, want)
			}
		})
	}
}

// chunks is a Sink that cuts pieces.
type chunks struct {
	t   testing.TB
	c   *fmp4.Chunker
	out []fmp4.Chunk
}

func (k *chunks) Config(c media.Config) error { return k.c.Config(c) }

func (k *chunks) Push(u media.AccessUnit) error {
	u.Arrived = start.Add(u.DTS.Duration() % time.Hour)
	out, err := k.c.Push(u)
	k.out = append(k.out, out...)
	return err
}
