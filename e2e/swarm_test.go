package e2e

import (
	"bytes"
	"encoding/json"
	"net"
	"net/netip"
	"net/url"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shoalcast/shoal/swarm/metainfo"
)

// metric returns the value of a metric without labels.
func (i *instance) metric(name string) float64 {
	i.t.Helper()
	_, body, _ := i.get("/metrics")
	found := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindSubmatch(body)
	if found == nil {
		i.t.Fatalf("there is no metric %s", name)
	}
	v, err := strconv.ParseFloat(string(found[1]), 64)
	if err != nil {
		i.t.Fatal(err)
	}
	return v
}

// magnet returns the stream's magnet link without the page that it names.
func (i *instance) magnet(name string) string {
	i.t.Helper()
	_, body, _ := i.get("/live/" + name + "/manifest.json")
	var d struct {
		Magnet string `json:"magnet"`
	}
	if err := json.Unmarshal(body, &d); err != nil {
		i.t.Fatal(err)
	}
	return without(i.t, d.Magnet, "xs")
}

// without returns a magnet link that lacks a field.
func without(t *testing.T, magnet, field string) string {
	t.Helper()
	u, err := url.Parse(magnet)
	if err != nil {
		t.Fatal(err)
	}
	if !u.Query().Has(field) {
		t.Fatalf("%s has no %s", magnet, field)
	}
	stripped := regexp.MustCompile(`&`+field+`=[^&]*`).ReplaceAllString(u.RawQuery, "")
	return "magnet:?" + stripped
}

func TestThreeViewersTakeMostFromEachOther(t *testing.T) {
	t.Parallel()
	i := up(t)
	s := i.addStream("concert")
	publish(t, s)
	i.live("concert")
	var viewers []*viewer
	for range 3 {
		viewers = append(viewers, i.view(s.Watch, "--seconds", "10"))
	}
	var peers, all int64
	for _, v := range viewers {
		if code := v.wait(t, 40*time.Second); code != 0 {
			t.Fatalf("watch: exit %d: %s", code, v.log)
		}
		p := v.now()
		p.requireAllTrue(t)
		if *p.Stalls != 0 {
			t.Errorf("%d stalls", *p.Stalls)
		}
		peers, all = peers+p.Bytes["peer"], all+p.total()
		decodes(t, v.file)
	}
	if share := float64(peers) / float64(all); share < 0.55 {
		t.Errorf("%.0f %% came from other viewers", 100*share)
	}
	copies := i.metric("shoal_seed_sent_bytes_total") / (float64(all) / 3)
	if copies == 0 || copies > 2 {
		t.Errorf("the seed gave %.1f copies to three viewers", copies)
	}
}

func TestTheSeedIsFoundWhereTheWorldReachesIt(t *testing.T) {
	t.Parallel()
	const public = "203.0.113.7"
	i := up(t, "--public-url", "http://"+public+":8080")
	s := i.addStream("concert")
	s.RTMP = strings.Replace(s.RTMP, public, "127.0.0.1", 1)
	encoder(t, s)
	i.live("concert")
	world := func(addr string) string {
		_, port, err := net.SplitHostPort(addr)
		if err != nil {
			t.Fatal(err)
		}
		return net.JoinHostPort(public, port)
	}
	seed, stun := world(i.at.Torrent), world(strings.TrimPrefix(i.at.STUN, "stun:"))
	_, body, _ := i.get("/live/concert/manifest.json")
	var d struct {
		Seeds, STUN []string
		Magnet      string
	}
	if err := json.Unmarshal(body, &d); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(d.Seeds, []string{seed}) || !slices.Equal(d.STUN, []string{stun}) {
		t.Errorf("manifest.json names seeds %v and STUN %v, want %s and %s", d.Seeds, d.STUN, seed, stun)
	}
	// The tracker, which is all that a magnet link without the page leads to.
	link, err := metainfo.ParseMagnet(d.Magnet)
	if err != nil {
		t.Fatal(err)
	}
	q := url.Values{
		"info_hash": {string(link.InfoHash[:])}, "peer_id": {strings.Repeat("x", 20)}, "port": {"1"}, "left": {"1"},
	}
	addr := netip.MustParseAddrPort(seed)
	compact := append(addr.Addr().AsSlice(), byte(addr.Port()>>8), byte(addr.Port()))
	var answer []byte
	waitFor(t, 10*time.Second, "the tracker to know the seed", func() bool {
		_, answer, _ = i.get("/announce?" + q.Encode())
		return bytes.Contains(answer, compact)
	})
	if bytes.Contains(answer, []byte{127, 0, 0, 1}) {
		t.Errorf("the tracker names this machine's own address: %q", answer)
	}
}

func TestViewersGoOnWhenTheBestOfThemAndTheServerDie(t *testing.T) {
	t.Parallel()
	i := up(t)
	s := i.addStream("concert")
	encoder(t, s)
	i.live("concert")
	viewers := []*viewer{i.view(s.Watch), i.view(s.Watch), i.view(s.Watch)}
	for _, v := range viewers {
		v.plays(15, "at first")
	}
	best := 0
	for n, v := range viewers {
		if v.now().Upload > viewers[best].now().Upload {
			best = n
		}
	}
	if viewers[best].now().Upload == 0 {
		t.Error("nobody gives anything")
	}
	viewers[best].kill()
	rest := append(viewers[:best:best], viewers[best+1:]...)
	for _, v := range rest {
		held := *v.now().StalledMS
		v.plays(15, "without the one that gave most")
		if more := *v.now().StalledMS - held; more > 500 {
			t.Errorf("the picture was held for %d ms", more)
		}
	}
	i.kill()
	i.start()
	for _, v := range rest {
		v.plays(15, "after the server's return")
	}
	for _, v := range rest {
		p := v.leave()
		p.requireAllTrue(t)
		if p.Bytes["peer"] == 0 {
			t.Error("nothing came from the other viewers")
		}
	}
	if took := i.stop(); took > 3*time.Second || i.cmd.ProcessState.ExitCode() != 0 {
		t.Errorf("stopping took %s: %s", took, i.log)
	}
}

func TestViewersChooseWhatTheyGiveAndWhereTheyTakeItFrom(t *testing.T) {
	t.Parallel()
	i := up(t)
	s := i.addStream("concert")
	publish(t, s)
	i.live("concert")
	listen := freePort(t)
	capped := i.view(s.Watch, "--up", "100kbit")
	selfish := i.view(s.Watch, "--no-up")
	magnet := i.view(i.magnet("concert"))
	alone := i.view(s.Watch, "--http-only")
	players := i.view(s.Watch, "--hls", listen)
	all := []*viewer{capped, selfish, magnet, alone, players}
	for _, v := range all {
		v.plays(20, "at first")
	}
	play := exec.Command("ffmpeg", "-v", "error", "-xerror", "-nostdin", "-i", "http://"+listen+"/index.m3u8", "-t", "3", "-f", "null", "-")
	if out, err := play.CombinedOutput(); err != nil {
		t.Errorf("ffmpeg on the viewer's own playlist: %v %s", err, out)
	}
	ended := make([]progress, len(all))
	for n, v := range all {
		ended[n] = v.leave()
		ended[n].requireAllTrue(t)
		decodes(t, v.file)
	}
	last := capped.lastLine()
	if most := 12500 * (last.T + 2); float64(last.Upload) > most {
		t.Errorf("%d bytes were given in %.0f s at 100 kbit/s", last.Upload, last.T)
	}
	if given := selfish.lastLine().Upload; given != 0 {
		t.Errorf("with --no-up %d bytes were given", given)
	}
	if b := ended[2].Bytes; b["origin"] != 0 || b["peer"]+b["seed"] == 0 {
		t.Errorf("who came by a magnet link alone took %v", b)
	}
	if b := ended[3].Bytes; b["origin"] != ended[3].total() {
		t.Errorf("with --http-only the bytes are %v", b)
	}
}
