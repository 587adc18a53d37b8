package peer

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

// testOrigin is an origin that signs for itself and can be made to misbehave.
type testOrigin struct {
	t      *testing.T
	listen string
	server *http.Server
	done   chan struct{}

	root, session ed25519.PrivateKey
	genesis       manifest.Envelope
	id            event.StreamID

	mu        sync.Mutex
	offset    time.Duration // of the server's clock
	serial    uint64
	sessions  []manifest.Envelope
	hidden    int // session records at the end that are not shown
	digest    event.Digest
	chain     manifest.Chain
	signed    []manifest.Signed
	shown     int // entries that are advertised; -1: all
	blobs     map[event.Root][]byte
	live      bool
	epoch     event.Epoch
	media     media
	n, seg    uint64
	hits      map[string]int
	changed   chan struct{}
	fresh     time.Duration
	seeds     []*testSeed
	stun      []string
	sensitive bool
	telemetry bool
	// hook answers in the origin's place when it returns true; hit counts from 0 per path.
	hook func(w http.ResponseWriter, r *http.Request, hit int) bool
}

func key(seed string) ed25519.PrivateKey {
	sum := sha256.Sum256([]byte(seed))
	return ed25519.NewKeyFromSeed(sum[:])
}

func newOrigin(t *testing.T, creator string) *testOrigin {
	t.Helper()
	o := &testOrigin{
		t: t, listen: "127.0.0.1:0", root: key(creator), blobs: map[event.Root][]byte{}, hits: map[string]int{},
		changed: make(chan struct{}), shown: -1, fresh: 5 * time.Second,
	}
	var err error
	if o.genesis, err = manifest.SignGenesis(o.root, "cam", key(creator+" next").Public().(ed25519.PublicKey)); err != nil {
		t.Fatal(err)
	}
	_, o.id, err = manifest.OpenGenesis(o.genesis)
	if err != nil {
		t.Fatal(err)
	}
	o.rotate(event.Position{})
	o.start()
	t.Cleanup(o.stop)
	return o
}

func (o *testOrigin) start() {
	l, err := net.Listen("tcp", o.listen)
	if err != nil {
		o.t.Fatal(err)
	}
	o.listen = l.Addr().String()
	o.server, o.done = &http.Server{Handler: o}, make(chan struct{})
	go func(s *http.Server, done chan struct{}) {
		defer close(done)
		_ = s.Serve(l)
	}(o.server, o.done)
}

func (o *testOrigin) stop() {
	_ = o.server.Close()
	<-o.done
}

func (o *testOrigin) link() string {
	return "http://" + o.listen + "/live/cam#" + string(o.id)
}

func (o *testOrigin) now() time.Time { return time.Now().Add(o.offset) }

func (o *testOrigin) notify() {
	close(o.changed)
	o.changed = make(chan struct{})
}

// do changes the origin and wakes whoever waits.
func (o *testOrigin) do(fn func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	fn()
	o.notify()
}

// rotate begins a session with a key of its own.
func (o *testOrigin) rotate(from event.Position) {
	o.serial++
	o.session = key(fmt.Sprintf("%s session %d", o.id, o.serial))
	env, err := manifest.SignSession(o.root, manifest.Session{
		Stream: o.id, Serial: o.serial, Key: o.session.Public().(ed25519.PublicKey), From: from,
		NotBefore: o.now().Add(-2 * time.Hour).UnixMilli(), NotAfter: o.now().Add(2 * time.Hour).UnixMilli(),
		FreshMS: o.fresh.Milliseconds(),
	})
	if err != nil {
		o.t.Fatal(err)
	}
	o.sessions = append(o.sessions, env)
	for _, s := range o.seeds {
		s.learn(env)
	}
	o.digest = event.DigestOf(env.Payload)
}

// begin starts an epoch with the given media.
func (o *testOrigin) begin(m media) {
	o.do(func() {
		o.epoch = max(event.Epoch(o.now().UnixMilli()), o.epoch+1)
		o.media, o.n, o.live = m, 0, true
		o.blobs[manifest.RootOf(m.init)] = m.init
	})
}

// publish signs and shows the next count pieces, as if the last had ended just now.
func (o *testOrigin) publish(count int) {
	o.do(func() {
		end := o.media.pieces[int(o.n)+count-1]
		for range count {
			m := o.media.pieces[o.n]
			o.publishOne((end.pts + end.dur - m.pts - m.dur).Duration())
		}
	})
}

// lose drops the next count pieces before they are signed.
func (o *testOrigin) lose(count int) {
	o.do(func() { o.n += uint64(count) })
}

func (o *testOrigin) publishOne(ago time.Duration) {
	ended := o.now().Add(-ago)
	m := o.media.pieces[o.n]
	if m.key {
		o.seg = o.n
	}
	p := &event.Piece{
		Address: event.Address{Stream: o.id, Rendition: event.Source, Position: event.Position{Epoch: o.epoch, N: o.n}},
		Segment: o.seg, Key: m.key, PTS: m.pts, Duration: m.dur, Target: event.Timescale / 2,
		Init: manifest.RootOf(o.media.init), Root: manifest.RootOf(m.data), Size: len(m.data), Arrived: ended.Add(-m.dur.Duration()), Data: m.data,
	}
	o.blobs[manifest.RootOf(m.data)] = m.data
	for more := true; more; {
		var e manifest.Entry
		var err error
		if e, more, err = o.chain.Next(p); err != nil {
			o.t.Error(err)
			return
		}
		o.sign(e, ended)
	}
	o.n++
}

func (o *testOrigin) sign(e manifest.Entry, at time.Time) {
	e = e.Seal(at, o.digest)
	env, err := manifest.SignEntry(o.session, e)
	if err == nil {
		err = o.chain.Check(e, env.Payload)
	}
	if err != nil {
		o.t.Error(err)
		return
	}
	o.signed = append(o.signed, manifest.Signed{Entry: e, Envelope: env})
	for _, s := range o.seeds {
		s.feed(o.signed[len(o.signed)-1:])
	}
}

// play publishes at the pace of the media until the test ends or count are out.
func (o *testOrigin) play(count int) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		began := time.Now()
		for i := range count {
			o.mu.Lock()
			m := o.media.pieces[o.n]
			o.mu.Unlock()
			first := o.media.pieces[int(o.n)-i].pts
			wait := time.NewTimer(time.Until(began.Add((m.pts + m.dur - first).Duration())))
			select {
			case <-quit:
				wait.Stop()
				return
			case <-wait.C:
				o.do(func() { o.publishOne(0) })
			}
		}
	}()
	var once sync.Once
	stop = func() { once.Do(func() { close(quit); <-done }) }
	o.t.Cleanup(stop)
	return stop
}

func (o *testOrigin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	hook, hit := o.hook, o.hits[r.URL.Path]
	o.hits[r.URL.Path]++
	o.mu.Unlock()
	if hook != nil && hook(w, r, hit) {
		return
	}
	path := r.URL.Path
	switch {
	case path == "/api/v1/time":
		fmt.Fprintf(w, `{"now":%d}`, o.now().UnixMilli())
	case path == "/live/cam/manifest.json":
		o.serveManifest(w, r)
	case strings.HasPrefix(path, "/p/"):
		root, err := event.ParseRoot(path[3:])
		o.serveBlob(w, r, root, err == nil)
	case strings.HasPrefix(path, "/live/cam/v0/"):
		var at event.Position
		_, err := fmt.Sscanf(path, "/live/cam/v0/%d/%d.m4s", &at.Epoch, &at.N)
		var root event.Root
		o.mu.Lock()
		for _, s := range o.signed {
			if s.Entry.Position() == at {
				root = s.Entry.Root
			}
		}
		o.mu.Unlock()
		o.serveBlob(w, r, root, err == nil)
	default:
		http.Error(w, `{"error":"no such thing"}`, http.StatusNotFound)
	}
}

func (o *testOrigin) serveBlob(w http.ResponseWriter, r *http.Request, root event.Root, ok bool) {
	o.mu.Lock()
	b, found := o.blobs[root]
	o.mu.Unlock()
	if !ok || !found {
		http.Error(w, `{"error":"gone"}`, http.StatusNotFound)
		return
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
}

const testPoll = 300 * time.Millisecond

func (o *testOrigin) serveManifest(w http.ResponseWriter, r *http.Request) {
	after := r.URL.Query().Get("after")
	end := time.NewTimer(testPoll)
	defer end.Stop()
	o.mu.Lock()
	was := o.live
	for {
		entries := o.choose(r)
		if after == "" || len(entries) > 0 || o.live != was {
			o.answer(w, entries)
			return
		}
		changed := o.changed
		o.mu.Unlock()
		over := false
		select {
		case <-changed:
		case <-end.C:
			over = true
		case <-r.Context().Done():
			return
		}
		o.mu.Lock()
		if over {
			o.answer(w, nil)
			return
		}
	}
}

// choose returns the entries that a request is about.
func (o *testOrigin) choose(r *http.Request) []manifest.Envelope {
	q := r.URL.Query()
	signed := o.signed
	if o.shown >= 0 {
		signed = signed[:o.shown]
	}
	var out []manifest.Envelope
	if q.Get("epoch") != "" {
		from, _ := strconv.ParseUint(q.Get("from"), 10, 64)
		to, _ := strconv.ParseUint(q.Get("to"), 10, 64)
		for _, s := range signed {
			if fmt.Sprint(int64(s.Entry.Epoch)) == q.Get("epoch") && s.Entry.N >= from && s.Entry.N <= to {
				out = append(out, s.Envelope)
			}
		}
		return out
	}
	from := max(0, len(signed)-60)
	if after := q.Get("after"); after != "" {
		var p event.Position
		if _, err := fmt.Sscanf(after, "%d.%d", &p.Epoch, &p.N); err != nil {
			o.t.Errorf("after=%s", after)
		}
		for from = 0; from < len(signed) && !p.Before(signed[from].Entry.Position()); {
			from++
		}
	}
	for _, s := range signed[from:min(len(signed), from+200)] {
		out = append(out, s.Envelope)
	}
	return out
}

// answer writes the document and unlocks.
func (o *testOrigin) answer(w http.ResponseWriter, entries []manifest.Envelope) {
	b, err := json.Marshal(map[string]any{
		"v": 1, "name": "cam", "stream_id": o.id, "live": o.live, "now": o.now().UnixMilli(), "genesis": o.genesis, "stun": o.stun,
		"sensitive": o.sensitive, "telemetry": o.telemetry,
		"rotations": []manifest.Envelope{}, "sessions": o.sessions[:len(o.sessions)-o.hidden],
		"renditions": map[string]any{"v0": map[string]any{"codecs": "avc1", "entries": entries}},
	})
	o.mu.Unlock()
	if err != nil {
		o.t.Error(err)
	}
	_, _ = w.Write(b)
}
