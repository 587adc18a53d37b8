package rtmptest_test

import (
	"context"
	"testing"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/media"
	"github.com/shoalcast/shoal/internal/rtmptest"
)

// Every codec that publishers may send can be made by this machine's ffmpeg, with as
// many access units as the duration holds and a record that names its format.
func TestEncode(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		e      rtmptest.Encoding
		frames int
		video  byte   // first byte of the video's record
		audio  string // first bytes of the audio's
	}{
		{"H.264 and AAC", rtmptest.Encoding{Video: media.H264, Audio: media.AAC, BFrames: 2}, 60, 1, "\x11\x90"},
		{"HEVC and Opus", rtmptest.Encoding{Video: media.HEVC, Audio: media.Opus}, 60, 1, "OpusHead\x01\x02"},
		{"AV1", rtmptest.Encoding{Video: media.AV1}, 60, 0x81, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			clip, err := rtmptest.Encode(ctx, tt.e)
			if err != nil {
				t.Fatal(err)
			}
			v := clip.Video
			if len(v.Units) != tt.frames || v.Config.Record[0] != tt.video {
				t.Errorf("%d frames, record %x", len(v.Units), v.Config.Record)
			}
			if !v.Units[0].Key || v.Units[1].Key || !v.Units[30].Key {
				t.Error("keyframes are not where the GOP puts them")
			}
			if v.End != 2*event.Timescale {
				t.Errorf("video ends at %d", v.End)
			}
			if tt.audio == "" {
				return
			}
			if r := string(clip.Audio.Config.Record); len(r) < len(tt.audio) || r[:len(tt.audio)] != tt.audio {
				t.Errorf("audio record %q", r)
			}
			if n := len(clip.Audio.Units); n < 93 || n > 102 {
				t.Errorf("%d audio frames in 2 s", n)
			}
		})
	}
}
