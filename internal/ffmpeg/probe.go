package ffmpeg

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// Media is what a file holds.
type Media struct {
	Container string        // ffmpeg's names of the format, separated by commas: "mpegts", "mov,mp4,m4a,…"
	Duration  time.Duration // 0 when it is not known
	Video     *Video        // the first picture that moves; nil when there is none
	Audio     *Audio        // the first sound; nil when there is none
}

// Video is a track of pictures.
type Video struct {
	Codec         string  // ffmpeg's name: "h264", "hevc", "av1"
	Width, Height int     // pixels
	FrameRate     float64 // pictures a second; 0 when it is not known
	BitDepth      int     // of a sample; 0 when it is not known
	// KeyDistance is the longest way from one key frame to the next that the first half
	// minute has, 0 when it is not known. Where one has no successor in there, it is the
	// way to the end of what was looked at, so at least that.
	KeyDistance time.Duration
}

// Audio is a track of sound.
type Audio struct {
	Codec      string // ffmpeg's name: "aac", "opus"
	SampleRate int    // a second
	Channels   int
}

const (
	// keyWindow is how much of a file is looked at for its key frames, which costs
	// reading, but no decoding.
	keyWindow = 30 * time.Second
	// probeTime bounds how long a file may take to tell what it is.
	probeTime = 30 * time.Second
	// maxProbe bounds what ffprobe may answer, in bytes: half a minute of packets at
	// 1,000 a second takes a tenth of it.
	maxProbe = 16 << 20
)

// Probe asks what a file holds.
func (p Program) Probe(ctx context.Context, path string) (Media, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	out, err := p.ask(ctx, nil, "-show_format", "-show_streams", local(path))
	if err != nil {
		return Media{}, fmt.Errorf("look at %s: %w", path, err)
	}
	m, err := parseMedia(out)
	if err != nil {
		return Media{}, fmt.Errorf("look at %s: %w", path, err)
	}
	if m.Video == nil {
		return m, nil
	}
	out, err = p.ask(ctx, nil, "-select_streams", "V:0", "-show_entries", "packet=pts_time,flags",
		"-read_intervals", "%+"+seconds(keyWindow), local(path))
	if err != nil {
		return Media{}, fmt.Errorf("look for the key frames of %s: %w", path, err)
	}
	m.Video.KeyDistance = parseKeyDistance(out)
	return m, nil
}

// ProbeStart asks what media of a format, ffmpeg's name of it, holds that begins with
// head. Its duration and key frames are not known.
func (p Program) ProbeStart(ctx context.Context, format string, head []byte) (Media, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	out, err := p.ask(ctx, bytes.NewReader(head), "-show_format", "-show_streams", "-f", format, "pipe:0")
	if err != nil {
		return Media{}, fmt.Errorf("look at what comes: %w", err)
	}
	m, err := parseMedia(out)
	if err != nil {
		return Media{}, fmt.Errorf("look at what comes: %w", err)
	}
	m.Duration = 0 // of head alone
	return m, nil
}

// local keeps a path from being taken for an option or another protocol.
func local(path string) string { return "file:" + path }

func (p Program) ask(ctx context.Context, in io.Reader, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, p.ffprobe, append([]string{"-v", "error", "-of", "json"}, args...)...)
	out := &bounded{}
	said := &tail{}
	cmd.Stdin = in
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay, cmd.SysProcAttr = out, said, DefaultStop, attributes()
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("ffprobe was stopped: %w", context.Cause(ctx))
		}
		if lines := said.lines(); len(lines) > 0 {
			return nil, fmt.Errorf("%s (ffprobe: %w)", joinLast(lines, 2), err)
		}
		return nil, fmt.Errorf("run ffprobe: %w", err)
	}
	return out.Bytes(), nil
}

// bounded takes at most maxProbe bytes.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxProbe {
		return 0, fmt.Errorf("ffprobe answers with more than %d bytes: %w", maxProbe, io.ErrShortBuffer)
	}
	return b.Buffer.Write(p)
}

// parseMedia reads ffprobe's answer about format and streams.
func parseMedia(b []byte) (Media, error) {
	var answer struct {
		Format struct {
			Name     string `json:"format_name"`
			Duration string `json:"duration"`
		} `json:"format"`
		Streams []struct {
			Kind        string         `json:"codec_type"`
			Codec       string         `json:"codec_name"`
			Width       int            `json:"width"`
			Height      int            `json:"height"`
			FrameRate   string         `json:"avg_frame_rate"`
			PixelFormat string         `json:"pix_fmt"`
			SampleRate  string         `json:"sample_rate"`
			Channels    int            `json:"channels"`
			Disposition map[string]int `json:"disposition"`
		} `json:"streams"`
	}
	if err := json.Unmarshal(b, &answer); err != nil {
		return Media{}, fmt.Errorf("read ffprobe's JSON: %w", err)
	}
	m := Media{Container: answer.Format.Name, Duration: parseSeconds(answer.Format.Duration)}
	for _, s := range answer.Streams {
		switch {
		case s.Kind == "video" && m.Video == nil && s.Disposition["attached_pic"] == 0:
			m.Video = &Video{
				Codec: s.Codec, Width: s.Width, Height: s.Height,
				FrameRate: parseRate(s.FrameRate), BitDepth: bitDepth(s.PixelFormat),
			}
		case s.Kind == "audio" && m.Audio == nil:
			rate, _ := strconv.Atoi(s.SampleRate)
			m.Audio = &Audio{Codec: s.Codec, SampleRate: rate, Channels: s.Channels}
		}
	}
	return m, nil
}

// parseKeyDistance reads ffprobe's answer about packets.
func parseKeyDistance(b []byte) time.Duration {
	var answer struct {
		Packets []struct {
			Time  string `json:"pts_time"`
			Flags string `json:"flags"`
		} `json:"packets"`
	}
	if json.Unmarshal(b, &answer) != nil {
		return 0
	}
	var last, most, newest time.Duration
	seen := false
	for _, p := range answer.Packets {
		at := parseSeconds(p.Time)
		newest = max(newest, at)
		if !strings.HasPrefix(p.Flags, "K") {
			continue
		}
		if seen {
			most = max(most, at-last)
		}
		last, seen = at, true
	}
	if !seen {
		return 0
	}
	return max(most, newest-last)
}

// parseSeconds reads a time that is not negative, such as 6.023000.
func parseSeconds(s string) time.Duration {
	const most = 1e9 // 30 years: no media is longer, and a Duration has room
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || !(f > 0 && f < most) {
		return 0
	}
	return time.Duration(f * float64(time.Second))
}

func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) }

// parseRate reads 30000/1001.
func parseRate(s string) float64 {
	over, under, _ := strings.Cut(s, "/")
	a, errA := strconv.ParseFloat(over, 64)
	b, errB := strconv.ParseFloat(cmp.Or(under, "1"), 64)
	if errA != nil || errB != nil || !(a > 0 && b > 0) {
		return 0
	}
	return a / b
}

// bitDepth reads the depth out of the name of a planar YUV format: yuv420p10le.
func bitDepth(format string) int {
	_, rest, ok := strings.Cut(format, "p")
	if !ok || !strings.HasPrefix(format, "yuv") {
		return 0
	}
	rest = strings.TrimSuffix(strings.TrimSuffix(rest, "le"), "be")
	if rest == "" {
		return 8
	}
	n, _ := strconv.Atoi(rest)
	return n
}
