package seeder

import (
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/shoalcast/shoal/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// film is 12 s of fragmented MP4 made by ffmpeg: 25 frames a second, a keyframe every
// second, a fragment every 200 ms.
type film struct {
	init   []byte
	pieces [][]byte
}

const (
	filmCodecs    = "avc1.42C01E,mp4a.40.2"
	pieceTicks    = event.Timescale / 5
	piecesASecond = 5
)

var shootOnce = sync.OnceValues(func() (film, error) {
	dir, err := os.MkdirTemp("", "shoal-seeder")
	if err != nil {
		return film{}, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "film.mp4")
	out, err := exec.Command("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=25",
		"-f", "lavfi", "-i", "sine=r=48000", "-t", "12",
		"-c:v", "libx264", "-preset", "ultrafast", "-profile:v", "baseline", "-level", "3.0", "-g", "25",
		"-keyint_min", "25", "-sc_threshold", "0", "-bf", "0", "-pix_fmt", "yuv420p", "-b:v", "300k",
		"-c:a", "aac", "-ac", "2", "-b:a", "64k", "-video_track_timescale", "90000",
		"-movflags", "empty_moov+default_base_moof+frag_keyframe", "-frag_duration", "200000", file).CombinedOutput()
	if err != nil {
		os.Stderr.Write(out)
		return film{}, err
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return film{}, err
	}
	var f film
	for at := 0; at < len(b); {
		size := int(binary.BigEndian.Uint32(b[at:]))
		box := b[at : at+size]
		switch string(box[4:8]) {
		case "ftyp", "moov":
			f.init = append(f.init, box...)
		case "moof":
			f.pieces = append(f.pieces, append([]byte(nil), box...))
		case "mdat":
			last := &f.pieces[len(f.pieces)-1]
			*last = append(*last, box...)
		}
		at += size
	}
	return f, nil
})

func shoot(t testing.TB) film {
	t.Helper()
	f, err := shootOnce()
	if err != nil {
		t.Fatalf("ffmpeg makes a film: %v", err)
	}
	if len(f.pieces) != 60 {
		t.Fatalf("the film has %d fragments, want 60", len(f.pieces))
	}
	return f
}

// eventually waits until ok holds.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}
