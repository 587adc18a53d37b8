package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// film makes a media file of so many seconds.
func film(t *testing.T, name, seconds string, codecs ...string) string {
	t.Helper()
	if len(codecs) == 0 {
		codecs = plain
	}
	path := filepath.Join(t.TempDir(), name)
	args := slices.Concat([]string{"-v", "error", "-nostdin", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=30", "-f", "lavfi", "-i", "sine=sample_rate=48000"},
		codecs, []string{"-t", seconds, path})
	if p := background(t, "ffmpeg", args...); p.wait(t, 60*time.Second) != 0 {
		t.Fatalf("the film was not made: %s", p.log)
	}
	return path
}

// interrupt ends a command as Ctrl-C would.
func (p *process) interrupt(t *testing.T) {
	t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGINT)
	if code := p.wait(t, 10*time.Second); code != 0 {
		t.Errorf("after Ctrl-C it ended with %d: %s", code, p.log)
	}
}

func TestAFileIsPublishedWithOneCommand(t *testing.T) {
	t.Parallel()
	path := film(t, "film.mp4", "30")
	for name, flags := range map[string][]string{"in the clear": nil, "encrypted": {"--srt-passphrase", "secret, 100% of it"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := up(t, append(flags, "--srt", "127.0.0.1:0")...)
			s := i.addStream("concert")
			other := i.addStream("other")
			for what, c := range map[string]struct {
				s    stream
				args []string
			}{
				"by its name, over SRT": {s, []string{"--as", "concert", "--data", i.data}},
				"by its URL, over RTMP": {other, []string{"--to", other.RTMP}},
			} {
				p := background(t, binary, append([]string{"publish", path}, c.args...)...)
				i.live(c.s.Name)
				sum, file := watch(t, c.s.Watch, "--seconds", "4")
				decodes(t, file)
				if got := probe(t, file); !strings.Contains(got, "h264,320,180") || !strings.Contains(got, "aac,48000,1") {
					t.Errorf("%s: what was watched is %s", what, got)
				}
				if *sum.BlocksRejected != 0 {
					t.Errorf("%s: %d blocks were rejected", what, *sum.BlocksRejected)
				}
				p.interrupt(t)
				if !contains(p.log, "Published 0:") || contains(p.log, "Transcoding") {
					t.Errorf("%s: it says %s", what, p.log)
				}
				if contains(p.log, c.s.PublishKey) || contains(p.log, "100%") {
					t.Errorf("%s: it shows a key", what)
				}
			}
			if !contains(i.log, `encoder="SRT`) || !contains(i.log, `encoder="FMLE`) {
				t.Error("it did not come over SRT and RTMP both")
			}
		})
	}
}

func TestATransportStreamIsPublishedFromStandardInput(t *testing.T) {
	t.Parallel()
	path := film(t, "film.ts", "6")
	i := up(t, "--srt", "127.0.0.1:0")
	for _, over := range []string{"rtmp", "srt"} {
		s := i.addStream(over)
		in, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(binary, "publish", "-", "--as", over, "--over", over, "--data", i.data)
		cmd.Stdin = in
		began := time.Now()
		p := run(t, cmd)
		i.live(over)
		_, file := watch(t, s.Watch, "--seconds", "2")
		decodes(t, file)
		if code := p.wait(t, 30*time.Second); code != 0 {
			t.Errorf("over %s it ended with %d: %s", over, code, p.log)
		}
		if took := time.Since(began); took < 5*time.Second {
			t.Errorf("over %s 6 s were published in %s", over, took)
		}
		_ = in.Close()
	}
	out, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(binary, "publish", "-", "--as", "rtmp", "--data", i.data)
	cmd.Stdin = out
	if p := run(t, cmd); p.wait(t, 10*time.Second) != 2 || !contains(p.log, "MPEG-TS") {
		t.Errorf("of nothing it says %s", p.log)
	}
}

func TestALoopPlaysOnPastTheEndOfTheFile(t *testing.T) {
	t.Parallel()
	i := up(t)
	s := i.addStream("concert")
	p := background(t, binary, "publish", film(t, "film.mp4", "3"), "--as", "concert", "--data", i.data, "--loop")
	i.live("concert")
	before := i.manifest("concert").lastEpoch(t)
	sum, file := watch(t, s.Watch, "--seconds", "10") // three of its ends, at least
	decodes(t, file)
	if sum.PiecesVerified < 45 {
		t.Errorf("of 10 s there are %d pieces", sum.PiecesVerified)
	}
	if m := i.manifest("concert"); !m.Live || m.lastEpoch(t) != before {
		t.Error("it did not play on: another epoch began, or none is live")
	}
	p.interrupt(t)
	if !contains(p.log, "loop 4") && !contains(p.log, "loop 5") && !contains(p.log, "loop 6") && !contains(p.log, "loop 7") {
		t.Errorf("it says %s", p.log)
	}
}

func TestWhatShoalDoesNotCarryIsTranscodedWithASentence(t *testing.T) {
	t.Parallel()
	i := up(t)
	s := i.addStream("concert")
	path := film(t, "film.mkv", "20", "-c:v", "mpeg4", "-c:a", "libvorbis")
	p := background(t, binary, "publish", path, "--as", "concert", "--data", i.data)
	i.live("concert")
	_, file := watch(t, s.Watch, "--seconds", "3")
	decodes(t, file)
	if got := probe(t, file); !strings.Contains(got, "h264,320,180") || !strings.Contains(got, "aac,48000") {
		t.Errorf("what was watched is %s", got)
	}
	if !contains(p.log, "Transcoding the picture (mpeg4) to H.264 and the sound (vorbis) to AAC") {
		t.Errorf("it says %s", p.log)
	}
	p.interrupt(t)
}

func TestAPublishThatIsNotWantedEndsAtOnceWithASentence(t *testing.T) {
	t.Parallel()
	i := up(t, "--srt", "127.0.0.1:0", "--srt-passphrase", "secret, 100% of it")
	s := i.addStream("concert")
	path := film(t, "film.mp4", "5")
	for what, c := range map[string]struct{ to, want string }{
		"a wrong key over RTMP": {strings.Replace(s.RTMP, s.PublishKey, "wrong", 1), "the publish key is wrong"},
		"a wrong key over SRT":  {strings.Replace(s.SRT, s.PublishKey, "wrong", 1), "the publish key is wrong"},
		"a wrong passphrase":    {strings.Replace(s.SRT, "secret", "secrets", 1), "the passphrase is wrong"},
		"no URL":                {"concert", "stream list"},
	} {
		_, said, code := runShoal(t, "publish", path, "--to", c.to)
		if code != 2 || !strings.Contains(said, c.want) || strings.Contains(said, "Trying again") {
			t.Errorf("%s: it ended with %d: %s", what, code, said)
		}
	}
	for what, c := range map[string]struct {
		args []string
		want string
	}{
		"a stream that is not there": {[]string{path, "--as", "nobody", "--data", i.data}, "stream add nobody"},
		"a file that is not there":   {[]string{"nowhere.mp4", "--to", s.RTMP}, "no file nowhere.mp4"},
		"a file that is no film":     {[]string{"publish_test.go", "--to", s.RTMP}, "publish_test.go"},
		"nowhere to go":              {[]string{path}, "--as NAME"},
	} {
		if _, said, code := runShoal(t, append([]string{"publish"}, c.args...)...); code != 2 || !strings.Contains(said, c.want) {
			t.Errorf("%s: it ended with %d: %s", what, code, said)
		}
	}
}

func TestAPublishComesBackWhenTheServerDoes(t *testing.T) {
	t.Parallel()
	i := up(t)
	s := i.addStream("concert")
	path := film(t, "film.mp4", "60")
	patient := background(t, binary, "publish", path, "--to", s.RTMP)
	i.live("concert")
	before := i.manifest("concert")
	i.kill()
	waitFor(t, 20*time.Second, "the publish to notice", func() bool { return contains(patient.log, "Trying again") })
	_, said, code := runShoal(t, "publish", path, "--to", s.RTMP, "--retry=false")
	if code != 1 || !strings.Contains(said, "Connection refused") {
		t.Errorf("without --retry it ended with %d: %s", code, said)
	}
	i.start()
	waitFor(t, 40*time.Second, "the next epoch", func() bool {
		m := i.manifest("concert")
		return m.Live && m.lastEpoch(t) > before.lastEpoch(t)
	})
	patient.interrupt(t)
	if !contains(patient.log, "1 reconnect") {
		t.Errorf("it says %s", patient.log)
	}
}
