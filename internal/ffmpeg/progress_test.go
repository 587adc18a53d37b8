package ffmpeg

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

const twoBlocks = `frame=0
fps=0.00
bitrate=N/A
total_size=N/A
out_time_us=-9223372036854775807
dup_frames=0
drop_frames=0
speed=N/A
progress=continue
frame=50
fps=25.01
stream_0_0_q=-1.0
bitrate= 773.1kbits/s
total_size=193277
out_time_us=2000000
out_time_ms=2000000
out_time=00:00:02.000000
dup_frames=3
drop_frames=1
speed=1.01x
progress=end
`

func TestProgressIsReadBlockByBlock(t *testing.T) {
	t.Parallel()
	var got []Progress
	if err := ReadProgress(strings.NewReader(twoBlocks+"frame=51\n"), func(p Progress) { got = append(got, p) }); err != nil {
		t.Fatal(err)
	}
	want := []Progress{{}, {Frames: 50, OutTime: 2 * time.Second, Bytes: 193277, Speed: 1.01, Dropped: 1, Duplicated: 3, End: true}}
	if !slices.Equal(got, want) {
		t.Errorf("it says %+v", got)
	}
	if err := ReadProgress(strings.NewReader(strings.Repeat("x", maxProgressLine+1)), func(Progress) {}); err == nil {
		t.Error("a line without an end is no error")
	}
}

func FuzzProgress(f *testing.F) {
	f.Add(twoBlocks)
	f.Add("out_time_us=9223372036854775807\nspeed=NaNx\nprogress=end")
	f.Add("frame\n=\nspeed=1e999x\r\nprogress=\n")
	f.Fuzz(func(t *testing.T, s string) {
		blocks := 0
		_ = ReadProgress(strings.NewReader(s), func(p Progress) {
			blocks++
			if p.Frames < 0 || p.OutTime < 0 || p.Bytes < 0 || p.Dropped < 0 || p.Duplicated < 0 || !(p.Speed >= 0) || math.IsInf(p.Speed, 0) {
				t.Errorf("progress of %+v", p)
			}
		})
		if most := strings.Count(s, "progress"); blocks > most {
			t.Errorf("%d blocks of %d", blocks, most)
		}
	})
}
