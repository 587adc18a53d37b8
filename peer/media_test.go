package peer

import (
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/shoalcast/shoal/event"
)

// media is a file that ffmpeg made, cut at its moofs.
type media struct {
	init   []byte
	pieces []mediaPiece
}

type mediaPiece struct {
	data     []byte
	pts, dur event.Ticks
	key      bool
}

// small and large differ in their parameter sets, so one cannot follow the other; bframes are
// decoded in another order than shown.
var (
	small   = sync.OnceValues(func() (media, error) { return makeMedia("320x180", "-tune", "zerolatency") })
	large   = sync.OnceValues(func() (media, error) { return makeMedia("416x240", "-tune", "zerolatency") })
	bframes = sync.OnceValues(func() (media, error) { return makeMedia("320x180", "-bf", "3", "-x264-params", "b-adapt=0") })
)

func mustMedia(t *testing.T, make func() (media, error)) media {
	t.Helper()
	m, err := make()
	if err != nil {
		t.Fatalf("make media with ffmpeg: %v", err)
	}
	return m
}

// makeMedia encodes 20 s of 25 pictures a second, a keyframe each second, in pieces of
// about 200 ms.
func makeMedia(size string, encoder ...string) (media, error) {
	dir, err := os.MkdirTemp("", "shoal-peer")
	if err != nil {
		return media{}, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "m.mp4")
	args := append([]string{
		"-v", "error", "-f", "lavfi", "-i", "testsrc2=r=25:s=" + size,
		"-f", "lavfi", "-i", "sine=440:r=48000", "-t", "20", "-c:v", "libx264", "-preset", "ultrafast",
		"-g", "25", "-keyint_min", "25", "-sc_threshold", "0", "-pix_fmt", "yuv420p", "-c:a", "aac", "-ac", "2",
		"-movflags", "empty_moov+default_base_moof+frag_keyframe", "-frag_duration", "200000",
	}, encoder...)
	cmd := exec.Command("ffmpeg", append(args, file)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return media{}, &exec.Error{Name: string(out), Err: err}
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return media{}, err
	}
	var m media
	if err := eachBox(b, func(kind string, whole, _ []byte) error {
		switch kind {
		case "ftyp", "moov":
			m.init = append(m.init, whole...)
		case "moof":
			m.pieces = append(m.pieces, mediaPiece{data: append([]byte(nil), whole...)})
		case "mdat":
			p := &m.pieces[len(m.pieces)-1]
			p.data = append(p.data, whole...)
		}
		return nil
	}); err != nil {
		return media{}, err
	}
	tracks, err := readInit(m.init)
	if err != nil {
		return media{}, err
	}
	for i := range m.pieces {
		p := &m.pieces[i]
		fragments, err := readPiece(p.data, tracks)
		if err != nil {
			return media{}, err
		}
		scale := event.Ticks(tracks[fragments[0].track].timescale)
		p.pts = event.Ticks(fragments[0].start) * event.Timescale / scale
		p.dur = event.Ticks(fragments[0].span.decoded) * event.Timescale / scale
		if i > 0 {
			m.pieces[i-1].dur = p.pts - m.pieces[i-1].pts
		}
		at := strings.Index(string(p.data), "trun") // the first is the video's
		p.key = binary.BigEndian.Uint32(p.data[at+4:])&trunFirstFlags != 0
	}
	return m, nil
}

// mustPlay decodes a file with ffmpeg, which may not find a single fault in it, and
// returns how many pictures and seconds it has.
func mustPlay(t *testing.T, file string) (frames int, seconds float64) {
	t.Helper()
	out, err := exec.Command("ffmpeg", "-v", "error", "-xerror", "-i", file, "-f", "null", "-").CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Fatalf("ffmpeg does not play %s: %v\n%s", file, err, out)
	}
	out, err = exec.Command("ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "packet=pts_time,dts_time",
		"-of", "csv=p=0", file).CombinedOutput()
	if err != nil {
		t.Fatalf("ffprobe: %v\n%s", err, out)
	}
	first, last := -1.0, -1.0
	var shown []float64
	decoded := -1.0
	for line := range strings.Lines(string(out)) {
		times := strings.Split(strings.TrimSpace(line), ",")
		shown = append(shown, parseSeconds(t, times[0]))
		at := parseSeconds(t, times[1])
		if at <= decoded {
			t.Fatalf("%s: decode time goes from %f to %f", file, decoded, at)
		}
		decoded = at
	}
	slices.Sort(shown)
	for _, at := range shown {
		if at < last+0.039 {
			t.Fatalf("%s: a picture at %f, the next at %f", file, last, at)
		}
		if last = at; first < 0 {
			first = at
		}
		frames++
	}
	return frames, last - first + 0.04
}
