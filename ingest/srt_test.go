package ingest

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/bus/bustest"
	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/srt"
	"github.com/shoalcast/shoal/internal/obs"
)

// ways is an ingest with both ways in.
type ways struct {
	*Service
	rtmp, srt string // addresses
	log       *logBuffer
	reg       *prometheus.Registry
}

func openBoth(t *testing.T, b *bus.Bus) ways {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := ways{rtmp: l.Addr().String(), log: &logBuffer{}, reg: prometheus.NewRegistry()}
	w.Service = New(Options{
		Bus: b, Instance: "a/1", RTMP: []net.Listener{l}, Metrics: NewMetrics(w.reg),
		Log: slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	at, err := w.ListenSRT(t.Context(), "127.0.0.1:0", SRTOptions{Latency: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	w.srt = at.String()
	run(t, w.Service)
	return w
}

// ffmpeg is one that runs until stop is called, or the test ends.
type ffmpeg struct {
	stop func()
	done chan struct{}
}

func startFFmpeg(t *testing.T, args ...string) ffmpeg {
	t.Helper()
	cmd := exec.Command("ffmpeg", slices.Concat([]string{"-v", "error", "-nostdin"}, args)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	f := ffmpeg{done: make(chan struct{})}
	go func() {
		defer close(f.done)
		_ = cmd.Wait()
	}()
	f.stop = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(os.Interrupt) // it says goodbye
		select {
		case <-f.done:
		case <-time.After(5 * time.Second):
			_ = cmd.Process.Kill()
			<-f.done
		}
	})
	t.Cleanup(f.stop)
	return f
}

// picture are ffmpeg's arguments for a picture of a size, at the speed at which it plays.
func picture(size string) []string {
	return []string{"-re", "-f", "lavfi", "-i", "testsrc2=size=" + size + ":rate=10"}
}

var encoded = []string{"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "10"}

// page is what /metrics says.
func (w ways) page(t *testing.T) string {
	t.Helper()
	rec := httptest.NewRecorder()
	obs.Handler(w.reg).ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	b, err := io.ReadAll(rec.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestHowAnSRTConnectionDoesIsOnMetricsAndOnTheBusWhileItLasts(t *testing.T) {
	b := bustest.Start(t)
	addStream(t, b)
	w := openBoth(t, b)
	reports := make(chan event.ReceiverReport, 64)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = b.FollowReceiverReports(ctx, func(id event.StreamID, r event.ReceiverReport) {
			if id == testID {
				reports <- r
			}
		})
	}()
	defer func() { cancel(); <-ended }()

	args := slices.Concat(picture("320x180"), encoded, []string{"-f", "mpegts", "srt://" + w.srt + "?streamid=live?key=" + testKey})
	p := startFFmpeg(t, args...)
	var got []event.ReceiverReport
	for len(got) < 3 {
		select {
		case r := <-reports:
			got = append(got, r)
		case <-time.After(15 * time.Second):
			t.Fatalf("%d reports came; the log says %s", len(got), w.log)
		}
	}
	first, last := got[0], got[2]
	if last.Epoch != state(t, b).LastEpoch || last.Protocol != "srt" || last.Bytes <= first.Bytes || last.Packets <= first.Packets || last.Latency != 50 {
		t.Errorf("the reports are %+v", got)
	}
	if took := last.Time().Sub(first.Time()); took < 1500*time.Millisecond || took > 6*time.Second {
		t.Errorf("two seconds took %s", took)
	}
	for _, name := range []string{"rtt_seconds", "receive_buffer_bytes", "received_bytes_total", "lost_packets_total", "retransmitted_packets_total", "dropped_packets_total"} {
		if page := w.page(t); !strings.Contains(page, "\nshoal_srt_connection_"+name+`{stream="live"} `) {
			t.Errorf("%s is not on /metrics of a stream:\n%s", name, page)
		}
	}
	p.stop()
	until(t, "the figures are gone with the connection", func() bool { return !strings.Contains(w.page(t), "shoal_srt_connection_") })
	if !strings.Contains(w.page(t), "shoal_srt_lost_packets_total") {
		t.Error("the sums went with it")
	}
}

// twoPrograms are ffmpeg's arguments for a transport stream of program 1, which is 320
// wide, and program 2, which is 160 wide.
func twoPrograms(addr, streamID string) []string {
	return slices.Concat(picture("320x180"), picture("160x90"), []string{"-map", "0:v", "-map", "1:v"}, encoded,
		[]string{"-program", "program_num=1:st=0", "-program", "program_num=2:st=1", "-srt_streamid", streamID, "-f", "mpegts", "srt://" + addr})
}

func TestAPublisherSaysWhichProgramOfItsTransportStreamIsPlayed(t *testing.T) {
	b := bustest.Start(t)
	addStream(t, b)
	w := openBoth(t, b)
	before := event.Epoch(0)
	for _, tt := range []struct {
		id    string
		width int
	}{
		{"live?key=" + testKey, 320},
		{"live?key=" + testKey + "&program=2", 160},
		{"#!::r=live,m=publish,s=" + testKey + ",program=2", 160},
		{"#!::r=live,m=publish,s=" + testKey + ",program=1", 320},
	} {
		p := startFFmpeg(t, twoPrograms(w.srt, tt.id)...)
		until(t, tt.id+" is announced", func() bool {
			s := state(t, b)
			return s.LastEpoch > before && len(s.Tracks) > 0 && s.Tracks[len(s.Tracks)-1].Epoch == s.LastEpoch
		})
		s := state(t, b)
		if got := s.Tracks[len(s.Tracks)-1].Width; got != tt.width {
			t.Errorf("%s: what plays is %d wide", tt.id, got)
		}
		before = s.LastEpoch
		p.stop()
		until(t, "it ended", func() bool { return state(t, b).Ended })
	}

	// One that the transport stream does not have.
	p := startFFmpeg(t, twoPrograms(w.srt, "live?key="+testKey+"&program=3")...)
	until(t, "it is refused", func() bool { s := state(t, b); return s.LastEpoch > before && s.Ended })
	if r := state(t, b).EndReason; !strings.Contains(r, "no program 3") || !strings.Contains(r, "name another") {
		t.Errorf("it ended because %q", r)
	}
	<-p.done
	// And what is no program at all, in the handshake.
	for _, n := range []string{"0", "65536", "two"} {
		<-startFFmpeg(t, twoPrograms(w.srt, fmt.Sprintf("#!::r=live,m=publish,s=%s,program=%s", testKey, n))...).done
	}
	until(t, "all three are refused with a sentence", func() bool {
		return strings.Count(w.log.String(), "the program is not a number from 1 to 65535") >= 3
	})
}

func TestAKeyChangedAMomentAgoIsLetThroughTheHandshakeAndAFloodOfWrongOnesIsNot(t *testing.T) {
	b := bustest.Start(t)
	addStream(t, b)
	s, seen := spied(b, Options{Instance: "a/1"})
	known := make(chan struct{}, 2)
	known <- struct{}{}
	known <- struct{}{} // of what stands there now
	hear := make(chan struct{})
	seen.follow = func() {
		select {
		case <-known:
		case <-hear:
		}
	}
	run(t, s)
	defer close(hear)
	a := s.srtAuthorizer()
	ask := func(key string) error { return a.Check(srt.Request{Name: "live", Key: key}) }
	fact(t, b, event.PublishKeySet{Key: event.DigestOf([]byte("changed"))})
	if err := ask("changed"); err != nil {
		t.Errorf("the new key: %v", err)
	}
	before := seen.asked.Load()
	const flood = 5000
	for range flood {
		if ask("guessed") == nil {
			t.Fatal("a wrong key was let through")
		}
	}
	if n := seen.asked.Load() - before; n > 10 {
		t.Errorf("the bus was asked %d times about %d wrong keys", n, flood)
	}
	// The old key is refused where the bus is asked about everybody.
	if err := ask(testKey); err != nil {
		t.Errorf("the old key, which only the bus knows to be old: %v", err)
	}
	if _, err := s.start(t.Context(), "live", testKey, "", ""); err == nil {
		t.Error("the old key still publishes")
	}
}
