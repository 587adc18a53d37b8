package ffmpeg

import (
	"strings"
	"testing"
	"time"
)

func TestAFileTellsWhatItHolds(t *testing.T) {
	t.Chdir(t.TempDir())
	p := find(t)
	film := "-film: 1.mp4" // which could be an option, or a protocol
	err := p.Run(t.Context(), Command{Args: []string{
		"-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25", "-f", "lavfi", "-i", "sine=sample_rate=48000", "-t", "4",
		"-c:v", "libx264", "-preset", "ultrafast", "-g", "75", "-sc_threshold", "0", "-c:a", "aac", "file:" + film,
	}})
	if err != nil {
		t.Fatal(err)
	}
	m, err := p.Probe(t.Context(), film)
	if err != nil || m.Video == nil || m.Audio == nil {
		t.Fatalf("it holds %+v, %v", m, err)
	}
	if m.Duration.Round(100*time.Millisecond) != 4*time.Second || !strings.Contains(m.Container, "mp4") {
		t.Errorf("it is %s, %s long", m.Container, m.Duration)
	}
	if v := *m.Video; v.Codec != "h264" || v.Width != 160 || v.Height != 90 || v.FrameRate != 25 || v.BitDepth != 8 || v.KeyDistance != 3*time.Second {
		t.Errorf("its pictures are %+v", v)
	}
	if *m.Audio != (Audio{"aac", 48000, 1}) {
		t.Errorf("its sound is %+v", *m.Audio)
	}
	if _, err := p.Probe(t.Context(), "/nowhere/film.mp4"); err == nil || !strings.Contains(err.Error(), "No such file") {
		t.Errorf("of a file that is not there it says %v", err)
	}
}

func TestWhatFFprobeMayAnswer(t *testing.T) {
	t.Parallel()
	m, err := parseMedia([]byte(`{"format":{"format_name":"mp3","duration":"nonsense"},"streams":[
		{"codec_type":"video","codec_name":"mjpeg","disposition":{"attached_pic":1}},
		{"codec_type":"audio","codec_name":"mp3","sample_rate":"44100","channels":2},
		{"codec_type":"audio","codec_name":"aac"}]}`))
	if err != nil || m.Video != nil || m.Duration != 0 || *m.Audio != (Audio{"mp3", 44100, 2}) {
		t.Errorf("a song with a cover is %+v, %v", m, err)
	}
	if _, err := parseMedia([]byte(`{"streams":3}`)); err == nil {
		t.Error("nonsense is media")
	}
	one := `{"packets":[{"pts_time":"0.0","flags":"K__"},{"pts_time":"29.9","flags":"___"}]}`
	if got := parseKeyDistance([]byte(one)); got != 29900*time.Millisecond {
		t.Errorf("one key frame in 29.9 s: %s", got)
	}
	for s, want := range map[string]int{"yuv420p": 8, "yuvj420p": 8, "yuv420p10le": 10, "yuv422p12be": 12, "rgb24": 0, "nv12": 0, "": 0} {
		if got := bitDepth(s); got != want {
			t.Errorf("%q has %d bits", s, got)
		}
	}
	for s, want := range map[string]float64{"25/1": 25, "30": 30, "0/0": 0, "x/y": 0, "": 0} {
		if got := parseRate(s); got != want {
			t.Errorf("%q is %v a second", s, got)
		}
	}
}
