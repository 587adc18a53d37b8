package publish

import (
	"strings"
	"testing"
	"time"

	"github.com/shoalcast/shoal/internal/ffmpeg"
)

func media(video, audio string) ffmpeg.Media {
	m := ffmpeg.Media{Duration: time.Minute}
	if video != "" {
		m.Video = &ffmpeg.Video{Codec: video, KeyDistance: time.Second}
	}
	if audio != "" {
		m.Audio = &ffmpeg.Audio{Codec: audio}
	}
	return m
}

func TestWhatShoalCarriesIsCopiedAndTheRestTranscoded(t *testing.T) {
	t.Parallel()
	old, enhanced, newest := ffmpeg.Version{Major: 5, Minor: 1}, ffmpeg.Version{Major: 6, Minor: 1}, ffmpeg.Version{Major: 8}
	for _, c := range []struct {
		video, audio string
		to           string
		version      ffmpeg.Version
		wantVideo    string
		wantAudio    string
		wantNote     string
	}{
		{"h264", "aac", rtmpURL, old, "copy", "copy", ""},
		{"h264", "aac", srtURL, old, "copy", "copy", ""},
		{"hevc", "opus", srtURL, old, "copy", "copy", ""},
		{"hevc", "opus", rtmpURL, old, "libx264", "aac", "the picture (hevc) to H.264 and the sound (opus) to AAC: it does not go over RTMP"},
		{"hevc", "opus", rtmpURL, enhanced, "copy", "aac", "the sound (opus) to AAC"},
		{"av1", "opus", rtmpURL, newest, "copy", "copy", ""},
		{"av1", "aac", srtURL, newest, "libx264", "copy", "the picture (av1) to H.264"},
		{"vp9", "", srtURL, newest, "libx264", "", "the picture (vp9) to H.264"},
		{"", "mp3", rtmpURL, newest, "", "aac", "the sound (mp3) to AAC"},
	} {
		p, err := planFor(media(c.video, c.audio), target(t, c.to), c.version, false)
		if err != nil {
			t.Fatal(err)
		}
		args := strings.Join(p.arguments(0), " ") + " "
		for option, want := range map[string]string{"-c:v ": c.wantVideo, "-c:a ": c.wantAudio} {
			if want == "" && strings.Contains(args, option) || want != "" && !strings.Contains(args, option+want+" ") {
				t.Errorf("%s and %s over %s: %q of %s", c.video, c.audio, p.target.Protocol, want, args)
			}
		}
		if notes := strings.Join(p.notes, " "); notes != "" && c.wantNote == "" || !strings.Contains(notes, c.wantNote) {
			t.Errorf("%s and %s: it says %q", c.video, c.audio, notes)
		}
	}
	if _, err := planFor(media("", ""), target(t, rtmpURL), old, false); err == nil {
		t.Error("nothing can be published")
	}
}

func TestTranscodingIsForcedWithoutAWord(t *testing.T) {
	t.Parallel()
	p, err := planFor(media("h264", "aac"), target(t, rtmpURL), ffmpeg.Version{}, true)
	args := strings.Join(p.arguments(0), " ")
	if err != nil || !strings.Contains(args, "libx264") || !strings.Contains(args, "-tune zerolatency") ||
		!strings.Contains(args, "expr:gte(t,n_forced)") || !strings.Contains(args, "-c:a aac") || len(p.notes) > 0 {
		t.Errorf("%s, %q, %v", args, p.notes, err)
	}
}

func TestKeyFramesFarApartAreWarnedOf(t *testing.T) {
	t.Parallel()
	far := media("h264", "aac")
	far.Video.KeyDistance = 12 * time.Second
	p, _ := planFor(far, target(t, rtmpURL), ffmpeg.Version{}, false)
	if len(p.notes) != 1 || !strings.Contains(p.notes[0], "12s apart") || !strings.Contains(p.notes[0], "--transcode") {
		t.Errorf("it says %q", p.notes)
	}
	if p, _ = planFor(far, target(t, rtmpURL), ffmpeg.Version{}, true); len(p.notes) > 0 {
		t.Errorf("of pictures that are made anew it says %q", p.notes)
	}
}

func TestAFilmGoesOnWhereTheConnectionEnded(t *testing.T) {
	t.Parallel()
	p := plan{media: ffmpeg.Media{Duration: time.Minute}, name: "file:film.mp4", target: target(t, rtmpURL)}
	if from, over := p.resume(20 * time.Second); from != 20*time.Second || over {
		t.Errorf("from %s, over: %t", from, over)
	}
	if !strings.HasPrefix(strings.Join(p.arguments(20*time.Second), " "), "-re -ss 20.000 -i file:film.mp4 ") {
		t.Errorf("ffmpeg is told %q", p.arguments(20*time.Second))
	}
	if _, over := p.resume(59800 * time.Millisecond); !over {
		t.Error("a film whose end was reached goes on")
	}
	p.loop = true
	if from, over := p.resume(150 * time.Second); from != 30*time.Second || over {
		t.Errorf("in the third loop it goes on from %s, over: %t", from, over)
	}
	if !strings.HasPrefix(strings.Join(p.arguments(0), " "), "-re -stream_loop -1 -i ") {
		t.Errorf("ffmpeg is told %q", p.arguments(0))
	}
	if from, over := (plan{}).resume(time.Hour); from != 0 || over {
		t.Error("an input of unknown length is at its end")
	}
}
