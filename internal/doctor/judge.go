package doctor

import (
	"fmt"
	"strings"
	"time"
)

// Bounds between fine, poor and not enough.
const (
	fewBytes    = 1 << 30      // free space that a few streams fill within the hour
	someBytes   = 10 << 30     // free space to be at ease with
	slowRate    = 20 << 20     // bytes a second: 20 streams of 4 Mbps, twice over
	slowSync    = 50 * 1e6     // ns: an entry is synced before it is published, five times a second
	deadlySync  = 200 * 1e6    // ns: a piece's whole length
	fewFiles    = 1024         // open files: a viewer takes one
	enoughFiles = 8192         // open files
	mib         = float64(1e6) // as disks are sold
	gib         = float64(1e9)
)

// encoders that the demonstration and the tests need.
var encoders = []string{"libx264", "aac"}

func judgeSpace(free uint64, path string) Check {
	c := Check{Name: "disk space", What: fmt.Sprintf("%.1f GB free at %s", float64(free)/gib, path)}
	switch {
	case free < fewBytes:
		c.Status, c.Do = Fail, "free some space, or choose another disk with --data: a full disk refuses publishers"
	case free < someBytes:
		c.Status, c.Do = Warn, "keep an eye on it, or choose another disk with --data: a full disk refuses publishers"
	}
	return c
}

// judgeSpeed judges sequential bytes a second and the median time of a small synced write.
func judgeSpeed(rate float64, sync time.Duration, path string) Check {
	c := Check{Name: "disk speed", What: fmt.Sprintf("%.0f MB/s written, %.1f ms for a synced write at %s", rate/mib, sync.Seconds()*1e3, path)}
	switch {
	case sync >= deadlySync:
		c.Status, c.Do = Fail, "choose a faster disk with --data: each piece waits for such a write, and the next comes before it ends"
	case sync >= slowSync:
		c.Status, c.Do = Warn, "choose a faster disk with --data: each piece waits for such a write before anybody may see it"
	case rate < slowRate:
		c.Status, c.Do = Warn, "choose a faster disk with --data: every stream's bytes are written to it"
	}
	return c
}

func judgeFiles(limit uint64) Check {
	c := Check{Name: "open files", What: fmt.Sprintf("at most %d at once", limit)}
	const do = "raise it (ulimit -n 65536, or LimitNOFILE= in the systemd unit): every viewer takes one"
	switch {
	case limit < fewFiles:
		c.Status, c.Do = Fail, do
	case limit < enoughFiles:
		c.Status, c.Do = Warn, do
	}
	return c
}

// clockState is what is known of the clock.
type clockState int

const (
	unknown clockState = iota
	synced
	unsynced
)

func judgeClock(s clockState, now time.Time, build time.Time) Check {
	c := Check{Name: "clock", What: now.UTC().Format("2006-01-02 15:04:05 UTC")}
	const do = "start a time service, such as systemd-timesyncd or chrony: signatures carry the time, and delays are measured by it"
	switch {
	case now.Before(build):
		c.Status, c.What, c.Do = Fail, c.What+", which is in the past", do
	case s == unsynced:
		c.Status, c.What, c.Do = Warn, c.What+", not synchronized", do
	case s == unknown:
		c.What += "; this system does not say whether it is synchronized"
	default:
		c.What += ", synchronized"
	}
	return c
}

// judgeFFmpeg judges the output of ffmpeg -version and ffmpeg -encoders.
func judgeFFmpeg(version, list string) Check {
	first, _, _ := strings.Cut(version, "\n")
	first, _, _ = strings.Cut(first, " Copyright")
	c := Check{Name: "ffmpeg", What: strings.TrimSpace(first)}
	have := map[string]bool{}
	for line := range strings.Lines(list) {
		if f := strings.Fields(line); len(f) >= 2 {
			have[f[1]] = true
		}
	}
	var missing []string
	for _, e := range encoders {
		if !have[e] {
			missing = append(missing, e)
		}
	}
	if len(missing) > 0 {
		c.Status = Warn
		c.What += ", without " + strings.Join(missing, " and ")
		c.Do = "install a fuller one (Debian: apt install ffmpeg); the demonstration and the tests encode with it, Shoal itself does not need it"
	}
	return c
}
