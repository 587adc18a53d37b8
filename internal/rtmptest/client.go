package rtmptest

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/shoalcast/shoal/ingest/media"
	"github.com/shoalcast/shoal/ingest/rtmp/amf"
	"github.com/shoalcast/shoal/ingest/rtmp/chunk"
)

// Options of a Client; zero fields have the defaults.
type Options struct {
	ChunkSize int           // bytes, default 4096
	TLS       *tls.Config   // for rtmps:// URLs
	FlashVer  string        // default "shoal/rtmptest"
	Timeout   time.Duration // of setting up and of each write, default 10 s
}

// StatusError is an onStatus of level error, or an _error.
type StatusError struct {
	Code        string
	Description string
}

func (e *StatusError) Error() string { return e.Code + ": " + e.Description }

// Client is one connection that publishes. Only one goroutine may send.
type Client struct {
	conn    net.Conn
	options Options
	in      *chunk.Reader
	out     *chunk.Writer
	buf     []byte

	listening bool          // set once, by Publish
	done      chan struct{} // closed when nothing more is read

	mu     sync.Mutex
	status error // first *StatusError the server sent, or why reading ended
	acked  uint32
}

// streamID of the publish: servers give the first stream this number.
const streamID = 1

// Dial connects to rtmp[s]://host[:port]/app/name?query and begins a publish. A
// refusal is a *StatusError.
func Dial(ctx context.Context, rawURL string, o Options) (*Client, error) {
	c, err := Connect(ctx, rawURL, o)
	if err != nil {
		return nil, err
	}
	u, _ := url.Parse(rawURL) // Connect parsed it
	_, name := split(u)
	if err := c.Publish(name); err != nil {
		c.Abandon()
		return nil, fmt.Errorf("publish: %w", err)
	}
	return c, nil
}

// Connect goes as far as createStream.
func Connect(ctx context.Context, rawURL string, o Options) (*Client, error) {
	set(&o.ChunkSize, 4096)
	set(&o.Timeout, 10*time.Second)
	set(&o.FlashVer, "shoal/rtmptest")
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, err
	}
	conn, err := dial(ctx, u, o)
	if err != nil {
		return nil, err
	}
	c := &Client{conn: conn, options: o, done: make(chan struct{})}
	if err := c.setUp(u); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("set up an RTMP connection: %w", err)
	}
	return c, nil
}

func set[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

func dial(ctx context.Context, u *url.URL, o Options) (net.Conn, error) {
	host := u.Host
	if u.Port() == "" {
		host = net.JoinHostPort(u.Hostname(), "1935")
	}
	d := net.Dialer{Timeout: o.Timeout}
	if u.Scheme == "rtmps" {
		return (&tls.Dialer{NetDialer: &d, Config: o.TLS}).DialContext(ctx, "tcp", host)
	}
	return d.DialContext(ctx, "tcp", host)
}

// split takes a URL's path apart: the last element with the query is the name.
func split(u *url.URL) (app, name string) {
	app, name = "", strings.Trim(u.Path, "/")
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		app, name = name[:i], name[i+1:]
	}
	if u.RawQuery != "" {
		name += "?" + u.RawQuery
	}
	return app, name
}

func (c *Client) setUp(u *url.URL) error {
	if err := c.conn.SetDeadline(time.Now().Add(c.options.Timeout)); err != nil {
		return err
	}
	if err := Handshake(c.conn); err != nil {
		return err
	}
	c.in = chunk.NewReader(bufio.NewReaderSize(c.conn, 4096),
		chunk.Limits{Message: 1 << 20, Unfinished: 1 << 20, Streams: 64})
	c.out = chunk.NewWriter(writer{c})
	if err := c.out.SetSize(c.options.ChunkSize); err != nil {
		return err
	}
	app, _ := split(u)
	err := c.Command(0, "connect", 1.0, amf.Object{
		{Name: "app", Value: app},
		{Name: "type", Value: "nonprivate"},
		{Name: "flashVer", Value: c.options.FlashVer},
		{Name: "tcUrl", Value: u.Scheme + "://" + u.Host + "/" + app},
		{Name: "fourCcList", Value: amf.StrictArray{"av01", "hvc1", "avc1", "Opus", "mp4a"}},
	})
	if err != nil {
		return err
	}
	if err := c.await(1); err != nil {
		return err
	}
	if err := c.Command(0, "createStream", 2.0, nil); err != nil {
		return err
	}
	return c.await(2)
}

// Publish asks to publish name, which may have a query, and waits for the answer.
func (c *Client) Publish(name string) error {
	if err := c.conn.SetDeadline(time.Now().Add(c.options.Timeout)); err != nil {
		return err
	}
	if err := c.Command(streamID, "publish", 3.0, nil, name, "live"); err != nil {
		return err
	}
	if err := c.await(0); err != nil {
		return err
	}
	if err := c.conn.SetDeadline(time.Time{}); err != nil {
		return err
	}
	c.listening = true
	go c.listen()
	return nil
}

// await reads until the answer to a transaction; 0 stands for onStatus.
func (c *Client) await(transaction float64) error {
	for {
		m, err := c.in.Next()
		if err != nil {
			return err
		}
		name, id, last, err := command(m)
		switch {
		case err != nil:
			return err
		case name == "_result" && id == transaction && transaction != 0:
			return nil
		case name == "_error" && id == transaction && transaction != 0:
			return statusOf(last)
		case name == "onStatus" && amf.String(last, "level") == "error":
			return statusOf(last)
		case name == "onStatus" && transaction == 0:
			return nil
		}
	}
}

func statusOf(v amf.Value) *StatusError {
	return &StatusError{Code: amf.String(v, "code"), Description: amf.String(v, "description")}
}

// command takes a command apart; other messages have no name.
func command(m chunk.Message) (name string, id float64, last amf.Value, err error) {
	if m.Type != chunk.TypeCommandAMF0 {
		return "", 0, nil, nil
	}
	vs, err := amf.Decode(m.Payload)
	if err != nil || len(vs) < 2 {
		return "", 0, nil, err
	}
	name, _ = vs[0].(string)
	id, _ = vs[1].(float64)
	return name, id, vs[len(vs)-1], nil
}

// listen reads what the server says during the publish, so that its answers never
// fill the connection.
func (c *Client) listen() {
	defer close(c.done)
	for {
		m, err := c.in.Next()
		if err != nil {
			c.note(err)
			return
		}
		if m.Type == chunk.TypeAck && len(m.Payload) == 4 {
			c.mu.Lock()
			c.acked = uint32(m.Payload[0])<<24 | uint32(m.Payload[1])<<16 | uint32(m.Payload[2])<<8 | uint32(m.Payload[3])
			c.mu.Unlock()
		}
		if name, _, last, _ := command(m); name == "onStatus" && amf.String(last, "level") == "error" {
			c.note(statusOf(last))
		}
	}
}

func (c *Client) note(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.status == nil {
		c.status = err
	}
}

// Status returns what the server said against the publish (*StatusError), or why the
// connection ended; nil while all is well.
func (c *Client) Status() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status
}

// Acked returns the bytes that the server last acknowledged.
func (c *Client) Acked() uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.acked
}

// Done is closed when the server has closed the connection.
func (c *Client) Done() <-chan struct{} { return c.done }

// Command sends a command message.
func (c *Client) Command(stream uint32, values ...amf.Value) error {
	b, err := amf.Append(nil, values...)
	if err != nil {
		return err
	}
	return c.Send(3, chunk.Message{Type: chunk.TypeCommandAMF0, StreamID: stream, Payload: b})
}

// Send sends any message on chunk stream id.
func (c *Client) Send(id uint32, m chunk.Message) error { return c.out.Write(id, m) }

// Raw sends bytes as they are.
func (c *Client) Raw(b []byte) error {
	_, err := writer{c}.Write(b)
	return err
}

// writer puts a time limit on each write, and explains a failed one by what the
// server said.
type writer struct{ c *Client }

func (w writer) Write(b []byte) (int, error) {
	if err := w.c.conn.SetWriteDeadline(time.Now().Add(w.c.options.Timeout)); err != nil {
		return 0, w.explain(err)
	}
	n, err := w.c.conn.Write(b)
	return n, w.explain(err)
}

func (w writer) explain(err error) error {
	if err == nil {
		return nil
	}
	var status *StatusError
	if errors.As(w.c.Status(), &status) {
		return status
	}
	return err
}

// Chunk streams that media travel on, and metadata.
const (
	audioChunks = 4
	videoChunks = 6
	dataChunks  = 5
)

// Metadata sends @setDataFrame onMetaData.
func (c *Client) Metadata(m amf.ECMAArray) error {
	b, err := amf.Append(nil, "@setDataFrame", "onMetaData", m)
	if err != nil {
		return err
	}
	return c.Send(dataChunks, chunk.Message{Type: chunk.TypeDataAMF0, StreamID: streamID, Payload: b})
}

// Config sends a track's configuration, with time ms.
func (c *Client) Config(cfg media.Config, ms uint32) error {
	id, m := configMessage(cfg, ms)
	return c.Send(id, m)
}

// Push sends an access unit of a codec. Its times go out in whole milliseconds.
func (c *Client) Push(codec media.Codec, u media.AccessUnit) error {
	id, m := unitMessage(c.buf[:0], codec, u)
	c.buf = m.Payload
	return c.Send(id, m)
}

// Close ends the publish properly and waits for the server to have read all of it.
func (c *Client) Close() error {
	err := errors.Join(
		c.Command(0, "FCUnpublish", 4.0, nil, ""),
		c.Command(0, "deleteStream", 5.0, nil, float64(streamID)),
	)
	return errors.Join(err, c.Abandon())
}

// Abandon closes the connection without ending the publish, after the server has
// read all that was sent.
func (c *Client) Abandon() error {
	if half, ok := c.conn.(interface{ CloseWrite() error }); ok && c.listening && half.CloseWrite() == nil {
		// Closing with answers unread would reset the connection, and what the server
		// has not read yet would be lost.
		select {
		case <-c.done:
		case <-time.After(c.options.Timeout):
		}
	}
	err := c.conn.Close()
	if c.listening {
		<-c.done
	}
	return err
}

// Reset breaks the connection as a machine that loses power would, or a network.
func (c *Client) Reset() error {
	if t, ok := c.conn.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	err := c.conn.Close()
	if c.listening {
		<-c.done
	}
	return err
}

// Handshake does the client's side of the plain handshake.
func Handshake(rw io.ReadWriter) error {
	const size = 1536
	b := make([]byte, 1+2*size)
	b[0] = 3
	for i := 9; i <= size; i++ {
		b[i] = byte(i * 7)
	}
	c1 := append([]byte(nil), b[1:1+size]...)
	if _, err := rw.Write(b[:1+size]); err != nil {
		return err
	}
	if _, err := io.ReadFull(rw, b); err != nil {
		return fmt.Errorf("read S0 to S2: %w", err)
	}
	if b[0] != 3 || string(b[1+size:]) != string(c1) {
		return errors.New("the server's handshake is not an echo of ours")
	}
	_, err := rw.Write(b[1 : 1+size])
	return err
}
