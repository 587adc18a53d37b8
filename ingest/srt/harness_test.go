package srt_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/shoalcast/shoal/ingest/srt"
)

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

const (
	key        = "s3cret"
	passphrase = "a-long-passphrase"
)

// recorder is a Handler that keeps what it is given.
type recorder struct {
	request srt.Request
	house   *house
	hold    chan struct{} // Write waits for it, unless nil

	mu       sync.Mutex
	data     bytes.Buffer
	messages int
	stats    srt.Stats
	reason   error
	closed   chan struct{}
}

func (r *recorder) Write(b []byte) error {
	if r.hold != nil {
		<-r.hold
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.messages++
	if r.request.Name == "broken" {
		return errors.New("disk full")
	}
	r.data.Write(b)
	return nil
}

func (r *recorder) Stats(s srt.Stats) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stats = s
}

func (r *recorder) Close(reason error) {
	r.house.mu.Lock()
	delete(r.house.live, r.request.Name)
	r.house.mu.Unlock()
	r.reason = reason
	close(r.closed)
}

func (r *recorder) bytes() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Clone(r.data.Bytes())
}

func (r *recorder) size() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.data.Len()
}

func (r *recorder) figures() srt.Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stats
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
	t        testing.TB
	addr     string
	registry *prometheus.Registry
	metrics  *srt.Metrics
	log      *logBuffer
	pubs     chan *recorder
	hold     chan struct{}
	stop     func() error

	mu   sync.Mutex
	live map[string]*recorder
}

func (h *house) Check(r srt.Request) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case r.Key != key:
		return &srt.Refusal{Reason: "the publish key is wrong"}
	case h.live[r.Name] != nil:
		return &srt.Refusal{Code: srt.Conflict, Reason: "somebody publishes already"}
	}
	return nil
}

func (h *house) Start(_ context.Context, r srt.Request) (srt.Handler, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.live[r.Name] != nil {
		return nil, &srt.Refusal{Code: srt.Conflict, Reason: "somebody publishes already"}
	}
	rec := &recorder{request: r, house: h, closed: make(chan struct{})}
	if r.Name == "stuck" {
		rec.hold = h.hold
	}
	h.live[r.Name] = rec
	h.pubs <- rec
	return rec, nil
}

// open starts a server on loopback, and stops it with the test.
func open(t testing.TB, o srt.Options) *house {
	t.Helper()
	return openAt(t, "127.0.0.1:0", o)
}

func openAt(t testing.TB, addr string, o srt.Options) *house {
	t.Helper()
	h := &house{t: t, log: &logBuffer{}, pubs: make(chan *recorder, 1024), live: map[string]*recorder{}, hold: make(chan struct{})}
	h.registry = prometheus.NewRegistry()
	h.metrics = srt.NewMetrics(h.registry)
	o.Authorize, o.Metrics, o.Log = h, h.metrics, slog.New(slog.NewTextHandler(h.log, nil))
	s, err := srt.New(o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := s.Listen(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	h.addr = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	h.stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(patience):
			return errors.New("Serve does not return")
		}
	})
	t.Cleanup(func() {
		if err := h.stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("%.4000s", h.log)
		}
	})
	return h
}

func (h *house) next() *recorder {
	h.t.Helper()
	select {
	case r := <-h.pubs:
		return r
	case <-time.After(patience):
		h.t.Fatalf("nobody published:\n%s", h.log)
		return nil
	}
}

// ended counts connections that ended by a cause.
func (h *house) ended(cause string) int {
	return int(testutil.ToFloat64(h.metrics.Ended.WithLabelValues(cause)))
}

func (h *house) connections() int { return int(testutil.ToFloat64(h.metrics.Connections)) }

// url is where a peer publishes.
func (h *house) url(streamID, pass string) string { return srtURL(h.addr, streamID, pass) }

func srtURL(addr, streamID, pass string) string {
	u := "srt://" + addr + "?mode=caller&transtype=live&streamid=" + streamID
	if pass != "" {
		u += "&passphrase=" + pass
	}
	return u
}

func structured(name, key string) string { return "#!::r=" + name + ",m=publish,s=" + key }

func plain(name, key string) string { return name + "?key=" + key }

// eventually waits for a condition.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-deadline:
			t.Fatalf("not within %s: %s", patience, what)
		case <-tick.C:
		}
	}
}

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

// program is a peer of another make, which runs.
type program struct {
	cmd  *exec.Cmd
	out  logBuffer
	done chan struct{}
	err  error
}

func start(t testing.TB, name string, args ...string) *program {
	t.Helper()
	p := &program{cmd: exec.Command(name, args...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		p.err = p.cmd.Wait()
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%s said:\n%.2000s", name, p.out.String())
		}
	})
	return p
}

func (p *program) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

func (p *program) wait(t testing.TB) error {
	t.Helper()
	select {
	case <-p.done:
		return p.err
	case <-time.After(patience):
		t.Fatalf("the program does not end:\n%.2000s", p.out.String())
		return nil
	}
}

// ffmpeg publishes a test picture for some seconds at its own pace.
func ffmpeg(t testing.TB, seconds int, to string) *program {
	t.Helper()
	return start(t, "ffmpeg", "-hide_banner", "-nostdin", "-re", "-f", "lavfi", "-i", fmt.Sprintf("testsrc2=size=320x180:rate=25:duration=%d", seconds),
		"-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-b:v", "1M", "-f", "mpegts", to)
}

// counted is n messages of seven packets of MPEG-TS each, which carry their number.
func counted(n int) [][]byte {
	out := make([][]byte, n)
	for i := range 7 * n {
		out[i/7] = append(out[i/7], tsPacket(uint32(i))...)
	}
	return out
}

// transmit starts srt-live-transmit from a UDP port, and returns how to feed it.
func transmit(t testing.TB, to string) (p *program, feed func([][]byte)) {
	t.Helper()
	port := freePort(t)
	p = start(t, "srt-live-transmit", "-q", "-chunk:1316", "udp://127.0.0.1:"+port, to)
	c, err := net.Dial("udp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return p, func(messages [][]byte) {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for _, m := range messages {
			if _, err := c.Write(m); err != nil {
				t.Fatal(err)
			}
			<-tick.C
		}
	}
}

// freePort is a UDP port that nobody has.
func freePort(t testing.TB) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, port, _ := net.SplitHostPort(c.LocalAddr().String())
	return port
}

// goodbye asks a program to end.
func (p *program) goodbye() { _ = p.cmd.Process.Signal(os.Interrupt) }

// tsPacket is a packet of MPEG-TS (ISO/IEC 13818-1, 2.4.3.2) with a number in its payload.
func tsPacket(n uint32) []byte {
	b := make([]byte, 188)
	b[0], b[1], b[2], b[3] = 0x47, 0x01, 0x00, 0x10|byte(n&15)
	binary.BigEndian.PutUint32(b[4:], n)
	return b
}

// continuity checks that packets of MPEG-TS are whole and their continuity counters go on.
func continuity(t testing.TB, data []byte) {
	t.Helper()
	if len(data)%188 != 0 {
		t.Errorf("%d bytes are no whole number of packets", len(data))
	}
	last := map[uint16]byte{}
	for i := 0; i+188 <= len(data); i += 188 {
		p := data[i : i+188]
		if p[0] != 0x47 {
			t.Fatalf("packet %d does not begin with 0x47", i/188)
		}
		pid := binary.BigEndian.Uint16(p[1:]) & 0x1fff
		if pid == 0x1fff || p[3]&0x10 == 0 {
			continue
		}
		cc := p[3] & 15
		if was, ok := last[pid]; ok && cc != (was+1)&15 {
			t.Fatalf("packet %d of PID %d: continuity counter %d after %d", i/188, pid, cc, was)
		}
		last[pid] = cc
	}
}
