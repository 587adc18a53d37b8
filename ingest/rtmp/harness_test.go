package rtmp_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shoalcast/shoal/ingest/media"
	"github.com/shoalcast/shoal/ingest/rtmp"
	"github.com/shoalcast/shoal/internal/rtmptest"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// recorder is a Sink that keeps everything.
type recorder struct {
	request rtmp.Request

	mu       sync.Mutex
	configs  []media.Config
	units    []media.AccessUnit
	metadata []rtmp.Metadata
	fail     error // what Push answers
	reason   error
	closed   chan struct{}
}

func (r *recorder) Config(c media.Config) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.configs = append(r.configs, c)
	return nil
}

func (r *recorder) Push(u media.AccessUnit) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.units = append(r.units, u)
	return r.fail
}

func (r *recorder) Metadata(m rtmp.Metadata) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.metadata = append(r.metadata, m)
}

func (r *recorder) Close(reason error) {
	r.reason = reason
	close(r.closed)
}

// of returns what came of one kind; only after Close, or under the lock's protection
// of a copy.
func (r *recorder) of(k media.Kind) []media.AccessUnit {
	r.mu.Lock()
	defer r.mu.Unlock()
	var us []media.AccessUnit
	for _, u := range r.units {
		if u.Kind == k {
			us = append(us, u)
		}
	}
	return us
}

func (r *recorder) wait(t *testing.T) error {
	t.Helper()
	select {
	case <-r.closed:
		return r.reason
	case <-time.After(patience):
		t.Fatal("the publish did not end")
		return nil
	}
}

// house is a server with the rules of a real one: one key, one publisher a name.
type house struct {
	t    *testing.T
	url  string // rtmp://address/live
	addr string
	log  *logBuffer
	pubs chan *recorder // every publish that was accepted

	mu   sync.Mutex
	live map[string]*recorder
}

const key = "s3cret"

func (h *house) authorize(_ context.Context, r rtmp.Request) (rtmp.Sink, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r.Name == "broken" {
		return nil, errors.New("open /var/lib/secret: permission denied")
	}
	if r.Key != key {
		return nil, &rtmp.Refusal{Reason: "The publish key of " + r.Name + " is wrong"}
	}
	if old := h.live[r.Name]; old != nil {
		select {
		case <-old.closed:
		default:
			return nil, &rtmp.Refusal{Reason: "Somebody already publishes " + r.Name}
		}
	}
	rec := &recorder{request: r, closed: make(chan struct{})}
	h.live[r.Name] = rec
	h.pubs <- rec
	return rec, nil
}

func (h *house) next() *recorder {
	h.t.Helper()
	select {
	case r := <-h.pubs:
		return r
	case <-time.After(patience):
		h.t.Fatalf("nobody published; the log says:\n%s", h.log)
		return nil
	}
}

func (h *house) publishURL(name string) string { return h.url + "/" + name + "?key=" + key }

// open starts a server on a port of its own, and stops it when the test ends.
func open(t *testing.T, l rtmp.Limits) *house {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return openOn(t, l, ln)
}

func openOn(t *testing.T, l rtmp.Limits, ln net.Listener) *house {
	t.Helper()
	h := &house{
		t: t, addr: ln.Addr().String(), url: "rtmp://" + ln.Addr().String() + "/live",
		log: &logBuffer{}, pubs: make(chan *recorder, 64), live: make(map[string]*recorder),
	}
	s := rtmp.New(rtmp.Options{
		Authorize: h.authorize, Limits: l,
		Log: slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("serve: %v", err)
			}
		case <-time.After(patience):
			t.Error("the server did not stop")
		}
		if s := h.log.String(); strings.Contains(s, key) {
			t.Errorf("the log shows the publish key:\n%s", s)
		}
	})
	return h
}

// logBuffer collects a log.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

// reset forgets what was written.
func (l *logBuffer) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.Reset()
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
		<-tick.C
	}
}

func dial(t *testing.T, url string, o rtmptest.Options) *rtmptest.Client {
	t.Helper()
	c, err := rtmptest.Dial(t.Context(), url, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func encode(t *testing.T, e rtmptest.Encoding) *rtmptest.Clip {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	clip, err := rtmptest.Encode(ctx, e)
	if err != nil {
		t.Fatal(err)
	}
	return clip
}
