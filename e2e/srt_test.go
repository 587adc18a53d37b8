package e2e

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// overSRT are ffmpeg's arguments to publish a picture over SRT.
func overSRT(url string) []string {
	quietly := []string{"-hide_banner", "-loglevel", "warning", "-nostdin"}
	return slices.Concat(quietly, testPicture("320x180", 30), plain, []string{"-f", "mpegts", url})
}

func TestWhatComesOverSRTPlaysAsOverRTMP(t *testing.T) {
	t.Parallel()
	for name, flags := range map[string][]string{"in the clear": nil, "encrypted": {"--srt-passphrase", "a secret of the field"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := up(t, append(flags, "--srt", "127.0.0.1:0")...)
			s := i.addStream("concert")
			if !strings.HasPrefix(s.SRT, "srt://127.0.0.1:") {
				t.Fatalf("srt_url is %q", s.SRT)
			}
			ffmpeg := background(t, "ffmpeg", overSRT(s.SRT)...)
			i.live("concert")
			sum, file := watch(t, s.Watch, "--seconds", "5")
			decodes(t, file)
			if got := probe(t, file); !strings.Contains(got, "h264,320,180") || !strings.Contains(got, "aac,48000,1") {
				t.Errorf("what was watched is %s", got)
			}
			if *sum.BlocksRejected != 0 || *sum.Stalls != 0 {
				t.Errorf("%d blocks were rejected, and it stalled %d times", *sum.BlocksRejected, *sum.Stalls)
			}

			before := i.manifest("concert")
			for what, url := range map[string]string{
				"a second publisher": s.SRT, "a wrong key": strings.Replace(s.SRT, s.PublishKey, "wrong", 1),
			} {
				if code := background(t, "ffmpeg", overSRT(url)...).wait(t, 15*time.Second); code == 0 {
					t.Errorf("%s was let in", what)
				}
			}
			if publish(t, s).wait(t, 15*time.Second) == 0 {
				t.Error("a second publisher was let in over RTMP")
			}
			if !strings.Contains(i.log.String(), "already has a publisher") {
				t.Error("the log does not say why the second publisher was refused")
			}
			ffmpeg.kill()
			waitFor(t, 20*time.Second, "the publish of who vanished to end", func() bool { return !i.manifest("concert").Live })
			publish(t, s)
			waitFor(t, 15*time.Second, "the next epoch, over RTMP", func() bool {
				m := i.manifest("concert")
				return m.Live && m.lastEpoch(t) > before.lastEpoch(t)
			})
			if contains(i.log, s.PublishKey) || contains(i.log, "secret of the field") {
				t.Error("the log holds a key")
			}
		})
	}
}

func TestAFilmComesOverSRTThroughTheSRTTools(t *testing.T) {
	t.Parallel()
	i := up(t, "--srt", "127.0.0.1:0")
	s := i.addStream("concert")
	film := filepath.Join(t.TempDir(), "film.ts")
	args := slices.Concat([]string{"-v", "error", "-nostdin"}, []string{"-f", "lavfi", "-i", "testsrc2=size=320x180:rate=30", "-f", "lavfi", "-i", "sine=sample_rate=48000"},
		plain, []string{"-t", "20", "-f", "mpegts", film})
	if code := background(t, "ffmpeg", args...).wait(t, 60*time.Second); code != 0 {
		t.Fatalf("the film was not made: %d", code)
	}
	// srt-live-transmit reads no file; ffmpeg gives it one at the speed at which it plays.
	relay := freePort(t)
	at := strings.Replace(s.SRT, "?", "?transtype=live&", 1)
	background(t, "srt-live-transmit", "-q", "udp://"+relay, at)
	background(t, "ffmpeg", "-v", "error", "-nostdin", "-re", "-stream_loop", "-1", "-i", film, "-c", "copy", "-f", "mpegts", "udp://"+relay+"?pkt_size=1316")
	i.live("concert")
	_, file := watch(t, s.Watch, "--seconds", "4")
	decodes(t, file)
	_, playlist, _ := i.get("/live/concert/v0/index.m3u8")
	if !bytes.Contains(playlist, []byte("#EXTINF")) {
		t.Errorf("the playlist is %s", playlist)
	}
}
