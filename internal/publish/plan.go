package publish

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shoalcast/shoal/internal/ffmpeg"
)

// plan is what is sent of a source, and how.
type plan struct {
	target Target
	media  ffmpeg.Media
	input  []string // ffmpeg's arguments up to the source's name
	name   string   // the source, as ffmpeg is told
	codecs []string // ffmpeg's arguments between input and output
	loop   bool
	notes  []string // what a person should know of it, a sentence each
}

// farKeys is how far apart key frames may be before a person is told: a viewer who
// comes waits for one, and a segment is as long.
const farKeys = 10 * time.Second

// Errors of a source.
var errNothing = errors.New("it holds neither pictures nor sound that ffmpeg knows")

// carries reports whether a codec, ffmpeg's name of it, goes over a protocol as it is:
// Shoal takes it, and this ffmpeg writes it. Over RTMP everything but H.264 and AAC is
// Enhanced RTMP, which ffmpeg writes since 6.1, and with Opus since 8.0; AV1 in MPEG-TS as
// AOMedia has it, it does not write.
func carries(p Protocol, codec string, v ffmpeg.Version) bool {
	switch codec {
	case "h264", "aac":
		return true
	case "hevc":
		return p == SRT || v.AtLeast(6, 1)
	case "av1":
		return p == RTMP && v.AtLeast(6, 1)
	case "opus":
		return p == SRT || v.AtLeast(8, 0)
	}
	return false
}

// planFor decides what becomes of a source's tracks.
func planFor(m ffmpeg.Media, t Target, v ffmpeg.Version, transcode bool) (plan, error) {
	if m.Video == nil && m.Audio == nil {
		return plan{}, errNothing
	}
	p := plan{target: t, media: m}
	encoder := map[bool]string{} // whether it is the picture, to what it was
	if video := m.Video; video != nil {
		p.codecs = append(p.codecs, "-map", "0:V:0")
		if !transcode && carries(t.Protocol, video.Codec, v) {
			p.codecs = append(p.codecs, "-c:v", "copy")
			p.noteKeys(*video)
		} else {
			encoder[true] = video.Codec
			p.codecs = append(p.codecs, h264...)
		}
	}
	if audio := m.Audio; audio != nil {
		p.codecs = append(p.codecs, "-map", "0:a:0")
		if !transcode && carries(t.Protocol, audio.Codec, v) {
			p.codecs = append(p.codecs, "-c:a", "copy")
		} else {
			encoder[false] = audio.Codec
			p.codecs = append(p.codecs, aac...)
		}
	}
	if !transcode {
		p.noteTranscoding(encoder)
	}
	return p, nil
}

// h264 and aac are what every viewer plays: no picture waits for a later one, a key frame
// a second, and no more than a home's line carries.
var (
	h264 = []string{
		"-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency", "-pix_fmt", "yuv420p",
		"-crf", "23", "-maxrate", "8M", "-bufsize", "8M", "-force_key_frames", "expr:gte(t,n_forced)",
	}
	aac = []string{"-c:a", "aac", "-b:a", "128k", "-ar", "48000", "-ac", "2"}
)

func (p *plan) noteKeys(v ffmpeg.Video) {
	if v.KeyDistance <= farKeys {
		return
	}
	p.notes = append(p.notes, fmt.Sprintf(
		"Key frames are %s apart: viewers wait for one before they see anything. --transcode makes one a second.", v.KeyDistance.Round(time.Second)))
}

func (p *plan) noteTranscoding(was map[bool]string) {
	var parts []string
	if codec, ok := was[true]; ok {
		parts = append(parts, fmt.Sprintf("the picture (%s) to H.264", codec))
	}
	if codec, ok := was[false]; ok {
		parts = append(parts, fmt.Sprintf("the sound (%s) to AAC", codec))
	}
	if len(parts) > 0 {
		p.notes = append(p.notes, fmt.Sprintf("Transcoding %s: it does not go over %s as it is.", strings.Join(parts, " and "), p.target.Protocol))
	}
}

// arguments are ffmpeg's for a run that begins where the source is at from.
func (p plan) arguments(from time.Duration) []string {
	in := []string{"-re"}
	if p.loop {
		in = append(in, "-stream_loop", "-1")
	}
	if from > 0 {
		in = append(in, "-ss", strconv.FormatFloat(from.Seconds(), 'f', 3, 64))
	}
	return slices.Concat(in, p.input, []string{"-i", p.name}, p.codecs, p.target.output())
}

// resume is where in the source a run begins after so much was published; over is true
// when nothing is left.
func (p plan) resume(published time.Duration) (from time.Duration, over bool) {
	const rest = 500 * time.Millisecond // not worth a connection
	whole := p.media.Duration
	switch {
	case whole == 0:
		return 0, false
	case p.loop:
		return published % whole, false
	case published > whole-rest:
		return 0, published > 0
	}
	return published, false
}
