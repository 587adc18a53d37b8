package bus_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/bus/bustest"
	"github.com/shoalcast/shoal/event"
)

// world is a bus with its door for pages.
type world struct {
	server *bus.Server
	bus    *bus.Bus
	url    string // ws://
	remote string // where pages seem to come from, if not from this machine
}

func pagesOf(t testing.TB, o bus.PagesOptions) *world {
	s, b := bustest.StartServer(t)
	w := &world{server: s, bus: b}
	p := s.NewPages(o)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /nats", func(rw http.ResponseWriter, r *http.Request) {
		if w.remote != "" {
			r.RemoteAddr = w.remote
		}
		p.ServeHTTP(rw, r)
	})
	h := httptest.NewUnstartedServer(mux)
	h.Config.ReadTimeout, h.Config.WriteTimeout = 200*time.Millisecond, 200*time.Millisecond // of requests, not of what a page holds
	h.Start()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := receive(t, ended); err != nil {
			t.Error(err)
		}
		h.Close()
	})
	w.url = "ws" + strings.TrimPrefix(h.URL, "http") + "/nats"
	return w
}

func (w *world) pass(t testing.TB, id event.StreamID) bus.Pass {
	t.Helper()
	p, err := w.server.Pass(id)
	check(t, err)
	return p
}

// page is a connected page, and what the server reproached it with.
type page struct {
	*nats.Conn
	errs  chan error
	ended chan struct{}
}

func (w *world) dial(token string, o ...nats.Option) (*page, error) {
	p := &page{errs: make(chan error, 100), ended: make(chan struct{})}
	o = append(o, nats.NoReconnect(), nats.Timeout(patience),
		nats.UserJWT(func() (string, error) { return token, nil }, func([]byte) ([]byte, error) { return nil, nil }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { p.errs <- err }),
		nats.ClosedHandler(func(*nats.Conn) { close(p.ended) }))
	var err error
	p.Conn, err = nats.Connect(w.url, o...)
	return p, err
}

func (w *world) page(t testing.TB, token string, o ...nats.Option) *page {
	t.Helper()
	p, err := w.dial(token, o...)
	check(t, err)
	t.Cleanup(func() {
		p.Close()
		receive(t, p.ended)
	})
	return p
}

func (w *world) entry(t testing.TB, id event.StreamID, payload string) {
	t.Helper()
	_, err := w.bus.AppendEntry(ctxOf(t), id, event.Source, []byte(payload), bus.AnySeq, 0, "", "")
	check(t, err)
}

func TestAPageGetsItsStreamsEntriesAndAdviceAndIsHeard(t *testing.T) {
	w := pagesOf(t, bus.PagesOptions{})
	pass := w.pass(t, streamA)
	if left := time.Until(time.Unix(pass.Expires, 0)); left > bus.PassLife || left < bus.PassLife-time.Minute {
		t.Errorf("the pass is good for %v", left)
	}
	p := w.page(t, pass.JWT)
	entries, err := p.SubscribeSync(pass.Manifest)
	check(t, err)
	advice, err := p.SubscribeSync(pass.Control)
	check(t, err)
	check(t, p.Flush())
	service := w.service(t)
	heard, err := service.SubscribeSync("shoal.telemetry.>")
	check(t, err)
	check(t, service.Flush())

	w.entry(t, streamB, "another stream's")
	w.entry(t, streamA, "entry 1")
	m, err := entries.NextMsgWithContext(ctxOf(t))
	check(t, err)
	if string(m.Data) != "entry 1" || m.Subject != "shoal.manifest."+string(streamA)+".v0" {
		t.Errorf("%s: %q", m.Subject, m.Data)
	}
	check(t, service.Publish(pass.Control, []byte("swap")))
	if m, err = advice.NextMsgWithContext(ctxOf(t)); err != nil || string(m.Data) != "swap" {
		t.Errorf("advice: %v, %v", m, err)
	}
	check(t, p.Publish(pass.Telemetry, []byte("report")))
	if m, err = heard.NextMsgWithContext(ctxOf(t)); err != nil || string(m.Data) != "report" || m.Subject != pass.Telemetry {
		t.Errorf("telemetry: %v, %v", m, err)
	}
	if again := w.pass(t, streamA); again.Session == pass.Session || again.JWT == pass.JWT {
		t.Error("two pages have one pass")
	}
}

// service is a connection that may do what services do.
func (w *world) service(t testing.TB) *nats.Conn {
	nc, err := nats.Connect("", nats.InProcessServer(w.server.InProcess()), nats.UserCredentials(w.server.CredsFile()))
	check(t, err)
	t.Cleanup(nc.Close)
	return nc
}

func TestAPageReadsNothingElse(t *testing.T) {
	w := pagesOf(t, bus.PagesOptions{})
	mine, other := w.pass(t, streamA), w.pass(t, streamB)
	sibling := w.pass(t, streamA)
	for _, subject := range []string{
		other.Manifest, other.Control, sibling.Control, mine.Telemetry, "shoal.telemetry.>",
		"shoal.manifest.*.*", "shoal.control." + string(streamA) + ".*", "shoal.*.*.*", "shoal.*." + string(streamA) + ".*",
		"shoal.piece." + string(streamA) + ".v0", "shoal.piece.*.*", "shoal.close." + string(streamA) + ".v0",
		"shoal.stream." + string(streamA), "shoal.stream.*", "shoal.peer.*.*", "shoal.dead.*",
		">", "*", "*.>", "*.*.*.*", "shoal.>", "$JS.API.>", "$JS.EVENT.>", "$SYS.>", "$SYS.ACCOUNT.>", "_INBOX.>", "_INBOX.abc.*", "$SRV.>", "$KV.>",
	} {
		t.Run(subject, func(t *testing.T) {
			p := w.page(t, mine.JWT)
			_, err := p.SubscribeSync(subject)
			check(t, err)
			if err := receive(t, p.errs); !errors.Is(err, nats.ErrPermissionViolation) {
				t.Errorf("it was told %v", err)
			}
		})
	}
	// A wildcard in place of the rendition is its own; one that goes deeper gets no more.
	p := w.page(t, mine.JWT)
	deep, err := p.SubscribeSync("shoal.manifest." + string(streamA) + ".>")
	check(t, err)
	check(t, p.Flush())
	w.entry(t, streamB, "not this")
	w.entry(t, streamA, "this")
	if m, err := deep.NextMsgWithContext(ctxOf(t)); err == nil && string(m.Data) != "this" {
		t.Errorf("it got %q", m.Data)
	}
}

func TestAPageSaysNothingElse(t *testing.T) {
	w := pagesOf(t, bus.PagesOptions{})
	mine, other, sibling := w.pass(t, streamA), w.pass(t, streamB), w.pass(t, streamA)
	all, err := w.service(t).SubscribeSync("shoal.>")
	check(t, err)
	check(t, all.SetPendingLimits(-1, -1))
	for _, subject := range []string{
		"shoal.manifest." + string(streamA) + ".v0", "shoal.manifest." + string(streamB) + ".v0",
		mine.Control, sibling.Control, sibling.Telemetry, other.Telemetry,
		"shoal.telemetry." + string(streamA), "shoal.telemetry." + string(streamA) + "." + mine.Session + ".more",
		"shoal.piece." + string(streamA) + ".v0", "shoal.stream." + string(streamA), "shoal.close." + string(streamA) + ".v0",
		"shoal.peer.local." + string(streamA), "shoal.dead.test", "$JS.API.INFO", "$JS.API.STREAM.PURGE.MANIFEST",
		"$JS.API.STREAM.MSG.GET.STREAM", "$JS.API.DIRECT.GET.MANIFEST", "$JS.ACK.a.b", "$SYS.REQ.SERVER.PING", "_INBOX.someone.else", "anything",
	} {
		t.Run(subject, func(t *testing.T) {
			p := w.page(t, mine.JWT)
			check(t, p.Publish(subject, []byte("false")))
			if err := receive(t, p.errs); !errors.Is(err, nats.ErrPermissionViolation) {
				t.Errorf("it was told %v", err)
			}
		})
	}
	if n, _, err := all.Pending(); err != nil || n != 0 {
		t.Errorf("%d messages came through: %v", n, err)
	}
	if _, seq, err := w.bus.LastEntries(ctxOf(t), streamA, event.Source, 1); err != nil || seq != 0 {
		t.Errorf("there is an entry %d: %v", seq, err)
	}
}

// raw is a page that says what it likes.
type raw struct {
	*websocket.Conn
	t testing.TB
}

func (w *world) raw(t testing.TB, token string) *raw {
	t.Helper()
	ws, res, err := websocket.Dial(ctxOf(t), w.url, &websocket.DialOptions{
		Subprotocols: []string{"nats"}, HTTPHeader: http.Header{"Origin": {"https://elsewhere.example"}},
	})
	check(t, err)
	if res.Body != nil {
		res.Body.Close()
	}
	t.Cleanup(func() { _ = ws.CloseNow() })
	r := &raw{ws, t}
	r.say("CONNECT {\"verbose\":false,\"protocol\":1,\"headers\":true,\"no_responders\":true,\"jwt\":\"" + token + "\"}\r\nPING\r\n")
	return r
}

func (r *raw) say(s string) { _ = r.Write(ctxOf(r.t), websocket.MessageBinary, []byte(s)) }

// end returns what the server said until it ended the connection, and how it did.
func (r *raw) end() (said string, code websocket.StatusCode, reason string) {
	r.t.Helper()
	var b strings.Builder
	for {
		_, m, err := r.Read(ctxOf(r.t))
		if err != nil {
			var ce websocket.CloseError
			if !errors.As(err, &ce) {
				r.t.Fatalf("it was not ended, but %v, after %q", err, b.String())
			}
			return b.String(), ce.Code, ce.Reason
		}
		b.Write(m)
	}
}

func TestAPageThatBreaksARuleIsSentAwayWithTheReason(t *testing.T) {
	w := pagesOf(t, bus.PagesOptions{})
	pass := w.pass(t, streamA)
	entries, mine := pass.Manifest, pass.Telemetry
	for name, c := range map[string]struct{ say, reason string }{
		"asks for answers":            {"PUB " + mine + " shoal.manifest." + string(streamA) + ".v0 1\r\nx\r\n", "pages ask for no answers"},
		"steers a stream by headers":  {"HPUB " + mine + " 23 24\r\nNATS/1.0\r\nA: b\r\n\r\nx\r\n", "only CONNECT, PING"},
		"joins a queue group":         {"SUB " + entries + " thieves 1\r\n", "no queue groups"},
		"sends a message too large":   {fmt.Sprintf("PUB %s %d\r\n", mine, 8<<10+1), "more than 8192 bytes"},
		"spells otherwise":            {"pub " + mine + " 1\r\nx\r\n", "only CONNECT, PING"},
		"separates by tabs":           {"PUB\t" + mine + "\t1\r\nx\r\n", "control character"},
		"hides a line in another":     {"PUB " + mine + " 0\r\r\n\r\n", "control character"},
		"connects twice":              {"CONNECT {}\r\n", "a second CONNECT"},
		"speaks as a server":          {"RS+ A b\r\n", "only CONNECT, PING"},
		"never ends its line":         {"SUB " + strings.Repeat("x", 5000), "a line of more than"},
		"gives a size that is none":   {"PUB " + mine + " +1\r\nx\r\n", "is no number"},
		"asks a thousand times":       {strings.Repeat("PING\r\n", 1000), "operations a second"},
		"subscribes a thousand times": {strings.Repeat("SUB "+entries+" 1\r\nUNSUB 1\r\n", 500), "operations a second"},
		"floods with bytes":           {strings.Repeat("PUB "+mine+" 8000\r\n"+strings.Repeat("x", 8000)+"\r\n", 20), ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := w.raw(t, pass.JWT)
			for part := range slices.Chunk([]byte(c.say), 30_000) {
				r.say(string(part))
			}
			_, code, reason := r.end()
			if name == "floods with bytes" {
				c.reason = "bytes a second"
			}
			if code != websocket.StatusPolicyViolation || !strings.Contains(reason, c.reason) {
				t.Errorf("it ended with %d %q", code, reason)
			}
		})
	}
	r := w.raw(t, pass.JWT)
	check(t, r.Write(ctxOf(t), websocket.MessageText, []byte("PING\r\n")))
	if _, code, reason := r.end(); code != websocket.StatusPolicyViolation || !strings.Contains(reason, "binary") {
		t.Errorf("text: %d %q", code, reason)
	}
	r = w.raw(t, pass.JWT)
	check(t, r.Write(ctxOf(t), websocket.MessageBinary, make([]byte, 100_000)))
	r.end() // a message of 100 kB, by whoever notices first
}

func TestAPageHasOnlyAFewSubscriptions(t *testing.T) {
	w := pagesOf(t, bus.PagesOptions{})
	pass := w.pass(t, streamA)
	p := w.page(t, pass.JWT)
	for range 8 {
		_, err := p.SubscribeSync(pass.Manifest)
		check(t, err)
	}
	check(t, p.Flush())
	_, err := p.SubscribeSync(pass.Manifest)
	check(t, err)
	if err := receive(t, p.errs); !strings.Contains(err.Error(), "maximum subscriptions exceeded") {
		t.Errorf("the ninth: %v", err)
	}
}

func TestNobodyComesInWithoutAPassOfOurs(t *testing.T) {
	w := pagesOf(t, bus.PagesOptions{})
	good := w.pass(t, streamA)
	other, err := startServer(t, bus.ServerOptions{}).Pass(streamA)
	check(t, err)
	forger, err := nkeys.CreateAccount()
	check(t, err)
	mine, err := jwt.DecodeUserClaims(good.JWT)
	check(t, err)
	forged, err := mine.Encode(forger)
	check(t, err)
	parts := strings.Split(good.JWT, ".")
	changed := parts[0] + "." + swap(t, parts[1], string(streamA), string(streamB)) + "." + parts[2]
	past, err := w.server.PassUntil(streamA, time.Now().Add(-time.Second))
	check(t, err)
	for name, token := range map[string]string{
		"none": "", "nonsense": "nonsense", "of another server": other.JWT, "forged": forged, "changed to another stream": changed, "expired": past.JWT,
	} {
		t.Run(name, func(t *testing.T) {
			p, err := w.dial(token)
			if err == nil {
				p.Close()
				t.Fatal("it is admitted")
			}
			if !errors.Is(err, nats.ErrAuthorization) && !errors.Is(err, nats.ErrAuthExpired) {
				t.Error(err)
			}
		})
	}
	t.Run("a service's, without its key", func(t *testing.T) {
		creds, err := jwt.ParseDecoratedJWT(w.server.Creds())
		check(t, err)
		if p, err := w.dial(creds); err == nil {
			p.Close()
			t.Fatal("it is admitted")
		}
	})
}

// swap changes what a part of a token says.
func swap(t testing.TB, part, from, to string) string {
	b, err := base64.RawURLEncoding.DecodeString(part)
	check(t, err)
	if !bytes.Contains(b, []byte(from)) {
		t.Fatalf("%s does not say %s", b, from)
	}
	return base64.RawURLEncoding.EncodeToString(bytes.ReplaceAll(b, []byte(from), []byte(to)))
}

func TestAConnectionEndsWithItsPass(t *testing.T) {
	w := pagesOf(t, bus.PagesOptions{})
	soon, err := w.server.PassUntil(streamA, time.Now().Add(2*time.Second))
	check(t, err)
	r := w.raw(t, soon.JWT)
	if said, code, _ := r.end(); code != websocket.StatusNormalClosure || !strings.Contains(said, "User Authentication Expired") {
		t.Errorf("%d after %q", code, said)
	}
}

// A pass that could be used elsewhere would go around what is bounded at /nats.
func TestAPassOpensNoOtherDoor(t *testing.T) {
	s := startServer(t, bus.ServerOptions{Listen: "127.0.0.1:0"})
	pass, err := s.Pass(streamA)
	check(t, err)
	nc, err := nats.Connect(s.ClientURL(), nats.UserJWT(func() (string, error) { return pass.JWT, nil }, func([]byte) ([]byte, error) { return nil, nil }))
	if err == nil {
		nc.Close()
		t.Fatal("it is good for services' port")
	}
	if _, err := s.Pass("a.b.>"); err == nil {
		t.Error("there is a pass for a stream that cannot be")
	}
}

func TestNoPageLearnsWhereServicesConnect(t *testing.T) {
	s := startServer(t, bus.ServerOptions{Listen: "127.0.0.1:0"})
	h := httptest.NewServer(s.NewPages(bus.PagesOptions{}))
	defer h.Close()
	ws, _, err := websocket.Dial(ctxOf(t), "ws"+strings.TrimPrefix(h.URL, "http"), nil)
	check(t, err)
	defer ws.CloseNow()
	_, info, err := ws.Read(ctxOf(t))
	check(t, err)
	if !bytes.HasPrefix(info, []byte("INFO ")) || bytes.Contains(info, []byte("connect_urls")) {
		t.Errorf("it is told %s", info)
	}
}

func TestPagesAreBoundedInAllAndByAddress(t *testing.T) {
	w := pagesOf(t, bus.PagesOptions{Most: 3, MostOf: 2})
	pass := w.pass(t, streamA)
	w.remote = "192.0.2.1:1"
	first, second := w.page(t, pass.JWT), w.page(t, pass.JWT)
	if _, err := w.dial(pass.JWT); err == nil {
		t.Fatal("one address has three")
	}
	w.remote = "192.0.2.2:1"
	w.page(t, pass.JWT)
	if _, err := w.dial(pass.JWT); err == nil {
		t.Fatal("there are four in all")
	}
	first.Close()
	second.Close()
	for { // that they are gone is noticed a little later
		if p, err := w.dial(pass.JWT); err == nil {
			p.Close()
			return
		}
		check(t, ctxOf(t).Err())
		runtime.Gosched()
	}
}

func TestWhoComesAndGoesLeavesNothingBehind(t *testing.T) {
	w := pagesOf(t, bus.PagesOptions{})
	pass := w.pass(t, streamA)
	for range 50 {
		ws, _, err := websocket.Dial(ctxOf(t), w.url, nil)
		check(t, err)
		_ = ws.CloseNow()
		w.page(t, pass.JWT).Close()
	}
	for w.server.InProcess().NumClients() > 1 { // the bus itself
		check(t, ctxOf(t).Err())
		runtime.Gosched()
	}
}

func BenchmarkEntriesReachAPage(b *testing.B) {
	w := pagesOf(b, bus.PagesOptions{})
	pass := w.pass(b, streamA)
	p := w.page(b, pass.JWT)
	entries, err := p.SubscribeSync(pass.Manifest)
	check(b, err)
	check(b, p.Flush())
	payload := strings.Repeat("x", 1500)
	var took []time.Duration
	for b.Loop() {
		got := make(chan time.Time, 1)
		go func() {
			if _, err := entries.NextMsg(patience); err == nil {
				got <- time.Now()
			}
		}()
		at := time.Now()
		w.entry(b, streamA, payload)
		took = append(took, receive(b, got).Sub(at))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
}

func BenchmarkAPagesMemory(b *testing.B) {
	w := pagesOf(b, bus.PagesOptions{})
	pass := w.pass(b, streamA)
	measure := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse + m.StackInuse
	}
	const pages = 500
	for b.Loop() {
		before := measure()
		all := make([]*raw, pages)
		for i := range all {
			all[i] = w.raw(b, pass.JWT)
			all[i].say("SUB " + pass.Manifest + " 1\r\n")
		}
		b.ReportMetric(float64(measure()-before)/pages/1024, "KiB/page+client")
		for _, r := range all {
			_ = r.CloseNow()
		}
	}
}
