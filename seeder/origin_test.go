package seeder

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/bus/bustest"
	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

// origin is a running service behind a real HTTP server.
type origin struct {
	*Service
	t      testing.TB
	url    string
	client *http.Client
}

func startOrigin(t testing.TB, b *bus.Bus, change func(*Options)) *origin {
	t.Helper()
	o := Options{Bus: b}
	if change != nil {
		change(&o)
	}
	s := New(o)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	server := httptest.NewServer(s.Handler())
	client := server.Client()
	client.Transport.(*http.Transport).MaxIdleConnsPerHost = 2000
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the origin stopped with %v", err)
		}
		client.CloseIdleConnections()
		server.Close()
	})
	eventually(t, "the origin has read all facts", s.Ready)
	return &origin{Service: s, t: t, url: server.URL, client: client}
}

// answer is a response read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) String() string { return fmt.Sprintf("%d %s", a.status, a.body) }

func (o *origin) ask(ctx context.Context, method, path string, header ...string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, o.url+path, nil)
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Accept-Encoding", "identity")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := o.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, body}, err
}

func (o *origin) get(path string, header ...string) answer {
	o.t.Helper()
	a, err := o.ask(o.t.Context(), http.MethodGet, path, header...)
	if err != nil {
		o.t.Fatal(err)
	}
	return a
}

func (o *origin) want(path string, status int) answer {
	o.t.Helper()
	a := o.get(path)
	if a.status != status {
		o.t.Fatalf("GET %s: %s, want %d", path, a, status)
	}
	if status >= 400 {
		var e struct{ Error string }
		if json.Unmarshal(a.body, &e) != nil || len(e.Error) < 10 {
			o.t.Errorf("GET %s: %s, want a sentence", path, a)
		}
	}
	return a
}

// edge waits until the newest piece that is served is n of the current epoch.
func (o *origin) edge(p *publisher, n uint64) {
	o.t.Helper()
	eventually(o.t, fmt.Sprintf("piece %d is served", n), func() bool {
		st := o.byName(string(p.name))
		if st == nil || st.rendition(event.Source) == nil {
			return false
		}
		s := st.rendition(event.Source).snap.Load()
		return !s.empty() && s.last().Position() == event.Position{Epoch: p.epoch, N: n}
	})
}

// manifestOf reads manifest.json and verifies all of it as a viewer would.
func (o *origin) manifestOf(p *publisher, query string) (doc struct {
	document
	entries []manifest.Entry
},
) {
	o.t.Helper()
	a := o.want("/live/"+string(p.name)+"/manifest.json"+query, 200)
	if err := json.Unmarshal(a.body, &doc.document); err != nil {
		o.t.Fatal(err)
	}
	genesis, err := manifest.ParseEnvelope(doc.Genesis)
	if err != nil {
		o.t.Fatal(err)
	}
	trust, err := manifest.NewTrust(genesis)
	if err != nil {
		o.t.Fatal(err)
	}
	for _, raw := range doc.Sessions {
		env, err := manifest.ParseEnvelope(raw)
		if err == nil {
			err = trust.AddSession(env)
		}
		if err != nil {
			o.t.Fatal(err)
		}
	}
	if trust.ID() != p.id || doc.StreamID != p.id {
		o.t.Fatalf("the manifest is of stream %s, want %s", trust.ID(), p.id)
	}
	for _, raw := range doc.Renditions[event.Source].Entries {
		env, err := manifest.ParseEnvelope(raw)
		if err != nil {
			o.t.Fatal(err)
		}
		e, err := trust.Open(env)
		if err != nil {
			o.t.Fatalf("an entry of the manifest does not verify: %v", err)
		}
		doc.entries = append(doc.entries, e)
	}
	return doc
}

func pieceURL(p *publisher, n uint64) string {
	return fmt.Sprintf("/live/%s/v0/%d/%d.m4s", p.name, p.epoch, n)
}

func TestWhatWasPublishedIsServed(t *testing.T) {
	b := bustest.Start(t)
	o := startOrigin(t, b, nil)
	p := publish(t, b, "live", false)
	p.golive(time.Now())
	p.send(12)
	o.edge(p, 11)

	a := o.want(pieceURL(p, 3), 200)
	if !bytes.Equal(a.body, p.film.pieces[3]) {
		t.Error("piece 3 is not what was published")
	}
	raw, err := base64.StdEncoding.DecodeString(a.header.Get("Shoal-Entry"))
	if err != nil {
		t.Fatal(err)
	}
	env, err := manifest.ParseEnvelope(raw)
	if err != nil {
		t.Fatal(err)
	}
	if e, err := p.trust().Open(env); err != nil || e.N != 3 || !e.Holds(a.body) {
		t.Errorf("the piece's entry does not prove it: %v", err)
	}
	root := manifest.RootOf(a.body).String()
	for name, want := range map[string]string{
		"Content-Type": "video/mp4", "Etag": `"` + root + `"`, "Accept-Ranges": "bytes",
		"Cache-Control": cacheForever, "Access-Control-Allow-Origin": "*",
	} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if byRoot := o.want("/p/"+root, 200); !bytes.Equal(byRoot.body, a.body) {
		t.Error("the piece by its root is another")
	}
	seg := o.want("/live/live/v0/seg/1.m4s", 200)
	if want := bytes.Join(p.film.pieces[5:10], nil); !bytes.Equal(seg.body, want) {
		t.Error("segment 1 is not its pieces")
	}
	init := o.want("/live/live/v0/init/"+p.initRoot().String()+".mp4", 200)
	if !bytes.Equal(init.body, p.film.init) || !bytes.Equal(o.want("/p/"+p.initRoot().String(), 200).body, p.film.init) {
		t.Error("the init segment is not what was announced")
	}
	list := string(o.want("/live/live/v0/index.m3u8", 200).body)
	for _, want := range []string{
		"#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"" + fmt.Sprint(p.epoch) + "/12.m4s\"", "seg/1.m4s", "init/" + p.initRoot().String() + ".mp4",
	} {
		if !strings.Contains(list, want) {
			t.Errorf("the playlist lacks %s:\n%s", want, list)
		}
	}
	if strings.Contains(list, "seg/2.m4s") {
		t.Errorf("the playlist lists a segment that is not complete:\n%s", list)
	}
	multi := string(o.want("/live/live/index.m3u8", 200).body)
	for _, want := range []string{"CODECS=\"" + filmCodecs + "\"", "RESOLUTION=320x180", "v0/index.m3u8", "BANDWIDTH="} {
		if !strings.Contains(multi, want) {
			t.Errorf("the multivariant playlist lacks %s:\n%s", want, multi)
		}
	}
	doc := o.manifestOf(p, "")
	if !doc.Live || len(doc.entries) != 12 || doc.Renditions["v0"].Codecs != filmCodecs || doc.Rotations == nil {
		t.Errorf("manifest.json: live %v, %d entries, %+v", doc.Live, len(doc.entries), doc.Renditions["v0"].Codecs)
	}
	var now struct{ Now int64 }
	if err := json.Unmarshal(o.want("/api/v1/time", 200).body, &now); err != nil || time.Since(time.UnixMilli(now.Now)).Abs() > time.Second {
		t.Errorf("the server's time is %v: %v", now.Now, err)
	}
}

func TestWhatIsNotThereIs404(t *testing.T) {
	b := bustest.Start(t)
	o := startOrigin(t, b, nil)
	p := publish(t, b, "live", false)
	eventually(t, "the stream and its session record are known", func() bool {
		st := o.byName("live")
		return st != nil && len(st.sessionsFrom(event.Position{})) == 1
	})
	if doc := o.manifestOf(p, ""); doc.Live || len(doc.Sessions) != 1 {
		t.Errorf("before the first publish: live %v, %d session records", doc.Live, len(doc.Sessions))
	}
	o.want("/live/live/v0/index.m3u8", 404)
	o.want("/live/live/index.m3u8", 404)
	p.golive(time.Now())
	p.send(7)
	o.edge(p, 6)
	root := strings.Repeat("ab", 32)
	for _, path := range []string{
		"/", "/live/live", "/nothing", "/live/unknown/manifest.json", "/live/unknown/v0/index.m3u8", "/live/Live/v0/index.m3u8",
		"/live/live/v1/index.m3u8", "/live/live/v0/seg/1.m4s", "/live/live/v0/seg/01.m4s", "/live/live/v0/seg/0",
		"/live/live/v0/seg/-1.m4s", "/live/live/v0/seg/18446744073709551616.m4s", "/live/live/v0/init/" + root + ".mp4",
		"/p/" + root, "/p/zz", "/p/" + strings.Repeat("00", 32), "/live/live/v0/1/0.m4s", pieceURL(p, 10),
		fmt.Sprintf("/live/live/v0/%d/00.m4s", p.epoch), fmt.Sprintf("/live/live/v0/%d/x.m4s", p.epoch),
		fmt.Sprintf("/live/live/v0/%d/0.m4s", p.epoch+1), "/live/live/manifest.json?r=v9",
	} {
		if a := o.want(path, 404); a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("GET %s may be cached: %s", path, a.header.Get("Cache-Control"))
		}
	}
	for _, path := range []string{
		"/live/live/v0/index.m3u8?_HLS_msn=4", "/live/live/v0/index.m3u8?_HLS_msn=x", "/live/live/v0/index.m3u8?_HLS_part=1",
		"/live/live/v0/index.m3u8?_HLS_msn=-1", "/live/live/manifest.json?r=../x", "/live/live/manifest.json?after=1.2",
		"/live/live/manifest.json?r=v0&after=1", "/live/live/manifest.json?r=v0&epoch=1&from=0&to=500", "/live/live/manifest.json?r=v0&epoch=1&from=9&to=5",
	} {
		o.want(path, 400)
	}
	if a, err := o.ask(t.Context(), http.MethodPost, "/live/live/v0/index.m3u8"); err != nil || a.status != 405 || a.header.Get("Allow") == "" {
		t.Errorf("POST: %s %v, want 405", a, err)
	}
}

func TestRangesAndConditions(t *testing.T) {
	b := bustest.Start(t)
	o := startOrigin(t, b, nil)
	p := publish(t, b, "live", false)
	p.golive(time.Now())
	p.send(6)
	o.edge(p, 5)
	seg := bytes.Join(p.film.pieces[:5], nil)
	for _, path := range []string{pieceURL(p, 0), "/live/live/v0/seg/0.m4s"} {
		whole := p.film.pieces[0]
		if strings.Contains(path, "seg") {
			whole = seg
		}
		from, to := len(whole)/3, len(whole)-7
		a := o.get(path, "Range", fmt.Sprintf("bytes=%d-%d", from, to))
		if a.status != 206 || !bytes.Equal(a.body, whole[from:to+1]) {
			t.Errorf("%s: a range gives %d and %d bytes", path, a.status, len(a.body))
		}
		if a := o.get(path, "Range", "bytes=99999999-"); a.status != 416 {
			t.Errorf("%s: a range past the end gives %d, want 416", path, a.status)
		}
		a = o.get(path)
		if a := o.get(path, "If-None-Match", a.header.Get("ETag")); a.status != 304 || len(a.body) != 0 {
			t.Errorf("%s: with its ETag %d, want 304", path, a.status)
		}
		a, err := o.ask(t.Context(), http.MethodHead, path)
		if err != nil || a.status != 200 || len(a.body) != 0 || a.header.Get("Content-Length") != fmt.Sprint(len(whole)) {
			t.Errorf("HEAD %s: %s %v", path, a, err)
		}
		a, err = o.ask(t.Context(), http.MethodOptions, path, "Origin", "https://elsewhere.example", "Access-Control-Request-Headers", "range")
		if err != nil || a.status != 204 || !strings.Contains(a.header.Get("Access-Control-Allow-Headers"), "Range") ||
			!strings.Contains(a.header.Get("Access-Control-Expose-Headers"), "Shoal-Entry") {
			t.Errorf("OPTIONS %s: %s %v", path, a, err)
		}
	}
	plain := o.want("/live/live/v0/index.m3u8", 200)
	zipped := o.get("/live/live/v0/index.m3u8", "Accept-Encoding", "gzip")
	if zipped.header.Get("Content-Encoding") != "gzip" || len(zipped.body) >= len(plain.body) {
		t.Errorf("the playlist is not compressed: %v", zipped.header)
	}
	if a := o.get("/live/live/v0/index.m3u8", "Accept-Encoding", "gzip;q=0"); a.header.Get("Content-Encoding") != "" {
		t.Error("it is compressed although that was refused")
	}
}

// wait asks in the background and returns a function that gives the answer.
func (o *origin) wait(path string) func() (answer, error) {
	type result struct {
		a   answer
		err error
	}
	c := make(chan result, 1)
	go func() {
		a, err := o.ask(o.t.Context(), http.MethodGet, path)
		c <- result{a, err}
	}()
	return func() (answer, error) {
		select {
		case r := <-c:
			return r.a, r.err
		case <-time.After(10 * time.Second):
			return answer{}, errors.New("no answer within 10 s")
		}
	}
}

func (o *origin) held(p *publisher, n int64) {
	o.t.Helper()
	eventually(o.t, fmt.Sprintf("%d requests are held", n), func() bool { return o.byName(string(p.name)).held.Load() == n })
}

func TestRequestsAreHeldUntilTheirPartComes(t *testing.T) {
	b := bustest.Start(t)
	o := startOrigin(t, b, nil)
	p := publish(t, b, "live", false)
	p.golive(time.Now())
	p.send(3)
	o.edge(p, 2)

	playlist := o.wait("/live/live/v0/index.m3u8?_HLS_msn=0&_HLS_part=3")
	whole := o.wait("/live/live/v0/index.m3u8?_HLS_msn=0")
	piece := o.wait(pieceURL(p, 3))
	later := o.wait(pieceURL(p, 5))
	entries := o.wait(fmt.Sprintf("/live/live/manifest.json?r=v0&after=%d.2", p.epoch))
	o.held(p, 5)

	next := p.piece(3)
	p.sendPiece(next)
	envelopes := p.sign(next)
	begun := time.Now()
	p.sendEntry(envelopes[0])
	a, err := playlist()
	took := time.Since(begun)
	if err != nil || a.status != 200 || !strings.Contains(string(a.body), "/3.m4s\"\n") && !strings.Contains(string(a.body), "/3.m4s\"") {
		t.Fatalf("the playlist: %s %v", a, err)
	}
	if a.header.Get("Cache-Control") != cachePlaylist {
		t.Errorf("the held playlist's cache control is %q", a.header.Get("Cache-Control"))
	}
	t.Logf("entry published to playlist received: %v", took)
	if took > 300*time.Millisecond {
		t.Errorf("it took %v from the entry to the playlist", took)
	}
	if a, err := piece(); err != nil || a.status != 200 || !bytes.Equal(a.body, p.film.pieces[3]) {
		t.Errorf("the piece that was to come: %d %v", a.status, err)
	}
	if a, err := entries(); err != nil || a.status != 200 || strings.Count(string(a.body), "signatures") != 3 {
		t.Errorf("the entries after piece 2: %s %v, want genesis, session and one entry", a, err)
	}
	o.held(p, 2)
	p.n = 4
	p.send(2)
	if a, err := whole(); err != nil || !strings.Contains(string(a.body), "seg/0.m4s") {
		t.Errorf("the whole segment was asked for: %s %v", a, err)
	}
	if a, err := later(); err != nil || !bytes.Equal(a.body, p.film.pieces[5]) {
		t.Errorf("a piece three ahead: %d %v", a.status, err)
	}
	if a := o.want("/live/live/v0/index.m3u8?_HLS_msn=0&_HLS_part=1", 200); a.header.Get("Cache-Control") != cacheMoment {
		t.Errorf("an old request's answer may be kept %q: it changes", a.header.Get("Cache-Control"))
	}
}

func TestAThousandWaitAndNoMoreThanTheBound(t *testing.T) {
	b := bustest.Start(t)
	o := startOrigin(t, b, func(o *Options) { o.MaxHeld = 1000 })
	p := publish(t, b, "live", false)
	p.golive(time.Now())
	p.send(1)
	o.edge(p, 0)
	const path = "/live/live/v0/index.m3u8?_HLS_msn=0&_HLS_part=1"
	var answers []func() (answer, error)
	for range 1000 {
		answers = append(answers, o.wait(path))
	}
	o.held(p, 1000)
	if a := o.want(path, 503); a.header.Get("Retry-After") == "" {
		t.Error("one too many is not told when to come again")
	}
	o.want("/live/live/v0/index.m3u8", 200)
	p.send(1)
	var first []byte
	for _, wait := range answers {
		a, err := wait()
		if err != nil || a.status != 200 {
			t.Fatalf("a held request: %s %v", a, err)
		}
		if first == nil {
			first = a.body
		} else if !bytes.Equal(first, a.body) {
			t.Fatal("two viewers got different playlists")
		}
	}
	o.held(p, 0)
}

func TestHeldRequestsEndWhenTheServerStops(t *testing.T) {
	b := bustest.Start(t)
	s := New(Options{Bus: b})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	server := httptest.NewServer(s.Handler())
	defer server.Close()
	o := &origin{Service: s, t: t, url: server.URL, client: server.Client()}
	p := publish(t, b, "live", false)
	p.golive(time.Now())
	p.send(1)
	o.edge(p, 0)
	wait := o.wait("/live/live/v0/index.m3u8?_HLS_msn=0&_HLS_part=1")
	o.held(p, 1)
	cancel()
	if a, err := wait(); err != nil || a.status != 503 {
		t.Errorf("%s %v, want 503", a, err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestARestartServesTheSameFromTheBusAlone(t *testing.T) {
	server, b := bustest.StartServer(t)
	first := startOrigin(t, b, nil)
	p := publish(t, b, "live", false)
	p.golive(time.Now().Add(-12 * time.Second))
	p.send(20)
	p.golive(time.Now().Add(-7 * time.Second))
	p.send(33)
	first.edge(p, 32)
	second := startOrigin(t, bustest.Connect(t, server, "seeder2"), nil)
	second.edge(p, 32)
	for _, path := range []string{"/live/live/v0/index.m3u8", "/live/live/v0/index.m3u8?_HLS_skip=YES", "/live/live/index.m3u8", pieceURL(p, 7)} {
		a, b := first.want(path, 200), second.want(path, 200)
		if !bytes.Equal(a.body, b.body) {
			t.Errorf("%s differs after a restart:\n%s\n%s", path, a, b)
		}
	}
	p.send(1)
	first.edge(p, 33)
	second.edge(p, 33)
}

func TestAfterTheEndTheWindowStays(t *testing.T) {
	server, b := bustest.StartServer(t)
	o := startOrigin(t, b, nil)
	p := publish(t, b, "live", false)
	p.golive(time.Now())
	p.send(7)
	o.edge(p, 6)
	live := o.wait(fmt.Sprintf("/live/live/manifest.json?r=v0&after=%d.6", p.epoch))
	whole := o.wait("/live/live/v0/index.m3u8?_HLS_msn=1")
	o.held(p, 2)
	p.end()
	if a, err := live(); err != nil || !strings.Contains(string(a.body), `"live":false`) {
		t.Errorf("who waits for the next entry is not told of the end: %s %v", a, err)
	}
	if a, err := whole(); err != nil || !strings.Contains(string(a.body), "seg/1.m4s") || strings.Contains(string(a.body), "PRELOAD") {
		t.Errorf("the last segment is not completed: %s %v", a, err)
	}
	o.want("/live/live/v0/seg/1.m4s", 200)
	o.want(pieceURL(p, 7), 404)
	eventually(t, "the stream and its session record are known", func() bool {
		st := o.byName("live")
		return st != nil && len(st.sessionsFrom(event.Position{})) == 1
	})
	if doc := o.manifestOf(p, ""); doc.Live || len(doc.entries) != 7 {
		t.Errorf("after the end: live %v, %d entries, want 7 that viewers may finish", doc.Live, len(doc.entries))
	}
	// So it is for an origin that starts now.
	again := startOrigin(t, bustest.Connect(t, server, "seeder2"), nil)
	again.edge(p, 6)

	p.golive(time.Now())
	p.send(1)
	o.edge(p, 0)
	if list := string(o.want("/live/live/v0/index.m3u8", 200).body); !strings.Contains(list, "#EXT-X-DISCONTINUITY\n") {
		t.Errorf("the next epoch does not begin with a discontinuity:\n%s", list)
	}
}

func TestForgeriesOnTheBusAreNotServed(t *testing.T) {
	b := bustest.Start(t)
	o := startOrigin(t, b, nil)
	p := publish(t, b, "live", false)
	p.golive(time.Now())
	p.send(2)
	o.edge(p, 1)
	forger := newCreator(t, "live") // with keys of its own
	forged := p.piece(3)
	forged.Data = forger.film.pieces[40]
	p.sendPiece(forged)
	wrong := *p.creator
	wrong.session = forger.session
	wrong.chain = manifest.Chain{}
	for _, n := range []uint64{0, 1, 2} {
		for _, e := range wrong.sign(p.piece(n)) {
			p.sendEntry(e)
		}
	}
	for _, e := range wrong.sign(forged) {
		p.sendEntry(e)
	}
	p.fact(event.SessionPublished{Envelope: forger.record.JSON()})
	p.fact(event.TracksAnnounced{Epoch: p.epoch, Rendition: event.Source, Root: event.Root{1}, Init: []byte("moov")})
	p.send(1) // the true third
	o.edge(p, 2)
	for n := range uint64(3) {
		if a := o.want(pieceURL(p, n), 200); !bytes.Equal(a.body, p.film.pieces[n]) {
			t.Errorf("piece %d is a forgery", n)
		}
	}
	for _, e := range p.sign(p.piece(3)) { // the true entry, for bytes that are not there
		p.sendEntry(e)
	}
	o.want(pieceURL(p, 3), 404)
	o.want("/p/"+manifest.RootOf(forged.Data).String(), 404)
	o.manifestOf(p, "") // all verifies
}
