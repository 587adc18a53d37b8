package publish

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/shoalcast/shoal/internal/ffmpeg"
)

func said(lines ...string) error { return &ffmpeg.ExitError{Code: 1, Said: lines} }

func TestWhetherToTryAgain(t *testing.T) {
	t.Parallel()
	const (
		rejection = "15:58:49.544/SRT:RcvQ:w1!W:SRT.cn: processAsyncConnectRequest: REJECT reported from HS processing: "
		wrong     = "Server error: no such stream, or the publish key is wrong: use the publish URL that `shoal stream list` prints"
	)
	for name, c := range map[string]struct {
		err      error
		accepted bool
		again    bool
		want     string
	}{
		"a wrong key":                        {said(wrong), false, false, "the publish key is wrong: use"},
		"a key that was changed":             {said(wrong), true, false, "the publish key is wrong"},
		"a stream that has a publisher":      {said("Server error: stream \"x\" already has a publisher: stop that one first"), false, false, "already has a publisher"},
		"a server that has not noticed":      {said("Server error: stream \"x\" already has a publisher: stop that one first"), true, true, "already has a publisher"},
		"an SRT server that refuses":         {said(rejection + "Application-defined rejection reason - not processing further"), false, false, "publish key is wrong, there is no such stream"},
		"an SRT server that has not noticed": {said(rejection + "Application-defined rejection reason - not processing further"), true, true, "has a publisher already"},
		"a wrong passphrase":                 {said(rejection + "Incorrect passphrase - not processing further"), true, false, "passphrase is wrong"},
		"a missing passphrase":               {said(rejection + "Password required or unexpected - not"), true, false, "wants a passphrase"},
		"an SRT server with no room":         {said(rejection + "Backlog exceeded - not"), false, true, "Backlog exceeded"},
		"a server that is not there":         {said("Connection to tcp://127.0.0.1:1 failed", "rtmp://x: Connection refused"), false, true, "no connection (Connection refused)"},
		"a server that went":                 {said("av_interleaved_write_frame(): Broken pipe"), true, true, "lost (Broken pipe)"},
		"a server that takes nothing":        {errSilent, true, true, "takes nothing"},
		"words that nobody knows":            {said("Unknown encoder 'libx264'"), false, false, "Unknown encoder"},
		"an ffmpeg without SRT":              {said("srt://x: Protocol not found"), false, false, "--over"},
		"an ffmpeg that was stopped":         {context.Canceled, true, false, "canceled"},
	} {
		v := judge(c.err, target(t, rtmpURL), c.accepted)
		if v.final == c.again || !strings.Contains(v.reason, c.want) {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

func TestAServerThatRefusesForLongIsGivenUp(t *testing.T) {
	t.Parallel()
	s := session{o: Options{Target: target(t, rtmpURL), Retry: true}, status: Status{Published: 1}}
	var refused *RefusedError
	for n := 1; ; n++ {
		err := s.again(said("Server error: stream \"x\" already has a publisher"))
		if err == nil && n <= mostRefusals {
			continue
		}
		if !errors.As(err, &refused) || n != mostRefusals+1 {
			t.Fatalf("after %d refusals it says %v", n, err)
		}
		return
	}
}

func TestWithoutRetryTheFirstEndIsTheLast(t *testing.T) {
	t.Parallel()
	s := session{o: Options{Target: target(t, rtmpURL)}, status: Status{Published: 1}}
	err := s.again(said("rtmp://127.0.0.1:1935/live/concert?key=r2d2c3po: Broken pipe"))
	if err == nil || err.Error() != "rtmp://127.0.0.1:1935: the connection was lost (Broken pipe)" {
		t.Errorf("it says %v", err)
	}
}
