package peer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shoalcast/shoal/peer/hls"
)

// beside watches a live stream for somebody else: it returns the playlist's address.
func beside(t *testing.T, s *session) (playlist string, stop func() (Summary, error)) {
	t.Helper()
	serving := make(chan string, 1)
	s.HLS, s.Serving = "127.0.0.1:0", func(playlist string) { serving <- playlist }
	ctx, cancel := context.WithCancel(t.Context())
	type result struct {
		sum Summary
		err error
	}
	done := make(chan result, 1)
	go func() {
		sum, err := Watch(ctx, s.Options)
		done <- result{sum, err}
	}()
	stop = func() (Summary, error) {
		cancel()
		r := <-done
		http.DefaultClient.CloseIdleConnections()
		return r.sum, r.err
	}
	select {
	case playlist = <-serving:
	case <-time.After(5 * time.Second):
		cancel()
		t.Fatal("no player was ever served")
	}
	return playlist, stop
}

func (o *testOrigin) epochText() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strconv.FormatInt(int64(o.epoch), 10)
}

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// ffmpeg, started before anything is there, plays what a viewer verifies, while the
// viewer also writes it to a file.
func TestFFmpegPlaysWhatTheViewerVerifies(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, "alice")
	o.begin(mustMedia(t, small))
	o.publish(10)
	o.play(80)
	s := viewer(t, o, 0)
	playlist, stop := beside(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "ffmpeg", "-v", "error", "-xerror", "-stats", "-i", playlist, "-t", "6", "-f", "null", "-").CombinedOutput()
	if err != nil {
		t.Fatalf("ffmpeg: %v\n%s", err, out)
	}
	counts := regexp.MustCompile(`frame=\s*(\d+)`).FindAllStringSubmatch(string(out), -1)
	if len(counts) == 0 {
		t.Fatalf("ffmpeg counted no pictures:\n%s", out)
	}
	if frames, _ := strconv.Atoi(counts[len(counts)-1][1]); frames < 149 || frames > 151 {
		t.Errorf("6 s at 25 pictures a second gave %d", frames)
	}
	list := `CODECS="avc1.42c00c,mp4a.40.2",RESOLUTION=320x180`
	if _, body := get(t, playlist); !strings.Contains(body, list) {
		t.Errorf("the multivariant playlist is\n%s", body)
	}
	sum, err := stop()
	if err != nil || sum.PiecesRejected != 0 {
		t.Errorf("%+v, %v", sum, err)
	}
	if frames, _ := mustPlay(t, s.out); frames < 150 {
		t.Errorf("the file has %d pictures", frames)
	}
}

// What nobody has, and what was lost before it was signed, are gaps for players; what
// the origin falsified reaches none of them.
func TestPlayersSeeGapsAndNothingFalse(t *testing.T) {
	o := newOrigin(t, "alice")
	m := mustMedia(t, small)
	o.begin(m)
	o.publish(38)
	o.hook = func(w http.ResponseWriter, r *http.Request, hit int) bool {
		switch {
		case o.isPiece(r, 41):
			http.NotFound(w, r)
		case hit == 0 && o.isPiece(r, 36):
			_, _ = w.Write(bytes.Repeat([]byte{7}, len(m.pieces[36].data)))
		default:
			return false
		}
		return true
	}
	s := viewer(t, o, 0)
	s.File = ""
	playlist, stop := beside(t, s)
	media := strings.TrimSuffix(playlist, "index.m3u8") + "v0/"
	part := func(n int) *regexp.Regexp { return regexp.MustCompile(fmt.Sprintf(`#EXT-X-PART:.*/%d\.m4s"`, n)) }
	var list string
	shows := func(n int) func() bool {
		return func() bool {
			_, list = get(t, media+"index.m3u8")
			return part(n).MatchString(list)
		}
	}
	eventually(t, "the newest piece is played", shows(37))
	o.publish(1)
	o.lose(1)
	o.publish(1) // 40
	o.publish(4)
	eventually(t, "players see what follows the gaps", shows(44))
	for n := 35; n < 45; n++ {
		url := media + o.epochText() + "/" + strconv.Itoa(n) + ".m4s"
		status, body := get(t, url)
		gone := n == 39 || n == 41
		if gone && (status != 404 || !strings.Contains(list, "/"+strconv.Itoa(n)+".m4s\",GAP=YES")) {
			t.Errorf("piece %d, which is not to be had: %d\n%s", n, status, list)
		}
		if !gone && (status != 200 || body != string(m.pieces[n].data)) {
			t.Errorf("piece %d: %d, %d bytes", n, status, len(body))
		}
	}
	sum, err := stop()
	if noCopy := (*NoCopyError)(nil); !errors.As(err, &noCopy) || sum.PiecesRejected != 1 {
		t.Errorf("%+v, %v", sum, err)
	}
}

// A stream that changes its format goes on for players, behind a discontinuity, and
// ends with a whole segment.
func TestPlayersFollowIntoAnotherFormat(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, "alice")
	o.begin(mustMedia(t, small))
	o.publish(10)
	s := viewer(t, o, 0)
	playlist, stop := beside(t, s)
	media := strings.TrimSuffix(playlist, "index.m3u8") + "v0/"
	shows := func(what string) func() bool {
		return func() bool {
			_, body := get(t, media+"index.m3u8")
			return strings.Contains(body, what)
		}
	}
	eventually(t, "the first format is played", shows("/9.m4s"))
	o.begin(mustMedia(t, large))
	o.publish(9)
	eventually(t, "the second format is played", shows(o.epochText()+"/8.m4s"))
	o.do(func() { o.live = false })
	eventually(t, "the last segment is whole", func() bool { return !shows("PRELOAD-HINT")() })
	if _, body := get(t, media+"index.m3u8"); strings.Count(body, "#EXT-X-MAP") != 2 || strings.Count(body, "#EXT-X-DISCONTINUITY\n") != 1 {
		t.Errorf("the playlist is\n%s", body)
	}
	if _, body := get(t, playlist); !strings.Contains(body, "RESOLUTION=416x240") {
		t.Errorf("the multivariant playlist is\n%s", body)
	}
	if _, err := stop(); err != nil {
		t.Error(err)
	}
}

// hls.js, as its makers ship it, plays the stream in Chromium near live.
func TestHLSJSPlaysWhatTheViewerVerifies(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, "alice")
	o.begin(mustMedia(t, small))
	o.publish(10)
	o.play(85)
	playlist, stop := beside(t, viewer(t, o, 0))
	script, err := filepath.Abs("testdata/hlsjs.mjs")
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 45*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "--input-type=module", "-e", string(code), playlist)
	cmd.Dir = filepath.Join("..", "web") // where the modules are
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("hls.js (make setup installs it): %v\n%s", err, out)
	}
	t.Logf("hls.js saw %s", out)
	if _, err := stop(); err != nil {
		t.Error(err)
	}
}

func TestWithoutItsAddressForPlayersAViewerDoesNotBegin(t *testing.T) {
	o := newOrigin(t, "alice")
	s := viewer(t, o, 0)
	s.HLS = o.listen
	_, err := s.watch(t)
	if taken := (*hls.AddressError)(nil); !errors.As(err, &taken) {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(s.out); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an output was begun: %v", err)
	}
}
