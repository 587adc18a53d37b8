package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"path/filepath"
	"strings"
	"testing"
)

const viewersLink = "http://127.0.0.1:1/live/a"

// homeless takes away where a user's configuration would stand.
func homeless(t *testing.T) {
	t.Helper()
	t.Setenv("HOME", "")
	t.Setenv("XDG_CONFIG_HOME", "")
}

func TestALinkThatNamesItsStreamNeedsNoPlaceForKeys(t *testing.T) {
	homeless(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // nobody is there to be watched
	var stderr bytes.Buffer
	link := viewersLink + "#" + strings.Repeat("a", 32)
	if code := run(ctx, []string{"watch", link}, nil, &stderr, &stderr); code != exitOK {
		t.Errorf("exit %d: %s", code, &stderr)
	}
	refuses(t, "--pins", "watch", viewersLink)
}

func TestWithJSONStatsEveryErrorIsALineOfJSON(t *testing.T) {
	homeless(t)
	missing := filepath.Join(t.TempDir(), "no", "file")
	for name, args := range map[string][]string{
		"negative seconds": {viewersLink, "--seconds=-1"},
		"a bad link":       {"ftp://example.org"},
		"no place":         {viewersLink},
		"a bad log file":   {viewersLink + "#" + strings.Repeat("a", 32), "--log-file", missing},
		"a bad flag":       {viewersLink, "--nonsense"},
		"a bad value":      {viewersLink, "--seconds", "many"},
	} {
		_, stderr, code := shoal(t, append([]string{"watch", "--stats", "json"}, args...)...)
		if code != exitRefused {
			t.Errorf("%s: exit %d", name, code)
		}
		var line errorLine
		if err := json.Unmarshal([]byte(stderr), &line); err != nil || line.Error == "" {
			t.Errorf("%s: standard error holds %q", name, stderr)
		}
	}
}

func TestPlayersAreServedOnlyWhereNobodyElseIs(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	link := viewersLink + "#" + strings.Repeat("a", 32)
	refuses(t, l.Addr().String()+" is taken by another program", "watch", link, "--hls", l.Addr().String())
	refuses(t, "--hls", "watch", link, "--hls", "9000")
	refuses(t, "--up", "watch", link, "--up", "fast")
	refuses(t, "--no-up", "watch", link, "--up", "5Mbit", "--no-up")
}
