package rtmp_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoalcast/shoal/ingest/rtmp"
	"github.com/shoalcast/shoal/ingest/rtmp/amf"
	"github.com/shoalcast/shoal/ingest/rtmp/chunk"
	"github.com/shoalcast/shoal/internal/rtmptest"
)

// pipes is a listener whose connections are net.Pipes, which live in virtual time.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	select {
	case <-p.done:
	default:
		close(p.done)
	}
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p *pipes) dial() net.Conn {
	a, b := net.Pipe()
	p.conns <- b
	return a
}

// inVirtualTime runs a test against a server with the default limits of time.
func inVirtualTime(t *testing.T, f func(t *testing.T, p *pipes, pubs chan *recorder)) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
		pubs := make(chan *recorder, 1)
		s := rtmp.New(rtmp.Options{Authorize: func(_ context.Context, r rtmp.Request) (rtmp.Sink, error) {
			rec := &recorder{request: r, closed: make(chan struct{})}
			pubs <- rec
			return rec, nil
		}})
		ctx, cancel := context.WithCancel(t.Context())
		served := make(chan error)
		go func() { served <- s.Serve(ctx, p) }()
		f(t, p, pubs)
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}

// endsAfter reads to the end and checks how long that took.
func endsAfter(t *testing.T, c net.Conn, since time.Time, want time.Duration) {
	t.Helper()
	if _, err := io.Copy(io.Discard, c); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(since); d != want {
		t.Errorf("the connection ended after %v, not %v", d, want)
	}
}

// drip writes a byte a second until the connection is closed, and closes done.
func drip(c net.Conn, b []byte, done chan struct{}) {
	defer close(done)
	for i := 0; ; i++ {
		if _, err := c.Write(b[i%len(b) : i%len(b)+1]); err != nil {
			return
		}
		time.Sleep(time.Second)
	}
}

// A client that sends its handshake byte by byte is cut off when the time for all of
// it is up.
func TestSlowLoris(t *testing.T) {
	inVirtualTime(t, func(t *testing.T, p *pipes, _ chan *recorder) {
		start := time.Now()
		c := p.dial()
		done := make(chan struct{})
		go drip(c, []byte{3}, done)
		endsAfter(t, c, start, 5*time.Second)
		<-done
	})
}

// A client that never comes to publish is cut off, though it keeps sending.
func TestNeverPublishes(t *testing.T) {
	inVirtualTime(t, func(t *testing.T, p *pipes, _ chan *recorder) {
		start := time.Now()
		c := p.dial()
		if err := rtmptest.Handshake(c); err != nil {
			t.Fatal(err)
		}
		// An audio message of 2,000 bytes, dripping.
		done := make(chan struct{})
		go drip(c, append([]byte{4, 0, 0, 0, 0, 7, 0xD0, 8, 1, 0, 0, 0}, make([]byte, 2000)...), done)
		endsAfter(t, c, start, 15*time.Second)
		<-done
	})
}

// A publisher that falls silent is told so and cut off; one that sends anything at all
// is not.
func TestIdlePublisher(t *testing.T) {
	inVirtualTime(t, func(t *testing.T, p *pipes, pubs chan *recorder) {
		c := p.dial()
		out, in := chunk.NewWriter(c), publishOver(t, c)
		r := <-pubs
		for range 10 {
			time.Sleep(14 * time.Second)
			if err := out.Control(chunk.TypeAck, 0); err != nil {
				t.Fatal(err)
			}
		}
		silent := time.Now()
		said := ""
		for {
			m, err := in.Next()
			if err != nil {
				break
			}
			said += string(m.Payload)
		}
		if d := time.Since(silent); d != 15*time.Second || !strings.Contains(said, "no bytes came for 15s") {
			t.Errorf("after %v the publisher reads %q", d, said)
		}
		<-r.closed
		if r.reason == nil {
			t.Error("a stall looks like a publish that ended well")
		}
	})
}

// A server that is told to stop tells its publishers.
func TestShutdownTellsPublishers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
		rec := &recorder{closed: make(chan struct{})}
		s := rtmp.New(rtmp.Options{Authorize: func(context.Context, rtmp.Request) (rtmp.Sink, error) { return rec, nil }})
		ctx, cancel := context.WithCancel(t.Context())
		served := make(chan error)
		go func() { served <- s.Serve(ctx, p) }()
		c := p.dial()
		in := publishOver(t, c)
		cancel()
		m, err := in.Next()
		if err != nil || !strings.Contains(string(m.Payload), "The server is shutting down") {
			t.Errorf("the publisher reads %q, %v", m.Payload, err)
		}
		_ = c.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
		<-rec.closed
	})
}

// publishOver gets a connection as far as a publish that was accepted.
func publishOver(t *testing.T, c net.Conn) *chunk.Reader {
	t.Helper()
	if err := rtmptest.Handshake(c); err != nil {
		t.Fatal(err)
	}
	in := reader(c)
	write := func(stream uint32, values ...amf.Value) {
		b, err := amf.Append(nil, values...)
		if err != nil {
			t.Fatal(err)
		}
		m := chunk.Message{Type: chunk.TypeCommandAMF0, StreamID: stream, Payload: b}
		if err := chunk.NewWriter(c).Write(3, m); err != nil {
			t.Error(err)
		}
	}
	go func() {
		write(0, "connect", 1.0, amf.Object{{Name: "app", Value: "live"}})
		write(0, "createStream", 2.0, nil)
		write(1, "publish", 3.0, nil, "cam?key="+key, "live")
	}()
	for {
		m, err := in.Next()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(m.Payload), "NetStream.Publish.Start") {
			return in
		}
	}
}

// An Authorizer that hangs is told when the connection's time is up.
func TestAuthorizerHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
		s := rtmp.New(rtmp.Options{Authorize: func(ctx context.Context, _ rtmp.Request) (rtmp.Sink, error) {
			<-ctx.Done()
			return nil, errors.Join(ctx.Err(), context.Cause(ctx))
		}})
		ctx, cancel := context.WithCancel(t.Context())
		served := make(chan error)
		go func() { served <- s.Serve(ctx, p) }()
		start := time.Now()
		c := p.dial()
		if err := rtmptest.Handshake(c); err != nil {
			t.Fatal(err)
		}
		go func() {
			b, _ := amf.Append(nil, "connect", 1.0, amf.Object{{Name: "app", Value: "live"}})
			_ = chunk.NewWriter(c).Write(3, chunk.Message{Type: chunk.TypeCommandAMF0, Payload: b})
			b, _ = amf.Append(nil, "createStream", 2.0, nil)
			_ = chunk.NewWriter(c).Write(3, chunk.Message{Type: chunk.TypeCommandAMF0, Payload: b})
			b, _ = amf.Append(nil, "publish", 3.0, nil, "cam")
			_ = chunk.NewWriter(c).Write(3, chunk.Message{Type: chunk.TypeCommandAMF0, StreamID: 1, Payload: b})
		}()
		endsAfter(t, c, start, 15*time.Second)
		cancel()
		<-served
	})
}
