package publish

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Protocol is how media gets to a server.
type Protocol string

// The protocols.
const (
	RTMP Protocol = "RTMP"
	SRT  Protocol = "SRT"
)

// Target is where to publish to.
type Target struct {
	Protocol Protocol
	url      string   // ffmpeg's
	options  []string // ffmpeg's, before it
	shown    string
	secrets  []string // what is not to be shown, the longest first
}

// maxLatency is the most that an SRT address may ask for.
const maxLatency = 10 * time.Second

// ParseTarget reads a publish URL: rtmp:// or rtmps:// with what the server wants after
// the host, or srt://host:port?streamid=…&passphrase=…&latency=…, the latency in
// milliseconds as the SRT tools have it (docs/apps/srt-live-transmit.md of Haivision/srt).
// Its errors do not show the key.
func ParseTarget(s string) (Target, error) {
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" {
		return Target{}, errors.New("the publish URL is no URL: use one that `shoal stream list` prints, in quotes")
	}
	t := Target{shown: u.Scheme + "://" + u.Host}
	switch u.Scheme {
	case "rtmp", "rtmps":
		t.Protocol, t.url = RTMP, s
		err = t.hideRTMP(u)
	case "srt":
		t.Protocol = SRT
		err = t.readSRT(u)
	default:
		err = fmt.Errorf("cannot publish to %s://: a publish URL begins with rtmp://, rtmps:// or srt://", u.Scheme)
	}
	slices.SortFunc(t.secrets, func(a, b string) int { return len(b) - len(a) })
	return t, err
}

func (t *Target) hideRTMP(u *url.URL) error {
	app := strings.Trim(u.Path, "/")
	if app == "" {
		return errors.New("the publish URL names no stream: it is like rtmp://HOST:1935/live/NAME?key=KEY")
	}
	// Elsewhere the key is the last part of the path.
	t.hide(t.url, u.RequestURI(), u.RawQuery, app[strings.LastIndexByte(app, '/')+1:])
	for _, values := range u.Query() {
		t.hide(values...)
	}
	return nil
}

// readSRT turns the words of SRT's own tools into ffmpeg's: these have the latency in
// microseconds, and escapes in a passphrase are not undone, so that options carry them.
func (t *Target) readSRT(u *url.URL) error {
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return errors.New("the query of the SRT address is wrong: put it into quotes as `shoal stream add --json` prints it")
	}
	if _, port, err := net.SplitHostPort(u.Host); err != nil || port == "" {
		return errors.New("the SRT address names no port: it is like srt://HOST:8890?streamid=…")
	}
	if m := q.Get("mode"); m != "" && m != "caller" {
		return fmt.Errorf("the mode %q of the SRT address is not possible: who publishes calls (mode=caller)", m)
	}
	if v := q.Get("latency"); v != "" {
		ms, err := strconv.ParseUint(v, 10, 31)
		if err != nil || time.Duration(ms)*time.Millisecond > maxLatency {
			return fmt.Errorf("the latency %q of the SRT address is not 0 to %d, milliseconds", v, maxLatency.Milliseconds())
		}
		t.options = append(t.options, "-latency", strconv.FormatUint(1000*ms, 10))
	}
	if v := q.Get("passphrase"); v != "" {
		if len(v) < 10 || len(v) > 79 {
			return fmt.Errorf("the passphrase of the SRT address has %d bytes: it must have 10 to 79", len(v))
		}
		t.options = append(t.options, "-passphrase", v)
		t.hide(v)
	}
	if v := q.Get("pbkeylen"); v != "" {
		t.options = append(t.options, "-pbkeylen", v)
	}
	if v := q.Get("streamid"); v != "" {
		t.options = append(t.options, "-srt_streamid", v)
		t.hide(v)
		if _, key, ok := strings.Cut(v, "s="); ok {
			t.hide(key)
		}
	}
	t.url = "srt://" + u.Host + "?mode=caller&transtype=live"
	return nil
}

func (t *Target) hide(words ...string) {
	for _, w := range words {
		if len(w) >= 8 && !slices.Contains(t.secrets, w) { // less is no secret, but part of other words
			t.secrets = append(t.secrets, w)
		}
	}
}

// String is where that is, without who may.
func (t Target) String() string { return t.shown }

// redact takes out of a text what must not be shown.
func (t Target) redact(s string) string {
	for _, secret := range t.secrets {
		with := "…"
		if secret == t.url {
			with = t.shown
		}
		s = strings.ReplaceAll(s, secret, with)
	}
	return s
}

// output are ffmpeg's arguments from the container on.
func (t Target) output() []string {
	if t.Protocol == RTMP {
		return []string{"-flvflags", "no_duration_filesize", "-f", "flv", t.url}
	}
	// What waits in the muxer is late.
	out := []string{"-muxdelay", "0", "-muxpreload", "0", "-flush_packets", "1", "-f", "mpegts"}
	return append(append(out, t.options...), t.url)
}
