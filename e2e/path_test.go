package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// summary is the last line of `shoal watch --stats json`.
type summary struct {
	PiecesVerified int64            `json:"pieces_verified"`
	PiecesRejected int64            `json:"pieces_rejected"`
	BlocksRejected *int64           `json:"blocks_rejected"`
	Bytes          map[string]int64 `json:"bytes"`
	BytesDuplicate *int64           `json:"bytes_duplicate"`
	DelayMS        map[string]int64 `json:"delay_ms"`
	Stalls         *int64           `json:"stalls"`
	StalledMS      *int64           `json:"stalled_ms"`
	Peers          *int64           `json:"peers"`
}

// watch runs `shoal watch` to its end and returns its summary and the file it wrote.
func watch(t *testing.T, url string, args ...string) (summary, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "out.mp4")
	all := append([]string{"watch", url, "--out", file, "--stats", "json", "--pins", filepath.Join(t.TempDir(), "pins.json")}, args...)
	_, stderr, code := runShoal(t, all...)
	if code != 0 {
		t.Fatalf("shoal watch: exit %d: %s", code, stderr)
	}
	var last string
	lines := bufio.NewScanner(strings.NewReader(stderr))
	for lines.Scan() {
		last = lines.Text()
		if !json.Valid([]byte(last)) {
			t.Fatalf("standard error holds %q, which is not JSON", last)
		}
	}
	var s summary
	if err := json.Unmarshal([]byte(last), &s); err != nil {
		t.Fatalf("read the summary %q: %v", last, err)
	}
	if s.BlocksRejected == nil || s.BytesDuplicate == nil || s.Stalls == nil || s.StalledMS == nil || s.Peers == nil {
		t.Fatalf("the summary %q lacks a field", last)
	}
	return s, file
}

// decodes fails the test when ffmpeg finds anything wrong with a file.
func decodes(t *testing.T, file string) {
	t.Helper()
	out, err := exec.Command("ffmpeg", "-v", "error", "-xerror", "-nostdin", "-i", file, "-f", "null", "-").CombinedOutput()
	if err != nil || len(bytes.TrimSpace(out)) > 0 {
		t.Fatalf("ffmpeg on %s: %v %s", file, err, out)
	}
}

// probe returns what ffprobe says of a file's streams, one line each.
func probe(t *testing.T, file string) string {
	t.Helper()
	out, err := exec.Command("ffprobe", "-v", "error", "-show_entries", "stream=codec_name,width,height,sample_rate,channels", "-of", "csv=p=0", file).Output()
	if err != nil {
		t.Fatalf("ffprobe %s: %v", file, err)
	}
	return string(out)
}

func TestAStreamWithOtherSettingsPlaysInFFmpegAndIsVerifiedByWatch(t *testing.T) {
	t.Parallel()
	i := up(t)
	s := i.addStream("concert")
	publish(t, s, "-vf", "scale=1280:720", "-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "60", "-pix_fmt", "yuv420p",
		"-c:a", "aac", "-ar", "48000", "-ac", "2")
	i.live("concert")

	sum, file := watch(t, s.Watch, "--seconds", "4")
	if sum.PiecesVerified < 10 || sum.PiecesRejected != 0 || *sum.Stalls != 0 {
		t.Errorf("watch says %+v", sum)
	}
	if sum.Bytes["origin"] == 0 {
		t.Errorf("bytes by deliverer are %v, all should be the origin's", sum.Bytes)
	}
	decodes(t, file)
	if got := probe(t, file); !strings.Contains(got, "h264,1280,720") || !strings.Contains(got, "aac,48000,2") {
		t.Errorf("the file holds %s", got)
	}

	play := exec.Command("ffmpeg", "-v", "error", "-xerror", "-nostdin", "-i", i.at.HTTP+"/live/concert/index.m3u8", "-t", "3", "-f", "null", "-")
	if out, err := play.CombinedOutput(); err != nil {
		t.Errorf("ffmpeg on the playlist: %v %s", err, out)
	}
}

func TestALinkThatNamesAnotherKeyIsRefused(t *testing.T) {
	t.Parallel()
	i := up(t)
	s := i.addStream("concert")
	publish(t, s)
	i.live("concert")
	other := i.addStream("other")
	link, _, _ := strings.Cut(s.Watch, "#")
	_, stderr, code := runShoal(t, "watch", link+"#"+other.ID, "--seconds", "1", "--pins", filepath.Join(t.TempDir(), "p"))
	if code != 1 || !strings.Contains(stderr, other.ID) {
		t.Errorf("exit %d, %q: another key must be refused by name", code, stderr)
	}
}

func TestOnlyOnePublisherHoldsAStreamAndTheNextOneBeginsAnEpoch(t *testing.T) {
	t.Parallel()
	i := up(t)
	s := i.addStream("concert")
	first := publish(t, s)
	i.live("concert")

	second := publish(t, s)
	if code := second.wait(t, 15*time.Second); code == 0 {
		t.Error("a second publisher was let in")
	}
	if !strings.Contains(i.log.String(), "already has a publisher") {
		t.Error("the log does not say why the second publisher was refused")
	}
	wrong := s
	wrong.RTMP = strings.Replace(s.RTMP, s.PublishKey, "wrong", 1)
	if code := publish(t, wrong).wait(t, 15*time.Second); code == 0 {
		t.Error("a wrong key was let in")
	}

	before := i.manifest("concert")
	first.kill()
	waitFor(t, 15*time.Second, "the first publish to end", func() bool { return !i.manifest("concert").Live })
	publish(t, s)
	waitFor(t, 15*time.Second, "the next epoch", func() bool {
		m := i.manifest("concert")
		return m.Live && m.lastEpoch(t) > before.lastEpoch(t)
	})
	_, playlist, _ := i.get("/live/concert/v0/index.m3u8")
	if !bytes.Contains(playlist, []byte("#EXT-X-DISCONTINUITY\n")) {
		t.Error("the playlist does not mark the reconnect as a discontinuity")
	}
}

func TestStoppingIsCleanAndQuickWhilePeoplePublishAndWatch(t *testing.T) {
	t.Parallel()
	i := up(t)
	s := i.addStream("concert")
	publish(t, s)
	i.live("concert")
	watcher := background(t, binary, "watch", s.Watch, "--pins", filepath.Join(t.TempDir(), "p"))
	waitFor(t, 10*time.Second, "the watcher to fetch", func() bool {
		_, m, _ := i.get("/metrics")
		return bytes.Contains(m, []byte("shoal_origin"))
	})
	if took := i.stop(); took > 3*time.Second {
		t.Errorf("stopping took %s", took)
	}
	if code := i.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit %d: %s", code, i.log)
	}
	watcher.kill()
}

func TestOperatorsSeeThatItIsUp(t *testing.T) {
	t.Parallel()
	i := up(t)
	for _, path := range []string{"/healthz", "/readyz", "/metrics", "/api/v1/time", "/api/v1/streams"} {
		if status, _, _ := i.get(path); status != http.StatusOK {
			t.Errorf("%s answers %d", path, status)
		}
	}
}
