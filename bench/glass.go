package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

const (
	glassOurs   = 300 * time.Second // and not one stall in it
	glassTheirs = 60 * time.Second
	firstFrames = 9
)

// seen is what bench/glass.mjs saw in one page.
type seen struct {
	Delays      []float64 `json:"delays"` // ms, one a displayed frame
	Stalls      int       `json:"stalls"`
	FirstFrames []float64 `json:"first_frames"` // ms from navigation, one a visit
}

// benchGlass shows one camera through Shoal and through nginx-rtmp with hls.js, and
// reads the delay from the clock in the picture.
func benchGlass(ctx context.Context, r *report) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := startShoal(ctx)
	if err != nil {
		return err
	}
	defer s.stop()
	n, err := startNginx(ctx, nginxPlaylist)
	if err != nil {
		return err
	}
	defer n.stop()
	added, err := s.addStream(ctx, "glass")
	if err != nil {
		return err
	}
	stop, err := startCamera(ctx, glassPicture, added.RTMP, n.rtmp+"/glass")
	if err != nil {
		return err
	}
	defer stop()
	if err := pause(ctx, 8*time.Second); err != nil { // both have a playlist then
		return err
	}
	if err := copyFile("web/node_modules/hls.js/dist/hls.min.js", n.dir+"/hls.js"); err != nil {
		return err
	}
	if err := os.WriteFile(n.dir+"/page.html", []byte(theirPage), 0o644); err != nil { //nolint:gosec // nginx reads it
		return err
	}
	theirs, err := look(ctx, n.http+"/page.html", glassTheirs, 1)
	if err != nil {
		return err
	}
	ours, err := look(ctx, added.Watch, glassOurs, firstFrames)
	if err != nil {
		return err
	}
	p50, p95, other := quantileMS(ours.Delays, 0.5), quantileMS(ours.Delays, 0.95), quantileMS(theirs.Delays, 0.5)
	r.add(fmt.Sprintf("glass to glass p50, %d frames in %s", len(ours.Delays), glassOurs), p50.String(), "≤ 600ms", p50 <= 600*time.Millisecond)
	r.add("glass to glass p95", p95.String(), "≤ 800ms", p95 <= 800*time.Millisecond)
	r.add(fmt.Sprintf("beside nginx-rtmp 1 s HLS with hls.js, p50 %s", other), fmt.Sprintf("%.2f ×", float64(p50)/float64(other)), "≤ 0.2 ×", p50 <= other/5)
	first := quantileMS(ours.FirstFrames, 0.5)
	r.add(fmt.Sprintf("first frame, median of %d visits", len(ours.FirstFrames)), first.String(), "≤ 500ms", first <= 500*time.Millisecond)
	r.add(fmt.Sprintf("stalls in %s", glassOurs), strconv.Itoa(ours.Stalls), "0", ours.Stalls == 0)
	return nil
}

const theirPage = `<!doctype html><video muted autoplay playsinline></video><script src="hls.js"></script><script>
const hls = new Hls(); hls.loadSource("hls/glass.m3u8"); hls.attachMedia(document.querySelector("video"));
</script>`

// picture is how the clock is encoded: at most so many kbit/s, a keyframe a second, and 96 kbps
// of sound beside it.
type picture struct{ width, height, kbps int }

var glassPicture = picture{clockWidth, clockHeight, 1500}

// startCamera encodes the clock once and pushes the same bytes to all servers.
func startCamera(ctx context.Context, p picture, urls ...string) (stop func(), err error) {
	outputs := make([]string, len(urls))
	for i, u := range urls {
		outputs[i] = "[f=flv]" + u
	}
	cmd := exec.CommandContext(ctx, "ffmpeg", "-hide_banner", "-loglevel", "error",
		"-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", fmt.Sprintf("%dx%d", clockWidth, clockHeight), "-r", strconv.Itoa(clockFPS), "-i", "pipe:0",
		"-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-map", "0:v", "-map", "1:a",
		"-vf", fmt.Sprintf("scale=%d:%d:flags=neighbor", p.width, p.height),
		"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", strconv.Itoa(clockFPS), "-b:v", kbps(p.kbps), "-maxrate", kbps(p.kbps), "-bufsize", kbps(p.kbps/2),
		"-c:a", "aac", "-b:a", "96k", "-flags", "+global_header", "-f", "tee", strings.Join(outputs, "|"))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start ffmpeg: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	drawn := make(chan struct{})
	go func() {
		defer close(drawn)
		writeClock(ctx, in)
	}()
	return func() {
		cancel()
		<-drawn
		_ = in.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}, nil
}

// look opens a page in Chromium and reads its clock.
func look(ctx context.Context, url string, d time.Duration, visits int) (seen, error) {
	var s seen
	cmd := exec.CommandContext(ctx, "node", "bench/glass.mjs", url, strconv.Itoa(int(d.Seconds())), strconv.Itoa(visits))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return s, fmt.Errorf("look at %s: %w", url, err)
	}
	if err := json.Unmarshal(out, &s); err != nil {
		return s, fmt.Errorf("read what glass.mjs saw: %w", err)
	}
	if len(s.Delays) == 0 {
		return s, fmt.Errorf("%s showed no readable clock", url)
	}
	return s, nil
}

func kbps(n int) string { return strconv.Itoa(n) + "k" }

func quantileMS(v []float64, q float64) time.Duration {
	d := make([]time.Duration, len(v))
	for i, ms := range v {
		d[i] = time.Duration(ms * float64(time.Millisecond))
	}
	return quantile(d, q).Round(time.Millisecond)
}

func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o644) //nolint:gosec // nginx reads it
}
