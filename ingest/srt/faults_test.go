package srt_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shoalcast/shoal/ingest/srt"
	"github.com/shoalcast/shoal/ingest/srt/libsrt"
	"github.com/shoalcast/shoal/internal/netlab"
)

// sender is a publisher in this process.
type sender struct {
	t   testing.TB
	lib *libsrt.Library
	u   libsrt.Socket
	n   uint32
}

// call begins a connection and waits until it stands.
func call(t testing.TB, addr, streamID string, latency time.Duration) *sender {
	t.Helper()
	lib, err := libsrt.Load()
	if err != nil {
		t.Fatal(err)
	}
	u, err := lib.Socket()
	if err != nil {
		t.Fatal(err)
	}
	s := &sender{t: t, lib: lib, u: u}
	t.Cleanup(s.close)
	if err := lib.SetText(u, libsrt.OptStreamID, streamID); err != nil {
		t.Fatal(err)
	}
	if err := lib.SetInt(u, libsrt.OptPeerLag, int(latency/time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if err := lib.Connect(u, netip.MustParseAddrPort(addr)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the call stands", func() bool { return lib.State(u) == libsrt.StateConnected })
	return s
}

func (s *sender) close() {
	if s.u != 0 {
		s.lib.Close(s.u)
		s.u = 0
	}
}

// message is the next seven packets.
func (s *sender) message() []byte {
	var b []byte
	for range 7 {
		b = append(b, tsPacket(s.n)...)
		s.n++
	}
	return b
}

// send sends n messages, one each pause.
func (s *sender) send(n int, pause time.Duration) {
	s.t.Helper()
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for range n {
		if err := s.lib.Send(s.u, s.message()); err != nil {
			s.t.Fatalf("send: %v", err)
		}
		<-tick.C
	}
}

// Two publish at once: each handler gets its own, and figures of its own connection.
func TestTwoPublishersDoNotMix(t *testing.T) {
	t.Parallel()
	h := open(t, srt.Options{Latency: 200 * time.Millisecond})
	var recs []*recorder
	var ends []*sender
	for _, name := range []string{"one", "two"} {
		ends = append(ends, call(t, h.addr, structured(name, key), 300*time.Millisecond))
		recs = append(recs, h.next())
	}
	for i, s := range ends {
		s.send(100*(i+1), time.Millisecond)
	}
	for i, r := range recs {
		eventually(t, "figures come", func() bool { return r.figures().Packets > 0 })
		ends[i].close()
		if err := r.wait(t); err != nil {
			t.Errorf("%s ended with %v", r.request.Name, err)
		}
		continuity(t, r.bytes())
		if want := 100 * (i + 1) * 1316; r.size() != want {
			t.Errorf("%s: %d bytes of %d", r.request.Name, r.size(), want)
		}
		if r.request.Latency != 300*time.Millisecond || r.figures().Latency != 300*time.Millisecond {
			t.Errorf("the latency agreed on is the greater wish of both, 300 ms; not %s, %s", r.request.Latency, r.figures().Latency)
		}
	}
	if n := h.ended(srt.CauseDone); n != 2 {
		t.Errorf("%d publishes ended well, by the metrics", n)
	}
	eventually(t, "no connection is left", func() bool { return h.connections() == 0 })
}

// What was sent right before the goodbye, and still waits for its time, arrives.
func TestTheLastBytesBeforeAGoodbyeArrive(t *testing.T) {
	t.Parallel()
	h := open(t, srt.Options{Latency: 400 * time.Millisecond})
	s := call(t, h.addr, plain("camera", key), 0)
	r := h.next()
	s.send(50, 2*time.Millisecond)
	s.close()
	if err := r.wait(t); err != nil {
		t.Errorf("it ended with %v", err)
	}
	continuity(t, r.bytes())
	if r.size() != 50*1316 {
		t.Errorf("%d bytes of %d arrived", r.size(), 50*1316)
	}
}

// A handler that blocks holds back its own connection alone, which is dropped when it is
// too far behind.
func TestAHandlerThatBlocksHoldsBackItself(t *testing.T) {
	t.Parallel()
	h := open(t, srt.Options{Limits: srt.Limits{Queue: 100_000}})
	stuck := call(t, h.addr, structured("stuck", key), 0)
	rs := h.next()
	fine := call(t, h.addr, structured("fine", key), 0)
	rf := h.next()
	stuck.send(60, time.Millisecond)
	fine.send(100, time.Millisecond)
	eventually(t, "the other's messages arrive", func() bool { return rf.size() == 100*1316 })
	if h.connections() != 2 {
		t.Error("it was dropped before its queue was full")
	}
	stuck.send(60, time.Millisecond)
	eventually(t, "the slow one is dropped", func() bool { return h.ended(srt.CauseSink) == 1 })
	close(h.hold)
	if err := rs.wait(t); err == nil || !strings.Contains(err.Error(), "behind") {
		t.Errorf("it ended with %v", err)
	}
}

// A handler's fault ends its connection with that reason.
func TestAHandlersFaultEndsTheConnection(t *testing.T) {
	t.Parallel()
	h := open(t, srt.Options{})
	s := call(t, h.addr, structured("broken", key), 0)
	r := h.next()
	s.send(10, time.Millisecond)
	if err := r.wait(t); err == nil || !strings.Contains(err.Error(), "disk full") || r.messages != 1 {
		t.Errorf("ended with %v after %d messages", err, r.messages)
	}
}

// Who sends more than is allowed, or nothing for long, or has no place, is let go.
func TestLimitsHold(t *testing.T) {
	t.Parallel()
	h := open(t, srt.Options{Limits: srt.Limits{BytesPerSecond: 10_000, Idle: time.Second, PerAddress: 1}})
	s := call(t, h.addr, structured("fast", key), 0)
	r := h.next()
	s.send(60, time.Millisecond)
	if err := r.wait(t); err == nil || !strings.Contains(err.Error(), "Mbps") {
		t.Errorf("the fast one ended with %v", err)
	}
	s.close()
	eventually(t, "its place is free", func() bool { return h.connections() == 0 })
	call(t, h.addr, structured("quiet", key), 0)
	r = h.next()
	lib, err := libsrt.Load()
	if err != nil {
		t.Fatal(err)
	}
	u, err := lib.Socket()
	if err != nil {
		t.Fatal(err)
	}
	defer lib.Close(u)
	if err := lib.SetText(u, libsrt.OptStreamID, structured("another", key)); err != nil {
		t.Fatal(err)
	}
	if err := lib.Connect(u, netip.MustParseAddrPort(h.addr)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the second of an address is refused", func() bool { return lib.RejectReason(u) == libsrt.Overload })
	if err := r.wait(t); err == nil || !strings.Contains(err.Error(), "nothing was sent") {
		t.Errorf("the quiet one ended with %v", err)
	}
}

// A publisher that is killed gives its place back within the time of silence.
func TestAPublisherThatVanishesLeavesNothing(t *testing.T) {
	t.Parallel()
	h := open(t, srt.Options{})
	p := ffmpeg(t, 60, h.url(structured("camera", key), ""))
	r := h.next()
	eventually(t, "it sends", func() bool { return r.size() > 0 })
	p.kill()
	killed := time.Now()
	if err := r.wait(t); err == nil || !strings.Contains(err.Error(), "silent") {
		t.Errorf("it ended with %v", err)
	}
	if took := time.Since(killed); took > 8*time.Second {
		t.Errorf("its end was seen after %s", took)
	}
	eventually(t, "the place is free", func() bool { return h.connections() == 0 })
	ffmpeg(t, 60, h.url(structured("camera", key), ""))
	h.next()
}

// A bad network costs time, within the latency agreed on, and no packet.
func TestAPublisherOverABadNetwork(t *testing.T) {
	t.Parallel()
	for _, loss := range []float64{0.01, 0.05, 0.10} {
		h := open(t, srt.Options{Latency: 1500 * time.Millisecond})
		relay, err := netlab.UDP(h.addr, netlab.Link{Delay: 50 * time.Millisecond, Loss: loss, Reorder: 0.02, Seed: 7})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(relay.Close)
		s := call(t, relay.Addr(), structured("camera", key), 0)
		r := h.next()
		const messages = 1500
		// Nothing tells a receiver that the very last packets are missing, so some come after.
		s.send(messages+50, 2*time.Millisecond)
		eventually(t, "all arrived", func() bool { return r.size() >= messages*1316 })
		continuity(t, r.bytes())
		eventually(t, "figures come", func() bool { return r.figures().Retransmitted > 0 })
		f := r.figures()
		t.Logf("loss %.0f %%: RTT %s, lost %d, sent again %d, dropped %d", loss*100, f.RTT, f.Lost, f.Retransmitted, f.Dropped)
		if f.RTT < 90*time.Millisecond || f.RTT > 400*time.Millisecond || f.Lost == 0 || f.Dropped != 0 {
			t.Errorf("figures %+v", f)
		}
	}
}

// When the server stops, publishes end with that reason and nothing is left.
func TestAServerThatStopsClosesAll(t *testing.T) {
	t.Parallel()
	h := open(t, srt.Options{})
	s := call(t, h.addr, structured("camera", key), 0)
	r := h.next()
	s.send(10, time.Millisecond)
	if err := h.stop(); err != nil {
		t.Fatal(err)
	}
	if err := r.wait(t); err == nil || !strings.Contains(err.Error(), "shutting down") {
		t.Errorf("it ended with %v", err)
	}
	eventually(t, "the peer sees it", func() bool { return s.lib.State(s.u) > libsrt.StateConnected })
	if h.connections() != 0 {
		t.Error("a connection is left")
	}
}

// rss is what the process has in memory, what the library allocates included.
func rss(t testing.TB) int64 {
	t.Helper()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	var size, resident int64
	if _, err := fmt.Sscan(string(b), &size, &resident); err != nil {
		t.Fatal(err)
	}
	return resident * int64(os.Getpagesize())
}

// A listener on all addresses of the machine takes both families, and knows them apart.
func TestAListenerOnAllAddressesTakesBothFamilies(t *testing.T) {
	t.Parallel()
	h := openAt(t, ":0", srt.Options{})
	_, port, _ := net.SplitHostPort(h.addr)
	for name, host := range map[string]string{"four": "127.0.0.1", "six": "[::1]"} {
		s := call(t, host+":"+port, structured(name, key), 0)
		r := h.next()
		s.send(3, time.Millisecond)
		eventually(t, "it arrives", func() bool { return r.size() == 3*1316 })
		if !strings.HasPrefix(r.request.Remote, host+":") {
			t.Errorf("the remote is %s", r.request.Remote)
		}
	}
}

// A pull gets what a listener sends, calls again when that goes away, and ends with its context.
func TestAPullGoesOnAfterTheListenerWasAway(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	var starts atomic.Int32
	h := &house{t: t, live: map[string]*recorder{}, pubs: make(chan *recorder, 64), log: &logBuffer{}}
	go func() {
		done <- srt.Pull(ctx, "srt://127.0.0.1:"+port+"?streamid=x&latency=200&passphrase="+passphrase, srt.PullOptions{
			Name: "far", FirstPause: 50 * time.Millisecond, MaxPause: 200 * time.Millisecond,
			Log: slog.New(slog.NewTextHandler(h.log, nil)),
			Start: func(ctx context.Context, r srt.Request) (srt.Handler, error) {
				starts.Add(1)
				return h.Start(ctx, r)
			},
		})
	}()
	for range 2 {
		p, feed := transmit(t, "srt://127.0.0.1:"+port+"?mode=listener&passphrase="+passphrase)
		r := h.next()
		feed(counted(100))
		eventually(t, "all arrived", func() bool { return r.size() == 100*1316 })
		continuity(t, r.bytes())
		p.kill()
		_ = r.wait(t)
		if r.request.Name != "far" || r.request.Latency != 200*time.Millisecond {
			t.Errorf("request %+v", r.request)
		}
	}
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("Pull does not end")
	}
}

// A wrong address is told at once.
func TestAWrongAddressIsToldAtOnce(t *testing.T) {
	t.Parallel()
	none := func(context.Context, srt.Request) (srt.Handler, error) { return nil, errors.New("none") }
	for _, u := range []string{
		"", "http://a:1", "srt://a", "srt://:1", "srt://a:1?mode=listener", "srt://a:1?passphrase=short", "srt://a:1?latency=x",
		"srt://a:1?latency=99999", "srt://a:1?transtype=file", "srt://a:1?streamid=" + strings.Repeat("a", 513),
	} {
		if err := srt.Pull(t.Context(), u, srt.PullOptions{Start: none}); err == nil {
			t.Errorf("%q was taken", u)
		}
	}
}
