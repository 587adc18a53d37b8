package e2e

import (
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestAStreamIsPulledFromAnSRTListenerThatComesAndGoes(t *testing.T) {
	t.Parallel()
	i := up(t)
	s := i.addStream("concert")
	source := freePort(t)
	listening := "srt://" + source + "?mode=listener&passphrase=between-the-halls"
	pull := background(t, binary, "pull", "srt://"+source+"?passphrase=between-the-halls&latency=200", "--as", "concert", "--data", i.data)
	waitFor(t, 15*time.Second, "the pull to say that nobody is there", func() bool { return contains(pull.log, "next_try_in=") })

	ffmpeg := background(t, "ffmpeg", overSRT(listening)...)
	i.live("concert")
	_, file := watch(t, s.Watch, "--seconds", "3")
	decodes(t, file)
	if !contains(pull.log, "connected to the SRT source") {
		t.Errorf("the pull does not say that it is connected: %s", pull.log)
	}
	if publish(t, s).wait(t, 15*time.Second) == 0 {
		t.Error("somebody else could publish meanwhile")
	}

	// The source restarts.
	first := i.manifest("concert").lastEpoch(t)
	ffmpeg.kill()
	waitFor(t, 25*time.Second, "the epoch to end with its source", func() bool { return !i.manifest("concert").Live })
	background(t, "ffmpeg", overSRT(listening)...)
	waitFor(t, 40*time.Second, "the next epoch, when the source is back", func() bool {
		m := i.manifest("concert")
		return m.Live && m.lastEpoch(t) > first
	})
	// Nor does a new publish key end what needs none.
	i.shoal("stream", "rotate-key", "concert", "--data", i.data)
	second := i.manifest("concert").lastEpoch(t)

	// Ctrl-C.
	_ = pull.cmd.Process.Signal(syscall.SIGINT)
	if code := pull.wait(t, 5*time.Second); code != 0 {
		t.Errorf("after Ctrl-C it ended with %d: %s", code, pull.log)
	}
	waitFor(t, 5*time.Second, "the epoch to end after Ctrl-C", func() bool { return !i.manifest("concert").Live })
	if e := i.manifest("concert").lastEpoch(t); e != second {
		t.Errorf("epoch %d became %d before Ctrl-C", second, e)
	}
	if contains(i.log, "between-the-halls") || contains(pull.log, "between-the-halls") {
		t.Error("a log holds the passphrase")
	}
}

func TestAPullThatCannotBeSaysWhy(t *testing.T) {
	t.Parallel()
	i := up(t)
	for _, tt := range []struct{ source, as, data, says string }{
		{"srt://127.0.0.1:9", "nowhere", i.data, "shoal stream add nowhere"},
		{"srt://127.0.0.1:9?latency=long", "live", i.data, `the latency "long"`},
		{"srt://127.0.0.1:9?program=0", "live", i.data, "the program is not a number"},
		{"http://127.0.0.1:9", "live", i.data, "an SRT address is srt://host:port"},
		{"srt://127.0.0.1:9", "live", t.TempDir(), "start `shoal up`"},
	} {
		_, errOut, code := runShoal(t, "pull", tt.source, "--as", tt.as, "--data", tt.data)
		if code != 2 || !strings.Contains(errOut, tt.says) {
			t.Errorf("pull %s --as %s: exit %d, %s", tt.source, tt.as, code, errOut)
		}
	}

	// What is removed meanwhile, and an instance that stops.
	i.addStream("concert")
	removed := background(t, binary, "pull", "srt://127.0.0.1:9", "--as", "concert", "--data", i.data)
	waitFor(t, 15*time.Second, "the pull to begin", func() bool { return contains(removed.log, "next_try_in=") })
	if _, errOut, code := runShoal(t, "pull", "srt://127.0.0.1:9", "--as", "concert", "--data", i.data); code != 2 || !strings.Contains(errOut, "pulled already") {
		t.Errorf("a second pull: exit %d, %s", code, errOut)
	}
	i.shoal("stream", "rm", "concert", "--yes", "--data", i.data)
	gone := background(t, binary, "pull", "srt://127.0.0.1:9", "--as", "live", "--data", i.data)
	waitFor(t, 15*time.Second, "the pull to begin", func() bool { return contains(gone.log, "next_try_in=") })
	if code := removed.wait(t, 5*time.Second); code != 1 || !contains(removed.log, "shoal stream add concert") {
		t.Errorf("when its stream was removed: exit %d, %s", code, removed.log)
	}
	i.stop()
	if code := gone.wait(t, 5*time.Second); code != 1 || !contains(gone.log, "start this again") && !contains(gone.log, "the server stopped") {
		t.Errorf("when the instance stopped: exit %d, %s", code, gone.log)
	}
}
