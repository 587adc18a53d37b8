package peer

import (
	"testing"
	"time"
)

// A line says what was given to others, and how fast since the line before.
func TestALineTellsWhatIsGiven(t *testing.T) {
	now, given := epochStart, int64(0)
	var lines []Line
	w := &watcher{
		options: Options{Now: func() time.Time { return now }, Stats: func(l Line) { lines = append(lines, l) }},
		began:   now, uploaded: func() int64 { return given },
	}
	for _, more := range []int64{100_000, 250_000, 0} {
		now, given = now.Add(2*time.Second), given+more
		w.report(Verified)
	}
	for i, want := range []Line{{Upload: 100_000, Up: 400_000}, {Upload: 350_000, Up: 1_000_000}, {Upload: 350_000}} {
		if got := lines[i]; got.Upload != want.Upload || got.Up != want.Up {
			t.Errorf("line %d: %d bytes, %d bit/s, want %+v", i, got.Upload, got.Up, want)
		}
	}
}
