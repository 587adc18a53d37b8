package rtmp_test

import (
	"bytes"
	"context"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/media"
	"github.com/shoalcast/shoal/ingest/rtmp"
	"github.com/shoalcast/shoal/internal/rtmptest"
)

// publishWithFFmpeg runs ffmpeg to its end and returns what it printed.
func publishWithFFmpeg(t *testing.T, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "ffmpeg", append([]string{"-hide_banner", "-nostdin", "-loglevel", "verbose"}, args...)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// A person publishes with ffmpeg: everything it sent arrives, in order, with its times.
func TestFFmpegPublishes(t *testing.T) {
	t.Parallel()
	h := open(t, rtmp.Limits{})
	out, err := publishWithFFmpeg(t,
		"-f", "lavfi", "-i", "testsrc=size=640x360:rate=30:duration=4", "-f", "lavfi", "-i", "sine=sample_rate=48000:duration=4",
		"-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-bf", "2", "-g", "60", "-c:a", "aac", "-ac", "2",
		"-f", "flv", h.publishURL("camera"))
	if err != nil {
		t.Fatalf("ffmpeg: %v\n%s", err, out)
	}
	r := h.next()
	if err := r.wait(t); err != nil {
		t.Errorf("the publish ended with %v, not as the publisher wanted", err)
	}
	if r.request.App != "live" || r.request.Name != "camera" || !strings.Contains(r.request.Encoder, "Lavf") {
		t.Errorf("request %+v", r.request)
	}
	if len(r.configs) != 2 || r.configs[0].Codec != media.H264 || r.configs[1].Codec != media.AAC {
		t.Fatalf("configurations %v", r.configs)
	}
	if m := r.metadata; len(m) == 0 || m[0].Width != 640 || m[0].Height != 360 || m[0].FrameRate != 30 {
		t.Errorf("metadata %+v", m)
	}
	video, audio := r.of(media.Video), r.of(media.Audio)
	if n := muxed(t, out, "video"); len(video) != n || n != 120 {
		t.Errorf("%d frames arrived, ffmpeg sent %d of 120", len(video), n)
	}
	if n := muxed(t, out, "audio"); len(audio) != n {
		t.Errorf("%d audio frames arrived, ffmpeg sent %d", len(audio), n)
	}
	checkTimes(t, video, event.Timescale/30)
	checkTimes(t, audio, 1024*event.Timescale/48000)
	reordered := 0
	for i, u := range video {
		if u.Key != (i%60 == 0) {
			t.Errorf("frame %d: key is %v", i, u.Key)
		}
		if u.PTS != u.DTS {
			reordered++
		}
	}
	if reordered == 0 {
		t.Error("no frame has a composition time, though the encoder used B-frames")
	}
}

// muxed reads how many packets of a kind ffmpeg says it muxed.
func muxed(t *testing.T, out, kind string) int {
	t.Helper()
	m := regexp.MustCompile(`(?s)Output stream #0:\d+ \(` + kind + `\):.*?(\d+) packets muxed`).FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("ffmpeg does not say how many %s packets it sent:\n%s", kind, out)
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

// checkTimes checks that decoding times rise by about step, and that data arrived.
func checkTimes(t *testing.T, us []media.AccessUnit, step event.Ticks) {
	t.Helper()
	for i, u := range us {
		if len(u.Data) == 0 || u.Arrived.IsZero() {
			t.Fatalf("%s %d has no data or no time of arrival", u.Kind, i)
		}
		if i == 0 {
			continue
		}
		if d := u.DTS - us[i-1].DTS; d < step-90 || d > step+90 {
			t.Errorf("%s %d comes %d ticks after the one before, not %d", u.Kind, i, d, step)
		}
		if u.Arrived.Before(us[i-1].Arrived) {
			t.Errorf("%s %d arrived before its predecessor", u.Kind, i)
		}
	}
}

// Whoever may not publish reads why, in ffmpeg's output, and ffmpeg's exit code says
// that it failed.
func TestFFmpegIsRefused(t *testing.T) {
	t.Parallel()
	h := open(t, rtmp.Limits{})
	first := dial(t, h.publishURL("taken"), rtmptest.Options{})
	t.Cleanup(func() { _ = first.Close() })
	for _, tt := range []struct{ name, url, reason string }{
		{"wrong key", h.url + "/camera?key=guess", "The publish key of camera is wrong"},
		{"no key", h.url + "/camera", "The publish key of camera is wrong"},
		{"somebody publishes already", h.publishURL("taken"), "Somebody already publishes taken"},
		{"the server has a fault", h.publishURL("broken"), "a fault of its own"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, err := publishWithFFmpeg(t, "-re", "-f", "lavfi", "-i", "testsrc=size=160x90:rate=10:duration=30",
				"-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-f", "flv", tt.url)
			if err == nil || !strings.Contains(out, tt.reason) {
				t.Errorf("ffmpeg ended with %v; it must fail and say %q:\n%s", err, tt.reason, out)
			}
			if strings.Contains(out, "/var/lib") {
				t.Error("the publisher reads what only the operator should")
			}
		})
	}
	eventually(t, "the log names the fault", func() bool { return strings.Contains(h.log.String(), "permission denied") })
}
