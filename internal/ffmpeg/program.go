package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"time"
)

// ErrMissing means that a program of ffmpeg's is not installed. It says what to do.
var ErrMissing = errors.New("ffmpeg is not installed (Debian: apt-get install ffmpeg)")

// answerTime bounds how long a program may take to say what it is.
const answerTime = 5 * time.Second

// Program is ffmpeg with ffprobe, as it stands on this machine.
type Program struct {
	ffmpeg, ffprobe string
}

// Find looks for both in PATH. Its error is ErrMissing.
func Find() (Program, error) {
	var p Program
	for name, path := range map[string]*string{"ffmpeg": &p.ffmpeg, "ffprobe": &p.ffprobe} {
		found, err := exec.LookPath(name)
		if err != nil {
			return Program{}, fmt.Errorf("%w: %s: %w", ErrMissing, name, err)
		}
		*path = found
	}
	return p, nil
}

// Version is which ffmpeg it is.
type Version struct {
	Text         string // as it says: "5.1.9-0+deb12u1", "n7.1", "N-118193-g5f38c82536"
	Major, Minor int    // both 0 when it was built from between two releases
}

// AtLeast reports whether what came with a release is there. Builds from between
// releases are taken for newer than all.
func (v Version) AtLeast(major, minor int) bool {
	return v.Major == 0 || v.Major > major || v.Major == major && v.Minor >= minor
}

// Version asks ffmpeg which it is.
func (p Program) Version(ctx context.Context) (Version, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	out, err := exec.CommandContext(ctx, p.ffmpeg, "-version").Output()
	if err != nil {
		return Version{}, fmt.Errorf("ask ffmpeg for its version: %w", err)
	}
	v, ok := parseVersion(string(out))
	if !ok {
		return Version{}, fmt.Errorf("ask ffmpeg for its version: it says %.80q", out)
	}
	return v, nil
}

var (
	versionLine = regexp.MustCompile(`^ffmpeg version (\S+)`)
	release     = regexp.MustCompile(`^n?(\d+)\.(\d+)`)
)

// parseVersion reads the first line of ffmpeg -version.
func parseVersion(out string) (Version, bool) {
	m := versionLine.FindStringSubmatch(out)
	if m == nil {
		return Version{}, false
	}
	v := Version{Text: m[1]}
	if r := release.FindStringSubmatch(v.Text); r != nil {
		v.Major, _ = strconv.Atoi(r[1])
		v.Minor, _ = strconv.Atoi(r[2])
	}
	return v, true
}
