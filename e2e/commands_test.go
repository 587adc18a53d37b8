package e2e

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/shoalcast/shoal/event"
)

func TestLogsAreJSONLinesWhenAskedForAndHoldNoPublishKey(t *testing.T) {
	t.Parallel()
	i := up(t, "--log-format", "json")
	s := i.addStream("concert")
	publish(t, s)
	i.live("concert")
	wrong := s
	wrong.RTMP = strings.Replace(s.RTMP, s.PublishKey, "wrong", 1)
	publish(t, wrong).wait(t, 15*time.Second)
	i.stop()
	services := map[string]bool{}
	for line := range strings.Lines(i.log.String()) {
		var l struct{ Time, Level, Msg, Service string }
		if err := json.Unmarshal([]byte(line), &l); err != nil || l.Time == "" || l.Level == "" || l.Msg == "" {
			t.Errorf("the log holds %q (%v)", line, err)
		}
		services[l.Service] = true
	}
	if !services["ingest"] {
		t.Errorf("lines of %v, the ingest's are missing", services)
	}
	if contains(i.log, s.PublishKey) {
		t.Error("the log holds the publish key")
	}
}

func TestLinksNameTheAddressThatTheWorldUses(t *testing.T) {
	t.Parallel()
	const public = "https://live.example.org"
	i := up(t, "--public-url", public+"/")
	s := i.addStream("concert")
	_, port, _ := strings.Cut(strings.TrimPrefix(i.at.RTMP, "rtmp://"), ":")
	watch := public + "/live/concert#" + s.ID
	rtmp := "rtmp://live.example.org:" + port + "/concert?key=" + s.PublishKey // port ends in /live
	if s.Watch != watch || s.RTMP != rtmp {
		t.Errorf("stream add says %s and %s, want %s and %s", s.Watch, s.RTMP, watch, rtmp)
	}
	_, body, _ := i.get("/api/v1/streams")
	if !bytes.Contains(body, []byte(`"`+watch+`"`)) {
		t.Errorf("/api/v1/streams says %s", body)
	}
	listed := func() string {
		t.Helper()
		out := i.shoal("stream", "list", "--data", i.data)
		var all []stream
		if err := json.Unmarshal([]byte(i.shoal("stream", "list", "--data", i.data, "--json")), &all); err != nil {
			t.Fatal(err)
		}
		if len(all) != 2 || all[0] != s || !strings.Contains(out, watch) || !strings.Contains(out, rtmp) {
			t.Errorf("stream list says %+v and %s", all, out)
		}
		return out
	}
	running := listed()
	i.stop()
	if stopped := listed(); stopped != running {
		t.Errorf("stopped, stream list says %s; running, it said %s", stopped, running)
	}
	// Started again, it greets with the same links, but no key goes into a kept log.
	i.start()
	if !contains(i.out, watch) || contains(i.out, s.PublishKey) || contains(i.log, s.PublishKey) {
		t.Errorf("up says %s", i.out)
	}
}

func TestWhenTheCreatorsKeyIsReplacedOldLinksGoOnVerifying(t *testing.T) {
	t.Parallel()
	i := up(t, "--session-length", "10s") // the next record is the new key's
	s := i.addStream("concert")
	publish(t, s)
	i.live("concert")
	dir := t.TempDir()
	file := filepath.Join(dir, "out.mp4")
	watcher := background(t, binary, "watch", s.Watch, "--out", file, "--pins", filepath.Join(dir, "pins"))
	waitFor(t, 20*time.Second, "watch to write", func() bool { return size(t, file) > 0 })
	before := i.manifest("concert")
	old := before.trust(t).RootKey()

	i.shoal("stream", "rotate-key", "concert", "--root", "--data", i.data)
	var now document
	waitFor(t, 30*time.Second, "entries under the new key", func() bool {
		now = i.manifest("concert")
		session, _, ok := now.trust(t).SessionAt(now.last(t))
		was, _, _ := before.trust(t).SessionAt(before.last(t))
		return ok && session.Serial > was.Serial
	})
	if trust := now.trust(t); trust.RootKey().Equal(old) || string(trust.ID()) != s.ID {
		t.Errorf("after the rotation the stream %s has the key %x, before %x", trust.ID(), trust.RootKey(), old)
	}
	written := size(t, file)
	waitFor(t, 20*time.Second, "the viewer from before to go on", func() bool { return size(t, file) > written })
	select {
	case <-watcher.done:
		t.Errorf("watch gave up: %s", watcher.log)
	default:
	}
	if sum, _ := watch(t, s.Watch, "--seconds", "2"); sum.PiecesRejected != 0 || sum.PiecesVerified == 0 {
		t.Errorf("by the old link a new viewer says %+v", sum)
	}
	i.stop()
	verifyChain(t, i.data, event.StreamID(s.ID))
}

func TestManifestJSONIsFreshEnoughToJoinBy(t *testing.T) {
	t.Parallel()
	i := up(t)
	s := i.addStream("concert")
	p := publish(t, s)
	i.live("concert")
	for range 10 {
		_, _, headers := i.get("/live/concert/manifest.json")
		if cache := headers.Get("Cache-Control"); cache != "public, max-age=1" {
			t.Errorf("manifest.json may be kept by %q", cache)
		}
		d := i.manifest("concert")
		if off := time.Since(time.UnixMilli(d.Now)).Abs(); off > time.Second {
			t.Errorf("manifest.json says it is %s, which is %s off", time.UnixMilli(d.Now), off)
		}
		entries := d.entries(t)
		last := entries[len(entries)-1]
		session, _, ok := d.trust(t).SessionAt(last.Position())
		if !ok {
			t.Fatalf("manifest.json lacks the session record of %s", last.Position())
		}
		if age := d.Now - last.Issued; age < 0 || age > 2000 || age > session.FreshMS {
			t.Errorf("the newest entry was signed %d ms ago", age)
		}
		if !entries[0].StartsSegment() {
			t.Errorf("it starts with %s, in the middle of a segment", entries[0].Position())
		}
		waitFor(t, 5*time.Second, "the next entry", func() bool { return last.Position().Before(i.manifest("concert").last(t)) })
	}
	p.kill()
	waitFor(t, 15*time.Second, "the end of the publish", func() bool { return !i.manifest("concert").Live })
}

func TestWatchTellsPeopleHowItGoes(t *testing.T) {
	t.Parallel()
	i := up(t)
	s := i.addStream("concert")
	publish(t, s)
	i.live("concert")
	_, stderr, code := runShoal(t, "watch", s.Watch, "--seconds", "3", "--stats", "text", "--log-level", "error", "--pins", filepath.Join(t.TempDir(), "p"))
	if code != 0 {
		t.Fatalf("watch: exit %d: %s", code, stderr)
	}
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	second := regexp.MustCompile(`^ *\d+\.\d s  verified +delay +\d+ ms  verified \d+  rejected 0  stalls \d+$`)
	seconds := 0
	for _, line := range lines[:len(lines)-1] {
		if second.MatchString(line) {
			seconds++
		}
	}
	if seconds < 2 || !regexp.MustCompile(`^[1-9]\d* pieces verified, 0 rejected, delay \d+ ms \(p95 \d+ ms\), \d+ stalls$`).MatchString(lines[len(lines)-1]) {
		t.Errorf("watch says %s", stderr)
	}
}
