package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/media"
	"github.com/shoalcast/shoal/internal/rtmptest"
)

// publishLoop publishes an encoding in real time until the test ends.
func publishLoop(t *testing.T, url string, e rtmptest.Encoding, o rtmptest.PublishOptions) {
	t.Helper()
	clip, err := rtmptest.Encode(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	loop, err := rtmptest.NewLoop(clip)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- loop.Publish(ctx, url, o) }()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
}

func TestEnhancedRTMPCodecsAreCarriedAndDecodeInFFmpeg(t *testing.T) {
	t.Parallel()
	i := up(t)
	for _, c := range []struct {
		name         string
		video, audio media.Codec
		want         []string
	}{
		{"hevc-opus", media.HEVC, media.Opus, []string{"hevc,320,180", "opus,48000"}},
		{"av1-aac", media.AV1, media.AAC, []string{"av1,320,180", "aac,48000"}},
		{"sound", "", media.Opus, []string{"opus,48000"}},
		{"picture", media.H264, "", []string{"h264,320,180"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := i.addStream(c.name)
			publishLoop(t, s.RTMP, rtmptest.Encoding{Video: c.video, Audio: c.audio}, rtmptest.PublishOptions{})
			i.live(c.name)
			sum, file := watch(t, s.Watch, "--seconds", "3")
			if sum.PiecesRejected != 0 || sum.PiecesVerified == 0 {
				t.Errorf("watch says %+v", sum)
			}
			decodes(t, file)
			got := probe(t, file)
			for _, want := range c.want {
				if !strings.Contains(got, want) {
					t.Errorf("the file holds %q, want %s", got, want)
				}
			}
			out, err := exec.Command("ffmpeg", "-v", "error", "-xerror", "-nostdin", "-i",
				i.at.HTTP+"/live/"+c.name+"/index.m3u8", "-t", "2", "-f", "null", "-").CombinedOutput()
			if err != nil {
				t.Errorf("ffmpeg on the playlist: %v %s", err, out)
			}
		})
	}
}

func TestAPublisherWhoseClockJumpsIsJoinedAndNamedInTheLog(t *testing.T) {
	t.Parallel()
	i := up(t)
	other := i.addStream("steady")
	publish(t, other)
	i.live("steady")
	clip, err := rtmptest.Encode(t.Context(), rtmptest.Encoding{Video: media.H264, Audio: media.AAC, Duration: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	const second, hour = event.Ticks(event.Timescale), event.Ticks(3600 * event.Timescale)
	for name, jump := range map[string]event.Ticks{"ahead": hour, "back": -hour} {
		client, err := rtmptest.Dial(t.Context(), i.addStream(name).RTMP, rtmptest.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for k := range event.Ticks(4) {
			at := 2*hour + k*second
			if k >= 2 {
				at += jump
			}
			if err := client.SendClip(clip, at); err != nil {
				t.Fatal(err)
			}
		}
		var playlist string
		waitFor(t, 10*time.Second, "the pieces of the joined timeline", func() bool {
			_, body, _ := i.get("/live/" + name + "/v0/index.m3u8")
			playlist = string(body)
			return strings.Count(playlist, "#EXT-X-PART:") >= 18
		})
		if strings.Contains(playlist, "#EXTINF:3") {
			t.Errorf("the jump is in the playlist: %s", playlist)
		}
		if want := fmt.Sprintf("clock jumped by %+d", jump/second); !contains(i.log, want) {
			t.Errorf("the log lacks %q", want)
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	}
	if status, _, _ := i.get("/live/steady/v0/index.m3u8"); status != http.StatusOK {
		t.Errorf("the other publisher's stream answers %d", status)
	}
}

func TestSignedFilesOfTwoEpochsStayPlayable(t *testing.T) {
	t.Parallel()
	i := up(t)
	s := i.addStream("concert")
	first := publish(t, s)
	i.live("concert")
	file := filepath.Join(t.TempDir(), "out.mp4")
	watcher := background(t, binary, "watch", s.Watch, "--out", file, "--seconds", "6", "--pins", filepath.Join(t.TempDir(), "p"))
	waitFor(t, 15*time.Second, "the watcher to write", func() bool {
		info, err := os.Stat(file)
		return err == nil && info.Size() > 100_000
	})
	first.kill()
	waitFor(t, 15*time.Second, "the first publish to end", func() bool { return !i.manifest("concert").Live })
	publish(t, s)
	if code := watcher.wait(t, 40*time.Second); code != 0 {
		t.Fatalf("watch: exit %d: %s", code, watcher.log)
	}
	decodes(t, file)
	out, err := exec.Command("ffprobe", "-v", "error", "-select_streams", "v", "-count_frames", "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	var frames int
	if _, err := fmt.Sscan(string(out), &frames); err != nil || frames < 170 {
		t.Errorf("the file has %s frames of 180", out)
	}
}
