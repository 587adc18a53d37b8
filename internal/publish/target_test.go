package publish

import (
	"slices"
	"strings"
	"testing"
)

const (
	rtmpURL = "rtmp://127.0.0.1:1935/live/concert?key=r2d2c3po"
	srtURL  = "srt://127.0.0.1:8890?latency=200&passphrase=a+secret%2C+100%25+of+it&streamid=%23%21%3A%3Ar%3Dconcert%2Cm%3Dpublish%2Cs%3Dr2d2c3po"
)

func target(t *testing.T, url string) Target {
	t.Helper()
	to, err := ParseTarget(url)
	if err != nil {
		t.Fatal(err)
	}
	return to
}

func TestAnSRTAddressOfTheToolsIsReadAsTheyMeanIt(t *testing.T) {
	t.Parallel()
	out := target(t, srtURL).output()
	for option, want := range map[string]string{
		"-latency":      "200000", // microseconds, to ffmpeg
		"-passphrase":   "a secret, 100% of it",
		"-srt_streamid": "#!::r=concert,m=publish,s=r2d2c3po",
		"-f":            "mpegts",
	} {
		if i := slices.Index(out, option); i < 0 || out[i+1] != want {
			t.Errorf("%s is not %q in %q", option, want, out)
		}
	}
	if last := out[len(out)-1]; last != "srt://127.0.0.1:8890?mode=caller&transtype=live" {
		t.Errorf("ffmpeg calls %s", last)
	}
}

func TestAnRTMPAddressGoesToFFmpegAsItIs(t *testing.T) {
	t.Parallel()
	out := target(t, rtmpURL).output()
	if out[len(out)-1] != rtmpURL || !slices.Contains(out, "flv") {
		t.Errorf("ffmpeg is told %q", out)
	}
}

func TestNoKeyIsShown(t *testing.T) {
	t.Parallel()
	for _, url := range []string{rtmpURL, srtURL, "rtmps://elsewhere.example/live2/r2d2c3po"} {
		to := target(t, url)
		said := to.redact("Error opening output " + to.url + " of " + url + ": r2d2c3po, a secret, 100% of it")
		if s := to.String() + said; strings.Contains(s, "r2d2c3po") || strings.Contains(said, "a secret") && to.Protocol == SRT {
			t.Errorf("of %s is shown: %s", url, s)
		}
		if !strings.Contains(said, "Error opening output "+to.String()) {
			t.Errorf("too much is hidden: %s", said)
		}
	}
}

func TestWhatIsNoPublishURLIsRefusedWithASentence(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"":                                     "stream list",
		"film.mp4":                             "stream list",
		"http://127.0.0.1/live/concert":        "rtmp://, rtmps:// or srt://",
		"rtmp://127.0.0.1:1935/":               "names no stream",
		"srt://127.0.0.1?streamid=x":           "names no port",
		"srt://127.0.0.1:1?mode=listener":      "listener",
		"srt://127.0.0.1:1?latency=1h":         "milliseconds",
		"srt://127.0.0.1:1?latency=10001":      "milliseconds",
		"srt://127.0.0.1:1?passphrase=toshort": "10 to 79",
		"srt://127.0.0.1:1?streamid=%zz":       "quotes",
	} {
		if _, err := ParseTarget(url); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "toshort") {
			t.Errorf("of %q it says %v", url, err)
		}
	}
}
