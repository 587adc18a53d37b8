package fmp4_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/fmp4"
	"github.com/shoalcast/shoal/internal/mediatest"
)

type boxTrack struct {
	ID, Timescale, Width, Height, Channels int
	Rate                                   int
	Codec                                  string
	Samples                                [][5]int64 // decode time, presentation time, duration, size, sync
}

type boxReport struct {
	Problems, Unread, Boxes []string
	Tracks                  []boxTrack
}

// inspect lets mp4box read a file.
func inspect(t testing.TB, path string) boxReport {
	t.Helper()
	module, err := filepath.Abs("../../web/node_modules/mp4box/dist/mp4box.all.mjs")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(module); err != nil {
		t.Fatal("npm's mp4box is not installed in web/node_modules: run `make setup`")
	}
	out, err := exec.Command("node", "testdata/inspect.mjs", module, path).Output()
	if err != nil {
		t.Fatalf("mp4box: %v: %s", err, out)
	}
	var r boxReport
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("read mp4box's report: %v", err)
	}
	return r
}

// compareBoxes checks mp4box's view of a file against what went in.
func compareBoxes(t testing.TB, r boxReport, c mediatest.Clip, init *fmp4.Init) {
	t.Helper()
	if len(r.Problems)+len(r.Unread) > 0 {
		t.Errorf("mp4box finds problems %q, boxes it cannot read %q", r.Problems, r.Unread)
	}
	for i, kind := range r.Boxes {
		want := [...]string{"ftyp", "moov", "moof", "mdat"}[min(i, 2+i%2)]
		if kind != want {
			t.Fatalf("box %d is %s, want %s", i, kind, want)
		}
	}
	zero := epochZero(c)
	codecs, n := "", 0
	for _, tr := range []*mediatest.Track{c.Video, c.Audio} {
		if tr == nil {
			continue
		}
		if n >= len(r.Tracks) {
			t.Fatalf("mp4box finds %d tracks", len(r.Tracks))
		}
		got := r.Tracks[n]
		if n++; n > 1 {
			codecs += ","
		}
		codecs += got.Codec
		if len(got.Samples) != len(tr.Units) {
			t.Errorf("track %d has %d samples, want %d", got.ID, len(got.Samples), len(tr.Units))
			continue
		}
		for i, s := range got.Samples {
			u := tr.Units[i]
			if int(s[3]) != len(u.Data) || (s[4] == 1) != u.Key {
				t.Errorf("track %d, sample %d: %d bytes, sync %d; want %d, %t", got.ID, i, s[3], s[4], len(u.Data), u.Key)
				break
			}
			at := event.Ticks(s[1] * event.Timescale / int64(got.Timescale))
			if d := at - (u.PTS - zero); d < -3*90 || d > 3*90 {
				t.Errorf("track %d, sample %d is shown at %d, want %d", got.ID, i, at, u.PTS-zero)
				break
			}
			if i > 0 && (s[0] <= got.Samples[i-1][0] || s[2] <= 0) {
				t.Errorf("track %d, sample %d: decode time %d after %d, duration %d", got.ID, i, s[0], got.Samples[i-1][0], s[2])
				break
			}
		}
	}
	if !strings.EqualFold(codecs, init.Codecs) {
		t.Errorf("mp4box calls the codecs %q, we %q", codecs, init.Codecs)
	}
}

// epochZero is the publisher's time from which an epoch that begins with the clip
// counts.
func epochZero(c mediatest.Clip) event.Ticks {
	switch {
	case c.Video == nil:
		return c.Audio.Units[0].PTS
	case c.Audio == nil:
		return c.Video.Units[0].DTS
	}
	return min(c.Video.Units[0].DTS, c.Audio.Units[0].PTS)
}
