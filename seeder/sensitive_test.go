package seeder

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/bus/bustest"
	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/swarm"
	"github.com/shoalcast/shoal/swarm/live"
	"github.com/shoalcast/shoal/swarm/metainfo"
)

// swarms is a transport that only counts who is in which swarm, and files.
type swarms struct {
	mu    sync.Mutex
	in    map[metainfo.InfoHash]int
	files int
}

func newSwarms() *swarms { return &swarms{in: map[metainfo.InfoHash]int{}} }

func (s *swarms) Join(d metainfo.Descriptor, _ []string, _ *live.Loop) (live.Membership, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.in[d.InfoHash]++
	return &seat{s, d.InfoHash}, nil
}

func (*swarms) Find(context.Context, metainfo.InfoHash, []string) ([]byte, error) {
	return nil, errors.New("nothing is looked for here")
}

func (s *swarms) Seed(string, []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files++
	return nil
}

func (*swarms) Unseed([20]byte) {}

func (s *swarms) seeds(hash metainfo.InfoHash) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.in[hash] > 0
}

type seat struct {
	*swarms
	hash metainfo.InfoHash
}

func (*seat) Dial(swarm.Dial)      {}
func (*seat) Signal(*swarm.Signal) {}

func (s *seat) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.in[s.hash]--
}

// sensitive says on the bus whether a stream is.
func (p *publisher) sensitive(yes bool) {
	p.fact(event.GenesisPublished{Name: p.name, Envelope: p.genesis.JSON(), Sensitive: yes})
}

func TestASensitiveStreamHasNoSwarmAndNobodyIsToldOfOne(t *testing.T) {
	b := bustest.Start(t)
	net := newSwarms()
	o := startOrigin(t, b, func(o *Options) {
		o.Transport, o.Tracker, o.Seeds, o.STUN = net, true, []string{":6881"}, []string{":3478"}
	})
	p := publish(t, b, "cam", false)
	p.golive(time.Now())
	p.send(5)
	o.edge(p, 4)
	hash := o.byName("cam").descriptor.InfoHash
	eventually(t, "the seed is in the swarm", func() bool { return net.seeds(hash) })
	doc := o.manifestOf(p, "")
	if doc.Sensitive || doc.Magnet == "" || len(doc.Trackers) == 0 || doc.Consent != "ask" || !o.Knows(hash) {
		t.Errorf("before: %+v", doc.document)
	}

	p.sensitive(true)
	eventually(t, "the seed has left", func() bool { return !net.seeds(hash) })
	doc = o.manifestOf(p, "")
	if !doc.Sensitive || doc.Magnet != "" || doc.Trackers != nil || doc.Seeds != nil || doc.STUN != nil || doc.Consent != "ask" {
		t.Errorf("sensitive: %+v", doc.document)
	}
	if doc := o.manifestOf(p, "?r=v0&after="+p.at(2)); !doc.Sensitive {
		t.Error("who follows entry by entry is not told")
	}
	if o.Knows(hash) {
		t.Error("the tracker would track it")
	}
	o.want("/live/cam/stream.torrent", http.StatusNotFound)
	p.send(2)
	o.edge(p, 6) // it plays on

	p.sensitive(false)
	eventually(t, "the seed is back", func() bool { return net.seeds(hash) && o.Knows(hash) })
}

func TestASensitiveStreamsArchiveHasNoTorrents(t *testing.T) {
	b := bustest.Start(t)
	net := newSwarms()
	o := startOrigin(t, b, func(o *Options) { o.ArchiveDir, o.Transport, o.Files, o.Tracker = t.TempDir(), net, net, true })
	p := publish(t, b, "cam", false)
	p.sensitive(true)
	p.golive(time.Now().Add(-12 * time.Second))
	a := archiving(p)
	a.send(60)
	a.end()
	files := o.archived(4)
	l := o.listArchive("cam")
	if len(l.Files) == 0 || l.Files[0].Torrent != "" || l.Files[0].Magnet != "" {
		t.Errorf("%+v", l.Files)
	}
	name := files[0].File
	o.want("/live/cam/archive/"+name, http.StatusOK)
	o.want("/live/cam/archive/"+name+".torrent", http.StatusNotFound)
	if page := o.get("/live/cam/archive/", "Accept", "text/html").String(); !strings.Contains(page, name) || strings.Contains(page, ".torrent") || strings.Contains(page, "magnet:") {
		t.Error("the page offers torrents")
	}
	if o.Knows(files[0].Close.InfoHash) {
		t.Error("the tracker would track a file")
	}
	net.mu.Lock()
	defer net.mu.Unlock()
	if net.files > 0 {
		t.Error("a file is seeded")
	}
}

func TestPagesAreToldWhatTheOperatorAllows(t *testing.T) {
	b := bustest.Start(t)
	p := publish(t, b, "cam", false)
	for _, consent := range []string{"ask", "share", "download", "edge"} {
		o := startOrigin(t, b, func(o *Options) { o.Transport, o.Consent = newSwarms(), consent })
		if doc := o.manifestOf(p, ""); doc.Consent != consent || doc.Sensitive || doc.Pass != "" {
			t.Errorf("%s: %+v", consent, doc.document)
		}
	}
	if doc := startOrigin(t, b, nil).manifestOf(p, ""); doc.Consent != "" {
		t.Errorf("without a swarm there is nothing to consent to, but it says %q", doc.Consent)
	}
}

func TestAPageGetsAPassForItsStreamByTheAddressThatTheWorldUses(t *testing.T) {
	s, b := bustest.StartServer(t)
	p := publish(t, b, "cam", false)
	for _, c := range []struct{ public, want string }{
		{"", "ws://127.0.0.1:"}, {"https://live.example.org", "wss://live.example.org/nats"}, {"http://example.org/tv/", "ws://example.org/tv/nats"},
	} {
		o := startOrigin(t, b, func(o *Options) { o.Passes, o.PublicURL = s.Pass, c.public })
		if doc := o.manifestOf(p, ""); doc.Pass != "pass" {
			t.Errorf("manifest.json names the pass %q", doc.Pass)
		}
		a := o.want("/live/cam/pass", http.StatusOK)
		if a.header.Get("Cache-Control") != "no-store" || a.header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("headers %v", a.header)
		}
		var got struct {
			URL, JWT, Session, Manifest, Control, Telemetry string
			Expires                                         int64
		}
		if err := json.Unmarshal(a.body, &got); err != nil {
			t.Fatal(err)
		}
		id := string(p.id)
		if !strings.HasPrefix(got.URL, c.want) || !strings.HasSuffix(got.URL, "/nats") || got.JWT == "" || got.Expires < time.Now().Unix() ||
			got.Manifest != "shoal.manifest."+id+".*" || got.Control != "shoal.control."+id+"."+got.Session || got.Telemetry != "shoal.telemetry."+id+"."+got.Session {
			t.Errorf("%s", a)
		}
	}
}

func TestPassesAreBoundedByAddressAndOnlyOfStreamsThereAre(t *testing.T) {
	b := bustest.Start(t)
	publish(t, b, "cam", false)
	o := startOrigin(t, b, nil)
	o.want("/live/cam/pass", http.StatusNotFound)

	made := 0
	o = startOrigin(t, b, func(o *Options) {
		o.Passes = func(event.StreamID) (bus.Pass, error) { made++; return bus.Pass{}, nil }
	})
	o.want("/live/other/pass", http.StatusNotFound)
	ask := func(from string) int {
		r := httptest.NewRequest(http.MethodGet, "/live/cam/pass", nil)
		r.RemoteAddr = from
		w := httptest.NewRecorder()
		o.Handler().ServeHTTP(w, r)
		return w.Code
	}
	for i := range 200 {
		if code := ask("192.0.2.1:1"); code != http.StatusOK {
			t.Fatalf("the pass number %d: %d", i+1, code)
		}
	}
	refused := 0
	for range 50 { // some may have come back meanwhile
		if ask("192.0.2.1:1") == http.StatusTooManyRequests {
			refused++
		}
	}
	if refused < 20 || ask("192.0.2.9:1") != http.StatusOK || ask("127.0.0.1:1") != http.StatusOK {
		t.Errorf("%d of 50 more were refused", refused)
	}
	if made < 202 {
		t.Errorf("%d were made", made)
	}
}
