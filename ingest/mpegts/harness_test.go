package mpegts_test

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shoalcast/shoal/ingest/media"
	"github.com/shoalcast/shoal/ingest/mpegts"
	"github.com/shoalcast/shoal/internal/mediatest"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// recorder is a Sink that keeps everything.
type recorder struct {
	configs  []media.Config
	units    []media.AccessUnit
	warnings []mpegts.Warning
	fail     error
}

func (r *recorder) Config(c media.Config) error {
	r.configs = append(r.configs, c)
	return r.fail
}

func (r *recorder) Push(au media.AccessUnit) error {
	r.units = append(r.units, au)
	return r.fail
}

func (r *recorder) of(k media.Kind) []media.AccessUnit {
	var out []media.AccessUnit
	for _, u := range r.units {
		if u.Kind == k {
			out = append(out, u)
		}
	}
	return out
}

func (r *recorder) told(c mpegts.Code) []string {
	var out []string
	for _, w := range r.warnings {
		if w.Code == c {
			out = append(out, w.Message)
		}
	}
	return out
}

func (r *recorder) options() mpegts.Options {
	return mpegts.Options{
		Sink: r, Now: func() time.Time { return start },
		Warn: func(w mpegts.Warning) { r.warnings = append(r.warnings, w) },
	}
}

// demux runs a stream through a Demuxer, in pieces of the given size (0: at once).
func demux(t testing.TB, o mpegts.Options, ts []byte, size int) {
	t.Helper()
	d := mpegts.New(o)
	if size == 0 {
		size = max(1, len(ts))
	}
	for p := range slices.Chunk(ts, size) {
		if n, err := d.Write(p); err != nil || n != len(p) {
			t.Fatalf("Write took %d of %d bytes: %v", n, len(p), err)
		}
	}
	if err := d.Flush(); err != nil {
		t.Fatal(err)
	}
}

// clip is a stream as ffmpeg wrote it, and what ffmpeg reads out of it.
type clip struct {
	ts     []byte
	source []packet // of the MP4 that the stream was made of: the access units' bytes
	packet []packet // of the stream: their times
}

type packet struct {
	Type  string `json:"codec_type"`
	PTS   int64  `json:"pts"`
	DTS   int64  `json:"dts"`
	Flags string `json:"flags"`
	Hash  string `json:"data_hash"`
}

func of(ps []packet, kind string) []packet {
	var out []packet
	for _, p := range ps {
		if p.Type == kind {
			out = append(out, p)
		}
	}
	return out
}

type spec struct {
	source, codecs, mux string
	seconds             string
}

var clips sync.Map

// make encodes into MP4, which keeps the encoders' access units as they are, and
// remuxes that into a transport stream.
func (s spec) make(t testing.TB) clip {
	t.Helper()
	once, _ := clips.LoadOrStore(s, sync.OnceValues(s.encode))
	c, err := once.(func() (clip, error))()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const (
	testPicture = "-f lavfi -i testsrc2=size=320x180:rate=25"
	testSound   = "-f lavfi -i sine=frequency=440:sample_rate=48000"
	avc         = "-c:v libx264 -preset veryfast -bf 2 -g 25"
	aac         = "-c:a aac -b:a 96k -ac 2"
)

func (s spec) encode() (clip, error) {
	if s.source == "" {
		s.source = testPicture + " " + testSound
	}
	if s.seconds == "" {
		s.seconds = "4"
	}
	dir, err := os.MkdirTemp("", "mpegts")
	if err != nil {
		return clip{}, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	mp4, ts := filepath.Join(dir, "clip.mp4"), filepath.Join(dir, "clip.ts")
	args := append([]string{"-v", "error", "-nostdin", "-y"}, strings.Fields(s.source+" "+s.codecs+" -t "+s.seconds)...)
	if _, err := mediatest.Run("ffmpeg", append(args, "-strict", "-2", mp4)...); err != nil {
		return clip{}, err
	}
	args = append([]string{"-v", "error", "-nostdin", "-y", "-i", mp4, "-map", "0", "-c", "copy"}, strings.Fields(s.mux)...)
	if _, err := mediatest.Run("ffmpeg", append(args, "-f", "mpegts", ts)...); err != nil {
		return clip{}, err
	}
	var c clip
	if c.ts, err = os.ReadFile(ts); err != nil {
		return clip{}, err
	}
	if c.source, err = probe(mp4); err != nil {
		return clip{}, err
	}
	c.packet, err = probe(ts)
	return c, err
}

func probe(path string) ([]packet, error) {
	out, err := mediatest.Run("ffprobe", "-v", "error", "-show_packets", "-show_data_hash", "md5", "-of", "json", path)
	if err != nil {
		return nil, err
	}
	var p struct {
		Packets []packet `json:"packets"`
	}
	err = json.Unmarshal(out, &p)
	return p.Packets, err
}

func hash(b []byte) string {
	h := md5.Sum(b)
	return "MD5:" + hex.EncodeToString(h[:])
}
