// Package mediatest makes real media for tests, with ffmpeg, and asks ffmpeg what it
// thinks of ours. ffmpeg reads its own output apart, so that nothing of Shoal stands
// on both sides of a comparison.
package mediatest

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/media"
)

// Spec says what to make. Empty Video or Audio leaves the track out.
type Spec struct {
	Source  string // lavfi source of the picture; testsrc2 at 320×180 and 25/s by default
	Sound   string // lavfi source of the sound; a 440 Hz sine at 48 kHz by default
	Video   string // ffmpeg's video options, such as "-c:v libx264 -g 25"
	Audio   string // ffmpeg's audio options, such as "-c:a aac"
	Seconds float64
}

// Track is one track of a clip.
type Track struct {
	Config media.Config
	Units  []media.AccessUnit // in decode order, from about 0, below it too; Arrived is not set
}

// Clip is media as a publisher would send it.
type Clip struct {
	Video, Audio *Track
	Samples      int // of sound, one channel, as ffmpeg decodes it from its own file
}

var clips sync.Map // Spec to *made

type made struct {
	once sync.Once
	clip Clip
	err  error
}

// Make encodes a clip, or returns the one that this process made before.
func Make(t testing.TB, s Spec) Clip {
	t.Helper()
	if s.Source == "" {
		s.Source = "testsrc2=size=320x180:rate=25"
	}
	if s.Sound == "" {
		s.Sound = "sine=frequency=440:sample_rate=48000"
	}
	v, _ := clips.LoadOrStore(s, &made{})
	m := v.(*made)
	m.once.Do(func() { m.clip, m.err = encode(s) })
	if m.err != nil {
		t.Fatalf("make a clip: %v", m.err)
	}
	return m.clip
}

func encode(s Spec) (Clip, error) {
	dir, err := os.MkdirTemp("", "mediatest")
	if err != nil {
		return Clip{}, fmt.Errorf("make a folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "clip.mp4")
	args := []string{"-v", "error", "-nostdin", "-y"}
	if s.Video != "" {
		args = append(args, "-f", "lavfi", "-i", s.Source)
	}
	if s.Audio != "" {
		args = append(args, "-f", "lavfi", "-i", s.Sound)
	}
	args = append(args, strings.Fields(s.Video)...)
	args = append(args, strings.Fields(s.Audio)...)
	args = append(args, "-t", strconv.FormatFloat(s.Seconds, 'f', -1, 64), "-strict", "-2", path)
	if _, err := Run("ffmpeg", args...); err != nil {
		return Clip{}, err
	}
	c, err := read(path)
	if err != nil {
		return Clip{}, fmt.Errorf("read back what ffmpeg made: %w", err)
	}
	if c.Audio != nil {
		if c.Samples, err = samples(path); err != nil {
			return Clip{}, err
		}
	}
	return c, nil
}

// Run runs a tool of ffmpeg's and returns its output; an error carries what it said.
func Run(name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s %s: %w (`make setup` installs ffmpeg): %.2000s", name, strings.Join(args, " "), err, errs.String())
	}
	return out.Bytes(), nil
}

type probe struct {
	Streams []struct {
		Index     int    `json:"index"`
		Codec     string `json:"codec_name"`
		TimeBase  string `json:"time_base"`
		Extradata string `json:"extradata"`
	} `json:"streams"`
	Packets []struct {
		Stream int    `json:"stream_index"`
		PTS    int64  `json:"pts"`
		DTS    int64  `json:"dts"`
		Flags  string `json:"flags"`
		Data   string `json:"data"`
	} `json:"packets"`
}

// read lets ffprobe take a file apart.
func read(path string) (Clip, error) {
	out, err := Run("ffprobe", "-v", "error", "-show_streams", "-show_packets", "-show_data", "-of", "json", path)
	if err != nil {
		return Clip{}, err
	}
	var p probe
	if err := json.Unmarshal(out, &p); err != nil {
		return Clip{}, fmt.Errorf("read ffprobe's JSON: %w", err)
	}
	codecs := map[string]media.Codec{"h264": media.H264, "hevc": media.HEVC, "av1": media.AV1, "aac": media.AAC, "opus": media.Opus}
	var c Clip
	tracks := map[int]*Track{}
	bases := map[int]*big.Rat{}
	for _, s := range p.Streams {
		tr := &Track{Config: media.Config{Codec: codecs[s.Codec], Record: undump(s.Extradata)}}
		base, ok := new(big.Rat).SetString(s.TimeBase)
		if !ok || tr.Config.Codec == "" || len(tr.Config.Record) == 0 {
			return Clip{}, fmt.Errorf("a stream of codec %q, time base %q", s.Codec, s.TimeBase)
		}
		tracks[s.Index], bases[s.Index] = tr, base.Mul(base, big.NewRat(event.Timescale, 1))
		if tr.Config.Codec.Kind() == media.Video {
			c.Video = tr
		} else {
			c.Audio = tr
		}
	}
	for _, k := range p.Packets {
		tr, base := tracks[k.Stream], bases[k.Stream]
		tr.Units = append(tr.Units, media.AccessUnit{
			Kind: tr.Config.Codec.Kind(),
			DTS:  scale(k.DTS, base), PTS: scale(k.PTS, base),
			Key:  strings.HasPrefix(k.Flags, "K"),
			Data: undump(k.Data),
		})
	}
	return c, nil
}

func scale(v int64, by *big.Rat) event.Ticks {
	f, _ := new(big.Rat).Mul(new(big.Rat).SetInt64(v), by).Float64()
	if f < 0 {
		return event.Ticks(f - 0.5)
	}
	return event.Ticks(f + 0.5)
}

// undump reads ffprobe's hex dump: an address, up to 16 bytes in groups of two, text.
func undump(s string) []byte {
	var out []byte
	for line := range strings.Lines(s) {
		_, rest, ok := strings.Cut(strings.TrimRight(line, "\n"), ": ")
		if !ok {
			continue
		}
		digits := strings.ReplaceAll(rest[:min(len(rest), 40)], " ", "")
		b, err := hex.DecodeString(digits)
		if err != nil {
			return nil
		}
		out = append(out, b...)
	}
	return out
}

// Configs returns the configuration of each track that the clip has, video first.
func (c Clip) Configs() []media.Config {
	var out []media.Config
	for _, tr := range []*Track{c.Video, c.Audio} {
		if tr != nil {
			out = append(out, tr.Config)
		}
	}
	return out
}

// Units returns both tracks interleaved by decode time, each unit arriving at its
// decode time after start.
func (c Clip) Units(start time.Time) []media.AccessUnit {
	var out []media.AccessUnit
	for _, tr := range []*Track{c.Video, c.Audio} {
		if tr != nil {
			out = append(out, tr.Units...)
		}
	}
	slices.SortStableFunc(out, func(a, b media.AccessUnit) int { return cmp.Compare(a.DTS, b.DTS) })
	for i := range out {
		out[i].Arrived = start.Add(out[i].DTS.Duration())
	}
	return out
}

// Milliseconds rounds the units' times down to milliseconds, as RTMP has them.
func Milliseconds(units []media.AccessUnit) []media.AccessUnit {
	out := slices.Clone(units)
	for i := range out {
		out[i].DTS -= (out[i].DTS%90 + 90) % 90
		out[i].PTS -= (out[i].PTS%90 + 90) % 90
	}
	return out
}
