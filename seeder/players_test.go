package seeder

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/shoalcast/shoal/bus/bustest"
)

// ffmpeg plays a live stream from its multivariant playlist while pieces keep coming.
func TestFFmpegPlays(t *testing.T) {
	b := bustest.Start(t)
	o := startOrigin(t, b, nil)
	p := publish(t, b, "live", false)
	p.golive(time.Now().Add(-8 * time.Second))
	p.send(40)
	o.edge(p, 39)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "ffmpeg", "-v", "error", "-xerror", "-stats", "-i", o.url+"/live/live/index.m3u8", "-t", "6", "-f", "null", "-")
	var out bytes.Buffer
	cmd.Stderr = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			p.send(1)
			continue
		case err := <-done:
			if err != nil {
				t.Fatalf("ffmpeg: %v\n%s", err, out.String())
			}
		}
		break
	}
	frames := regexp.MustCompile(`frame=\s*(\d+)`).FindAllStringSubmatch(out.String(), -1)
	if len(frames) == 0 || frames[len(frames)-1][1] < "149" {
		t.Errorf("6 s at 25 frames a second gave %s", out.String())
	}
}

// The parser that video.js plays with reads our playlists as they are meant.
func TestM3U8ParserReadsPlaylists(t *testing.T) {
	b := bustest.Start(t)
	o := startOrigin(t, b, nil)
	p := publish(t, b, "live", false)
	p.golive(time.Now().Add(-40 * time.Second))
	p.send(180)
	p.golive(time.Now().Add(-4 * time.Second))
	p.send(13)
	o.edge(p, 12)
	type part struct{ URI string }
	type playlist struct {
		TargetDuration      float64
		MediaSequence       int
		DiscontinuityStarts []int
		PartTargetDuration  float64
		PreloadSegment      *struct{ Parts []part }
		ServerControl       struct{ CanBlockReload bool }
		Skip                *struct{ SkippedSegments int }
		EndList             bool
		Segments            []struct {
			Duration float64
			URI      string
			Parts    []part
			Map      struct{ URI string }
		}
		Playlists []struct {
			URI        string
			Attributes struct {
				BANDWIDTH int
				CODECS    string
			}
		}
		Warnings []string
	}
	parse := func(path string) (l playlist) {
		cmd := exec.CommandContext(t.Context(), "node", "--input-type=module", "-e", `
			import { Parser } from 'm3u8-parser'
			const warnings = []
			const p = new Parser()
			p.on('warn', e => warnings.push(e.message))
			p.push((await import('node:fs')).readFileSync(0, 'utf8')); p.end()
			process.stdout.write(JSON.stringify({...p.manifest, warnings}))`)
		cmd.Dir = filepath.Join("..", "web")
		text := o.want(path, 200).body
		cmd.Stdin = bytes.NewReader(text)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("m3u8-parser (make setup installs it): %v", err)
		}
		if err := json.Unmarshal(out, &l); err != nil {
			t.Fatal(err)
		}
		if len(l.Warnings) > 0 {
			t.Errorf("m3u8-parser warns of %q in\n%s", l.Warnings, text)
		}
		return l
	}
	l := parse("/live/live/v0/index.m3u8")
	var media float64
	for _, s := range l.Segments {
		media += s.Duration
	}
	last := l.Segments[len(l.Segments)-1]
	if l.TargetDuration != 4 || l.PartTargetDuration != 0.2 || !l.ServerControl.CanBlockReload || l.EndList ||
		len(l.DiscontinuityStarts) != 1 || media < 30 || media > 34 || last.URI != "seg/37.m4s" ||
		l.PreloadSegment == nil || len(l.PreloadSegment.Parts) != 3 || l.Segments[0].URI != fmt.Sprintf("seg/%d.m4s", l.MediaSequence) {
		t.Errorf("the playlist reads as %+v", l)
	}
	for _, s := range l.Segments {
		o.want("/live/live/v0/"+s.URI, 200)
		for _, q := range s.Parts {
			o.want("/live/live/v0/"+q.URI, 200)
		}
	}
	if l := parse("/live/live/v0/index.m3u8?_HLS_skip=YES"); l.Skip == nil || l.Skip.SkippedSegments < 5 {
		t.Errorf("the delta update skips %+v", l.Skip)
	}
	if l := parse("/live/live/index.m3u8"); len(l.Playlists) != 1 || l.Playlists[0].URI != "v0/index.m3u8" || l.Playlists[0].Attributes.BANDWIDTH < 100_000 {
		t.Errorf("the multivariant playlist reads as %+v", l.Playlists)
	}
}

func TestHeldRequestsShareOneHTTP2Connection(t *testing.T) {
	b := bustest.Start(t)
	o := startOrigin(t, b, nil)
	server := httptest.NewUnstartedServer(o.Handler())
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	o2 := &origin{Service: o.Service, t: t, url: server.URL, client: server.Client()}
	p := publish(t, b, "live", false)
	p.golive(time.Now())
	p.send(1)
	o2.edge(p, 0)
	res, err := o2.client.Get(server.URL + "/api/v1/time")
	if err != nil || res.ProtoMajor != 2 {
		t.Fatalf("not HTTP/2: %v", err)
	}
	res.Body.Close()
	var answers []func() (answer, error)
	for range 50 {
		answers = append(answers, o2.wait("/live/live/v0/index.m3u8?_HLS_msn=0&_HLS_part=1"), o2.wait(pieceURL(p, 1)))
	}
	o2.held(p, 100)
	p.send(1)
	for i, wait := range answers {
		if a, err := wait(); err != nil || a.status != 200 || i%2 == 1 && !strings.HasPrefix(a.header.Get("Content-Type"), "video/") {
			t.Fatalf("%d: %d %v", i, a.status, err)
		}
	}
}
