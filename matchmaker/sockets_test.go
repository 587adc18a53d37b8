package matchmaker_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/shoalcast/shoal/matchmaker"
)

// site serves a tracker over connections in memory that come from any address.
type site struct {
	t     testing.TB
	conns chan net.Conn
	done  chan struct{}
}

func serveSockets(t testing.TB, s *matchmaker.Service) *site {
	t.Helper()
	l := &site{t: t, conns: make(chan net.Conn), done: make(chan struct{})}
	server := &http.Server{Handler: http.HandlerFunc(s.Announce), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	t.Cleanup(func() {
		_ = server.Close()
		<-ended
	})
	return l
}

func (l *site) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}
func (l *site) Close() error   { close(l.done); return nil }
func (l *site) Addr() net.Addr { return &net.TCPAddr{} }

// placed is a connection that comes from an address.
type placed struct {
	net.Conn
	from net.Addr
}

func (p placed) RemoteAddr() net.Addr { return p.from }

// page is a browser's end of a socket.
type page struct {
	t     testing.TB
	id    string
	c     *websocket.Conn
	heard chan map[string]any
	ended chan error
}

// connect opens a socket from an address, and says why if it is refused.
func (l *site) connect(from string, header http.Header) (*websocket.Conn, error) {
	l.t.Helper()
	return l.dial(from, websocket.DialOptions{HTTPHeader: header})
}

func (l *site) dial(from string, o websocket.DialOptions) (*websocket.Conn, error) {
	l.t.Helper()
	addr, err := net.ResolveTCPAddr("tcp", from)
	check(l.t, err)
	o.HTTPClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		l.conns <- placed{theirs, addr}
		return ours, nil
	}}}
	c, r, err := websocket.Dial(l.t.Context(), "ws://tracker.example:8080/announce", &o)
	if err != nil && r != nil {
		b, _ := io.ReadAll(r.Body)
		return nil, fmt.Errorf("%d: %s", r.StatusCode, b)
	}
	return c, err
}

// open opens the socket of the page whose peer id is one character over and over.
func (l *site) open(from, id string) *page {
	l.t.Helper()
	return l.openAs(from, id, websocket.DialOptions{})
}

func (l *site) openAs(from, id string, o websocket.DialOptions) *page {
	l.t.Helper()
	c, err := l.dial(from, o)
	check(l.t, err)
	p := &page{t: l.t, id: strings.Repeat(id, 20), c: c, heard: make(chan map[string]any, 4096), ended: make(chan error, 1)}
	c.SetReadLimit(1 << 20)
	go func() {
		for {
			_, b, err := c.Read(context.Background())
			if err != nil {
				p.ended <- err
				return
			}
			var m map[string]any
			if err := json.Unmarshal(b, &m); err != nil {
				p.ended <- fmt.Errorf("%s: %w", b, err)
				return
			}
			p.heard <- m
		}
	}()
	l.t.Cleanup(func() { _ = c.CloseNow() })
	return p
}

func (p *page) write(b string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	check(p.t, p.c.Write(ctx, websocket.MessageText, []byte(b)))
}

// marshal writes JSON as JavaScript does.
func marshal(t testing.TB, m map[string]any) string {
	t.Helper()
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	check(t, e.Encode(m))
	return b.String()
}

func (p *page) say(m map[string]any) {
	p.t.Helper()
	p.write(marshal(p.t, m))
}

// next returns what is heard next.
func (p *page) next() map[string]any {
	p.t.Helper()
	select {
	case m := <-p.heard:
		return m
	case err := <-p.ended:
		p.t.Fatalf("%s hears nothing more: %v", p.id, err)
	case <-time.After(patience):
		p.t.Fatalf("%s waits in vain to hear something", p.id)
	}
	return nil
}

// quiet checks that nothing was said to the page that it has not heard.
func (p *page) quiet() {
	p.t.Helper()
	p.say(map[string]any{"action": "scrape", "info_hash": latin1(hash(99))})
	if m := p.next(); m["action"] != "scrape" {
		p.t.Errorf("%s hears %v", p.id, m)
	}
}

// gone waits for the socket's end and returns what was said then.
func (p *page) gone() websocket.CloseError {
	p.t.Helper()
	for {
		select {
		case <-p.heard:
		case err := <-p.ended:
			var why websocket.CloseError
			if code := websocket.CloseStatus(err); code == -1 {
				p.t.Fatalf("%s ends without a word: %v", p.id, err)
			}
			asClose(err, &why)
			return why
		case <-time.After(patience):
			p.t.Fatalf("%s stays open", p.id)
		}
	}
}

func (p *page) announcement(h [20]byte, offers int, more ...any) map[string]any {
	m := map[string]any{"action": "announce", "info_hash": latin1(h), "peer_id": p.id, "left": 100, "event": "started"}
	var list []any
	for i := range offers {
		list = append(list, map[string]any{"offer_id": offerID(p.id, i), "offer": map[string]any{"type": "offer", "sdp": fmt.Sprintf("v=0\r\n%c%d", []rune(p.id)[0], i)}})
	}
	m["offers"], m["numwant"] = list, offers
	for i := 0; i < len(more); i += 2 {
		m[more[i].(string)] = more[i+1]
	}
	return m
}

// announce announces with offers and returns the answer.
func (p *page) announce(h [20]byte, offers int, more ...any) map[string]any {
	p.t.Helper()
	p.say(p.announcement(h, offers, more...))
	return p.next()
}

// answer answers an offer that was heard.
func (p *page) answer(offer map[string]any, more ...any) map[string]any {
	m := map[string]any{
		"action": "announce", "info_hash": offer["info_hash"], "peer_id": p.id, "to_peer_id": offer["peer_id"], "offer_id": offer["offer_id"],
		"answer": map[string]any{"type": "answer", "sdp": "v=0\r\nto " + fmt.Sprint(offer["offer_id"])},
	}
	for i := 0; i < len(more); i += 2 {
		m[more[i].(string)] = more[i+1]
	}
	return m
}

// offerID is 20 characters of all kinds.
func offerID(peer string, n int) string {
	return fmt.Sprintf("%c%s%08d", []rune(peer)[0], "éÿ\x00\x1f\u0080<>&\"\\\n", n)
}

// latin1 writes bytes as the protocol does: a character each.
func latin1(b [20]byte) string {
	var out strings.Builder
	for _, c := range b {
		out.WriteRune(rune(c))
	}
	return out.String()
}
