package ffmpeg

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// Progress is how far a run is, as ffmpeg's -progress tells it. What it did not tell,
// or not in the form that is known, is zero.
type Progress struct {
	Frames     int64         // pictures that went out
	OutTime    time.Duration // media time of what went out, of the first output
	Bytes      int64         // written to the first output
	Speed      float64       // media time by wall time, since the start; 1 is real time
	Dropped    int64         // pictures left out to keep the output's frame rate
	Duplicated int64         // pictures shown again for the same reason
	End        bool          // nothing comes after it
}

// maxProgressLine bounds a line of -progress, in bytes.
const maxProgressLine = 4096

// ReadProgress hands on what -progress writes, block by block, until r ends. Its error
// is r's, or that of a line of more than 4 KiB.
func ReadProgress(r io.Reader, each func(Progress)) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 512), maxProgressLine)
	var p Progress
	for lines.Scan() {
		if p.take(lines.Text()) {
			each(p)
			p = Progress{}
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read ffmpeg's progress: %w", err)
	}
	return nil
}

// take reads one line, and reports whether it was a block's last.
func (p *Progress) take(line string) bool {
	key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
	value = strings.TrimSpace(value)
	switch key {
	case "frame":
		p.Frames = count(value)
	case "out_time_us":
		p.OutTime = time.Duration(min(count(value), math.MaxInt64/int64(time.Microsecond))) * time.Microsecond
	case "total_size":
		p.Bytes = count(value)
	case "speed":
		p.Speed = factor(value)
	case "drop_frames":
		p.Dropped = count(value)
	case "dup_frames":
		p.Duplicated = count(value)
	case "progress":
		p.End = value == "end"
		return true
	}
	return false
}

// count reads a number that is not negative; before the first packet ffmpeg writes N/A,
// or the least number that there is.
func count(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return max(n, 0)
}

// factor reads 1.02x.
func factor(s string) float64 {
	f, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(s, "x")), 64)
	if err != nil || f < 0 || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0
	}
	return f
}
