package rtmptest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/media"
)

// Encoding says what ffmpeg shall encode; zero fields have the defaults.
type Encoding struct {
	Video, Audio  media.Codec   // "" for none
	Duration      time.Duration // default 2 s
	Width, Height int           // default 320 × 180
	FPS           int           // default 30
	GOP           int           // frames from one keyframe to the next, default FPS
	BFrames       int           // H.264 and HEVC, default none
	Kbps          int           // of video; H.264 holds it exactly, with filler. Default 500
	SampleRate    int           // of AAC, default 48000; Opus always has 48000
	Source        string        // a lavfi video source, default testsrc2
}

// Encode runs ffmpeg. The record and every access unit are as ffmpeg puts them in
// MP4, with MP4's exact times, which start at 0 or, for presentation, a little later.
func Encode(ctx context.Context, e Encoding) (*Clip, error) {
	set(&e.Duration, 2*time.Second)
	set(&e.Width, 320)
	set(&e.Height, 180)
	set(&e.FPS, 30)
	set(&e.GOP, e.FPS)
	set(&e.Kbps, 500)
	set(&e.SampleRate, 48000)
	set(&e.Source, "testsrc2")
	dir, err := os.MkdirTemp("", "rtmptest")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "clip.mp4")
	if _, err := run(ctx, "ffmpeg", append(e.args(), file)...); err != nil {
		return nil, err
	}
	clip := &Clip{}
	if e.Video != "" {
		if clip.Video, err = readTrack(ctx, file, e.Video, "v"); err != nil {
			return nil, err
		}
	}
	if e.Audio != "" {
		if clip.Audio, err = readTrack(ctx, file, e.Audio, "a"); err != nil {
			return nil, err
		}
	}
	return clip, nil
}

func (e Encoding) args() []string {
	seconds := strconv.FormatFloat(e.Duration.Seconds(), 'f', 3, 64)
	a := []string{"-hide_banner", "-loglevel", "error", "-nostdin", "-y"}
	if e.Video != "" {
		a = append(a, "-f", "lavfi", "-i", fmt.Sprintf("%s=size=%dx%d:rate=%d:duration=%s", e.Source, e.Width, e.Height, e.FPS, seconds))
	}
	if e.Audio != "" {
		a = append(a, "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration="+seconds)
	}
	gop, kbps := strconv.Itoa(e.GOP), strconv.Itoa(e.Kbps)+"k"
	switch e.Video {
	case media.H264:
		a = append(a, "-c:v", "libx264", "-preset", "ultrafast", "-bf", strconv.Itoa(e.BFrames), "-g", gop,
			"-sc_threshold", "0", "-b:v", kbps, "-minrate", kbps, "-maxrate", kbps, "-bufsize", kbps, "-x264-params", "nal-hrd=cbr")
	case media.HEVC:
		a = append(a, "-c:v", "libx265", "-preset", "ultrafast", "-g", gop, "-b:v", kbps, "-tag:v", "hvc1",
			"-x265-params", fmt.Sprintf("log-level=error:bframes=%d:scenecut=0:keyint=%s:min-keyint=%s:open-gop=0", e.BFrames, gop, gop))
	case media.AV1:
		a = append(a, "-c:v", "libsvtav1", "-preset", "12", "-g", gop, "-b:v", kbps)
	}
	switch e.Audio {
	case media.AAC:
		a = append(a, "-c:a", "aac", "-b:a", "128k", "-ar", strconv.Itoa(e.SampleRate), "-ac", "2")
	case media.Opus:
		a = append(a, "-c:a", "libopus", "-b:a", "96k", "-ac", "2")
	}
	return append(a, "-pix_fmt", "yuv420p", "-video_track_timescale", strconv.Itoa(event.Timescale), "-f", "mp4")
}

func run(ctx context.Context, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "SVT_LOG=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("run %s: %w: %s", name, err, strings.TrimSpace(stderr.String()))
	}
	return out, nil
}

// readTrack takes a track out of an MP4 by ffmpeg's own means: the packets' bytes,
// their times and sizes, and the codec's record.
func readTrack(ctx context.Context, file string, codec media.Codec, selector string) (*Track, error) {
	in := []string{"-hide_banner", "-loglevel", "error", "-nostdin", "-ignore_editlist", "1", "-i", file, "-map", "0:" + selector, "-c", "copy", "-copyts"}
	data, err := run(ctx, "ffmpeg", append(in, "-f", "data", "-")...)
	if err != nil {
		return nil, err
	}
	list, err := run(ctx, "ffmpeg", append(in, "-f", "framecrc", "-")...)
	if err != nil {
		return nil, err
	}
	flags, err := run(ctx, "ffprobe", "-v", "error", "-ignore_editlist", "1", "-select_streams", selector, "-show_entries", "packet=flags", "-of", "csv=p=0", file)
	if err != nil {
		return nil, err
	}
	record, err := readRecord(ctx, file, selector)
	if err != nil {
		return nil, err
	}
	t := &Track{Config: media.Config{Codec: codec, Record: record}}
	if err := t.fill(data, list, strings.Fields(string(flags))); err != nil {
		return nil, fmt.Errorf("read ffmpeg's packets: %w", err)
	}
	return t, nil
}

// fill reads lines of framecrc: stream, dts, pts, duration, size, checksum.
func (t *Track) fill(data, list []byte, flags []string) error {
	kind := t.Config.Codec.Kind()
	var num, den int64
	for line := range strings.Lines(string(list)) {
		if s, ok := strings.CutPrefix(line, "#tb 0: "); ok {
			if _, err := fmt.Sscanf(s, "%d/%d", &num, &den); err != nil {
				return err
			}
		}
		if strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(line, ",")
		if len(f) < 5 || den == 0 || len(t.Units) >= len(flags) {
			return fmt.Errorf("packet list has the line %q", line)
		}
		var v [4]int64 // dts, pts, duration, size
		for i := range v {
			n, err := strconv.ParseInt(strings.TrimSpace(f[i+1]), 10, 64)
			if err != nil {
				return err
			}
			v[i] = n
		}
		if v[3] > int64(len(data)) {
			return errors.New("packets are longer than their data")
		}
		ticks := func(n int64) event.Ticks { return event.Ticks(n * num * event.Timescale / den) }
		t.Units = append(t.Units, media.AccessUnit{
			Kind: kind, DTS: ticks(v[0]), PTS: ticks(v[1]),
			Key:  kind == media.Audio || strings.HasPrefix(flags[len(t.Units)], "K"),
			Data: data[:v[3]:v[3]],
		})
		t.End = ticks(v[0] + v[2])
		data = data[v[3]:]
	}
	if len(t.Units) == 0 || len(data) > 0 {
		return fmt.Errorf("%d packets and %d bytes left over", len(t.Units), len(data))
	}
	return nil
}

// readRecord reads the extradata that ffprobe prints as a hex dump.
func readRecord(ctx context.Context, file, selector string) ([]byte, error) {
	out, err := run(ctx, "ffprobe", "-v", "error", "-select_streams", selector, "-show_entries", "stream=extradata", "-show_data", "-of", "default=nw=1", file)
	if err != nil {
		return nil, err
	}
	var record []byte
	sc := bufio.NewScanner(bytes.NewReader(out))
	for sc.Scan() {
		// "00000010: 4801 0000 …  text": the bytes end where two spaces stand.
		_, rest, ok := strings.Cut(sc.Text(), ": ")
		if !ok {
			continue
		}
		digits, _, _ := strings.Cut(rest, "  ")
		b, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
		if err != nil {
			return nil, fmt.Errorf("read ffprobe's hex dump %q: %w", sc.Text(), err)
		}
		record = append(record, b...)
	}
	if len(record) == 0 {
		return nil, errors.New("ffprobe shows no extradata")
	}
	return record, nil
}
