package rtmp_test

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/shoalcast/shoal/ingest/media"
	"github.com/shoalcast/shoal/ingest/rtmp"
	"github.com/shoalcast/shoal/ingest/rtmp/amf"
	"github.com/shoalcast/shoal/ingest/rtmp/chunk"
	"github.com/shoalcast/shoal/internal/rtmptest"
)

func raw(t *testing.T, h *house) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", h.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// gone waits until the server has closed a connection.
func gone(t *testing.T, c net.Conn) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, c); err != nil {
		var ne net.Error
		if errors.As(err, &ne) && ne.Timeout() {
			t.Fatal("the server did not close the connection")
		}
	}
}

// witness publishes all through a test, to show that others' faults do not touch it.
func witness(t *testing.T, h *house) (check func()) {
	t.Helper()
	c := dial(t, h.publishURL("witness"), rtmptest.Options{})
	r := h.next()
	if err := c.Config(media.Config{Codec: media.H264, Record: []byte("record")}, 0); err != nil {
		t.Fatal(err)
	}
	n := 0
	return func() {
		t.Helper()
		n++
		if err := c.Push(media.H264, media.AccessUnit{Data: []byte("frame"), Key: true}); err != nil {
			t.Fatalf("another publisher was disturbed: %v", err)
		}
		eventually(t, "another publisher's frame arrives", func() bool { return len(r.of(media.Video)) == n })
		t.Cleanup(func() { _ = c.Abandon() })
	}
}

// Whatever is thrown at the port, the log names the cause and nobody else notices.
func TestBadInput(t *testing.T) {
	t.Parallel()
	h := open(t, rtmp.Limits{Handshake: 300 * time.Millisecond})
	check := witness(t, h)
	random := make([]byte, 64<<10)
	src := rand.New(rand.NewPCG(1, 2))
	for i := range random {
		random[i] = byte(src.Uint32())
	}
	random[0] = 0x80
	cases := []struct {
		name  string
		bytes []byte
		log   string
	}{
		{"random bytes", random, "C0 is 0x80"},
		{"HTTP", []byte("GET / HTTP/1.1\r\n\r\n"), "HTTP?"},
		{"TLS", []byte{0x16, 3, 1, 0, 200}, "TLS?"},
		{"a handshake that stops", append([]byte{3}, random[:700]...), "RTMP handshake did not come in time"},
		{"nothing at all", nil, "RTMP handshake did not come in time"},
	}
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			c := raw(t, h)
			_, _ = c.Write(tt.bytes) // the server may close at the first byte
			gone(t, c)
			eventually(t, "the log says "+tt.log, func() bool { return strings.Contains(h.log.String(), tt.log) })
			check()
		})
	}
}

// A truncated handshake is the end of that connection and of nothing else.
func TestTruncatedHandshakes(t *testing.T) {
	t.Parallel()
	h := open(t, rtmp.Limits{})
	check := witness(t, h)
	for _, n := range []int{0, 1, 2, 700, 1536, 1537, 1538, 3072} {
		c := raw(t, h)
		b := make([]byte, n)
		if n > 0 {
			b[0] = 3
		}
		if _, err := c.Write(b); err != nil {
			t.Fatal(err)
		}
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		gone(t, c)
	}
	check()
}

// A client that breaks the chunk stream's or AMF's rules is told off and cut off.
func TestBrokenChunksAndAMF(t *testing.T) {
	t.Parallel()
	h := open(t, rtmp.Limits{})
	check := witness(t, h)
	deep := []byte{2, 0, 4, 'b', 'o', 'm', 'b', 0, 0, 0, 0, 0, 0, 0, 0, 0}
	for range 10_000 {
		deep = append(deep, 3, 0, 1, 'a')
	}
	command := func(b []byte) []byte {
		out, err := chunk.AppendMessage(nil, 3, chunk.Message{Type: chunk.TypeCommandAMF0, Payload: b}, 4096)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	control := func(typ byte, v ...byte) []byte {
		return append([]byte{2, 0, 0, 0, 0, 0, byte(len(v)), typ, 0, 0, 0, 0}, v...)
	}
	manyStreams := []byte{}
	for id := range byte(60) {
		manyStreams = append(manyStreams, 4+id%60, 0, 0, 0, 0, 1, 0, 9, 0, 0, 0, 0)
		manyStreams = append(manyStreams, make([]byte, 256)...)
	}
	for _, tt := range []struct {
		name  string
		bytes []byte
		log   string
	}{
		{"chunk size of 2 GiB", control(chunk.TypeSetChunkSize, 0x7F, 0xFF, 0xFF, 0xFF), "chunk size of 2147483647 bytes"},
		{"chunk size of 0", control(chunk.TypeSetChunkSize, 0, 0, 0, 0), "chunk size of 0 bytes"},
		{"message of 16 MB before a publish", []byte{3, 0, 0, 0, 0xFF, 0xFF, 0xFF, 9, 1, 0, 0, 0}, "message is too large"},
		{"many chunk streams", manyStreams, "too many chunk streams"},
		{"continuation of nothing", []byte{0xC9, 1, 2, 3}, "chunk header is out of place"},
		{"AMF nested 10,000 deep", command(deep), "nested too deeply"},
		{"AMF array of 4 billion", command([]byte{2, 0, 1, 'a', 10, 0xFF, 0xFF, 0xFF, 0xFF}), "cut short"},
		{"AMF array of many", command(append([]byte{2, 0, 1, 'a', 10, 0, 0, 0x20, 0}, make([]byte, 9*0x2000)...)[:60<<10]), "too many values"},
		{"AMF of unknown type", command([]byte{0x77}), "AMF0 type is not known"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := rtmptest.Connect(t.Context(), h.url+"/x", rtmptest.Options{})
			if err != nil {
				t.Fatal(err)
			}
			_ = c.Raw(tt.bytes) // it may be cut off while it still writes
			err = c.Publish("x")
			var status *rtmptest.StatusError
			if !errors.As(err, &status) || !strings.Contains(status.Description, tt.log) {
				t.Errorf("the client reads %v, not %q", err, tt.log)
			}
			_ = c.Abandon()
			eventually(t, "the log says "+tt.log, func() bool { return strings.Contains(h.log.String(), tt.log) })
			check()
		})
	}
}

// A publisher over its rates is ended with a sentence that names the limit.
func TestRates(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		limits rtmp.Limits
		size   int
		reason string
	}{
		{"bytes", rtmp.Limits{BytesPerSecond: 100_000}, 50_000, "more than the 0.8 Mbps"},
		{"messages", rtmp.Limits{MessagesPerSecond: 20}, 10, "more than the 20 messages a second"},
		{"one message", rtmp.Limits{Message: 100_000}, 100_001, "at most 100000 are allowed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := open(t, tt.limits)
			c := dial(t, h.publishURL("cam"), rtmptest.Options{})
			r := h.next()
			_ = c.Config(media.Config{Codec: media.H264, Record: []byte("record")}, 0)
			unit := media.AccessUnit{Data: make([]byte, tt.size), Key: true}
			for range 1000 {
				if c.Push(media.H264, unit) != nil || c.Status() != nil {
					break
				}
			}
			<-c.Done()
			_ = c.Abandon()
			if err := c.Status(); err == nil || !strings.Contains(err.Error(), tt.reason) {
				t.Errorf("the publisher reads %v, not %q", err, tt.reason)
			}
			if err := r.wait(t); err == nil || !strings.Contains(err.Error(), tt.reason) {
				t.Errorf("the sink is closed with %v", err)
			}
		})
	}
}

// When what receives a stream cannot go on, the publisher reads its sentence.
func TestSinkFails(t *testing.T) {
	t.Parallel()
	h := open(t, rtmp.Limits{})
	c := dial(t, h.publishURL("cam"), rtmptest.Options{})
	r := h.next()
	r.mu.Lock()
	r.fail = &rtmp.Refusal{Reason: "The disk is full", Err: errors.New("write /data: ENOSPC")}
	r.mu.Unlock()
	_ = c.Config(media.Config{Codec: media.H264, Record: []byte("record")}, 0)
	_ = c.Push(media.H264, media.AccessUnit{Data: []byte("x"), Key: true})
	<-c.Done()
	_ = c.Abandon()
	var status *rtmptest.StatusError
	if !errors.As(c.Status(), &status) || status.Description != "The disk is full" {
		t.Errorf("the publisher reads %v", c.Status())
	}
	_ = r.wait(t)
}

// A codec that cannot be carried is refused by name.
func TestUnsupportedCodec(t *testing.T) {
	t.Parallel()
	h := open(t, rtmp.Limits{})
	c := dial(t, h.publishURL("cam"), rtmptest.Options{})
	_ = c.Send(4, chunk.Message{Type: chunk.TypeVideo, StreamID: 1, Payload: []byte("\x90vp09....")})
	<-c.Done()
	_ = c.Abandon()
	if err := c.Status(); err == nil || !strings.Contains(err.Error(), `video comes as "vp09"`) {
		t.Errorf("the publisher reads %v", err)
	}
}

// A connection that breaks in the middle of a frame ends the publish with a cause, and
// the name is free again.
func TestConnectionBreaks(t *testing.T) {
	t.Parallel()
	h := open(t, rtmp.Limits{})
	c := dial(t, h.publishURL("cam"), rtmptest.Options{})
	r := h.next()
	if err := c.Raw([]byte{6, 0, 0, 0, 0, 1, 0, 9, 1, 0, 0, 0, 0x17}); err != nil {
		t.Fatal(err)
	}
	_ = c.Reset()
	if err := r.wait(t); err == nil {
		t.Error("a broken connection looks like a publish that ended well")
	}
	c = dial(t, h.publishURL("cam"), rtmptest.Options{})
	h.next()
	if err := c.Abandon(); err != nil {
		t.Error(err)
	}
}

// Metadata that cannot be read do not end a publish: OBS plugins send odd ones.
func TestOddMetadata(t *testing.T) {
	t.Parallel()
	h := open(t, rtmp.Limits{})
	c := dial(t, h.publishURL("cam"), rtmptest.Options{})
	r := h.next()
	_ = c.Send(5, chunk.Message{Type: chunk.TypeDataAMF0, StreamID: 1, Payload: []byte{2, 0, 200, 'x'}})
	_ = c.Metadata(amf.ECMAArray{{Name: "width", Value: 1e300}, {Name: "height", Value: "tall"}, {Name: "encoder", Value: "obs"}})
	_ = c.Config(media.Config{Codec: media.H264, Record: []byte("record")}, 0)
	_ = c.Close()
	if err := r.wait(t); err != nil || len(r.configs) != 1 {
		t.Errorf("ended with %v", err)
	}
	if len(r.metadata) != 1 || r.metadata[0] != (rtmp.Metadata{Encoder: "obs"}) {
		t.Errorf("metadata %+v", r.metadata)
	}
}

// A thousand connections that do nothing cost little, disturb nobody, and end by
// themselves.
func TestIdleConnections(t *testing.T) {
	const n = 1000
	h := open(t, rtmp.Limits{Handshake: time.Minute, Setup: 2 * time.Minute})
	check := witness(t, h)
	before := memory()
	conns := make([]net.Conn, n)
	for i := range conns {
		conns[i] = raw(t, h)
		if i%10 != 0 { // most of them say hello and then nothing
			if err := rtmptest.Handshake(conns[i]); err != nil {
				t.Fatal(err)
			}
		}
	}
	check()
	per := int64(memory()-before) / n
	t.Logf("%d bytes for an idle connection, the test's own end included", per)
	if per > 40<<10 {
		t.Errorf("an idle connection costs %d bytes, more than 40 KiB", per)
	}
	for _, c := range conns {
		_ = c.Close()
	}
	eventually(t, "idle connections are forgotten", func() bool { return runtime.NumGoroutine() < 100 })
	check()
}

func memory() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

// When the places are taken, a publisher gets in and the oldest idle connection goes.
func TestCrowdedOut(t *testing.T) {
	t.Parallel()
	for _, l := range []rtmp.Limits{{Connections: 8}, {PerAddress: 8}} {
		l.Handshake = time.Minute
		h := open(t, l)
		check := witness(t, h)
		var idle []net.Conn
		for range 7 {
			idle = append(idle, raw(t, h))
		}
		c := dial(t, h.publishURL("late"), rtmptest.Options{})
		h.next()
		gone(t, idle[0])
		check()
		_ = c.Abandon()
	}
}

// When every place publishes, one more is turned away.
func TestFull(t *testing.T) {
	t.Parallel()
	h := open(t, rtmp.Limits{Connections: 2})
	for _, name := range []string{"a", "b"} {
		c := dial(t, h.publishURL(name), rtmptest.Options{})
		h.next()
		t.Cleanup(func() { _ = c.Abandon() })
	}
	gone(t, raw(t, h))
	eventually(t, "the log says why", func() bool { return strings.Contains(h.log.String(), "the limit is reached") })
}

// A publisher that is ended while it is busy sending still gets to read why.
func TestBusyPublisherReadsWhy(t *testing.T) {
	t.Parallel()
	h := open(t, rtmp.Limits{})
	c := raw(t, h)
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	in := publishOver(t, c)
	r := h.next()
	r.mu.Lock()
	r.fail = &rtmp.Refusal{Reason: "The disk is full"}
	r.mu.Unlock()
	out := chunk.NewWriter(c)
	send := func(payload string) error {
		return out.Write(6, chunk.Message{Type: chunk.TypeVideo, StreamID: 1, Payload: []byte(payload)})
	}
	_ = send("\x17\x00\x00\x00\x00record")
	_ = send("\x17\x01\x00\x00\x00frame")
	_ = r.wait(t)
	for range 200 { // much more than the server had read when it gave up
		if err := send("\x27\x01\x00\x00\x00" + strings.Repeat("x", 10_000)); err != nil {
			t.Fatalf("cut off before it could read why: %v", err)
		}
	}
	for {
		m, err := in.Next()
		if err != nil {
			t.Fatalf("did not read why: %v", err)
		}
		if strings.Contains(string(m.Payload), "The disk is full") {
			return
		}
	}
}
