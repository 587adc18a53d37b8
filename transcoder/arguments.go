package transcoder

import (
	"fmt"
	"strconv"
	"strings"
)

// firstOutput is the file descriptor of the first rendition in the child.
const firstOutput = 3

// arguments are ffmpeg's: an init segment and pieces come in on standard input, and a
// transport stream of each step goes out on a pipe of its own. Pictures keep their times, and
// keyframes stay where the source has them and nowhere else.
func arguments(l Ladder, interlaced bool, threads int) []string {
	args := []string{
		"-loglevel", "repeat+level+error", // what it guesses is no news
		// Whatever is known of the stream is in the init segment: nothing is to be guessed from
		// seconds of media.
		"-probesize", "32", "-analyzeduration", "1", "-fpsprobesize", "0",
		"-copyts", "-flags", "low_delay", "-threads", "1", "-f", "mp4", "-i", "pipe:0",
		"-filter_threads", "1", "-filter_complex", graph(l, interlaced),
	}
	for i, s := range l {
		args = append(
			args, "-map", fmt.Sprintf("[o%d]", i),
			"-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-profile:v", "high",
			"-threads", strconv.Itoa(threads),
			"-bf", "0", "-g", "100000", "-sc_threshold", "0", "-forced-idr", "1", "-force_key_frames", "source",
			"-fps_mode", "passthrough", "-enc_time_base", "1:90000",
			"-b:v", strconv.Itoa(s.Bitrate), "-maxrate", strconv.Itoa(s.Bitrate*11/10), "-bufsize", strconv.Itoa(s.Bitrate),
			"-flush_packets", "1", "-omit_video_pes_length", "0", "-muxdelay", "0", "-muxpreload", "0", "-mpegts_copyts", "1", "-avoid_negative_ts", "disabled",
			"-f", "mpegts", fmt.Sprintf("pipe:%d", firstOutput+i),
		)
	}
	return args
}

// graph scales each step from the one above it, which is less work than from the source. A
// picture that is higher than wide has the step's height as its width. Of two fields, which no
// player here would put together, one picture is made before that.
func graph(l Ladder, interlaced bool) string {
	var b strings.Builder
	in := "[0:v:0]"
	if interlaced {
		in += "yadif=mode=send_frame:deint=interlaced,"
	}
	for i, s := range l {
		scale := fmt.Sprintf("scale=w='if(gte(iw,ih),-2,%[1]d)':h='if(gte(iw,ih),%[1]d,-2)':flags=bicubic", s.Height)
		if i == len(l)-1 {
			fmt.Fprintf(&b, "%s%s[o%d]", in, scale, i)
			break
		}
		fmt.Fprintf(&b, "%s%s,split=2[o%d][n%d];", in, scale, i, i)
		in = fmt.Sprintf("[n%d]", i)
	}
	return b.String()
}
