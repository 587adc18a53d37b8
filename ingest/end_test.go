package ingest

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

	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/bus/bustest"
	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/media"
	"github.com/shoalcast/shoal/ingest/rtmp/chunk"
	"github.com/shoalcast/shoal/internal/rtmptest"
)

// A frame of the tests' AAC: 1024 samples at 48 kHz.
const frame event.Ticks = 1920

var aac = media.Config{Codec: media.AAC, Record: []byte{0x11, 0x90}}

func sound(i int) media.AccessUnit {
	at := event.Ticks(i) * frame
	return media.AccessUnit{Kind: media.Audio, DTS: at, PTS: at, Key: true, Data: []byte{0x21, 0x10, 4, 0x60, 0x8C, 0x1C}, Arrived: time.Now()}
}

// open runs an ingest that takes RTMP, and returns the address and its log.
func open(t *testing.T, b *bus.Bus) (addr string, log *logBuffer) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	log = &logBuffer{}
	run(t, New(Options{
		Bus: b, Instance: "a/1", RTMP: []net.Listener{l},
		Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}))
	return l.Addr().String(), log
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

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestWhatCameOfAPieceIsPublishedWhenItsPublisherStopsInTheMiddle(t *testing.T) {
	b := bustest.Start(t)
	addStream(t, b)
	addr, _ := open(t, b)
	c, err := rtmptest.Dial(t.Context(), "rtmp://"+addr+"/live/live?key="+testKey, rtmptest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Config(aac, 0); err != nil {
		t.Fatal(err)
	}
	const frames = 14 // a piece is nine or ten
	for i := range frames {
		if err := c.Push(media.AAC, sound(i)); err != nil {
			t.Fatal(err)
		}
	}
	// Half a frame more, and the cable is pulled.
	half, err := chunk.AppendMessage(nil, 4, chunk.Message{Type: chunk.TypeAudio, Timestamp: 400, StreamID: 1, Payload: make([]byte, 100)}, 4096)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Raw(half[:50]); err != nil {
		t.Fatal(err)
	}
	_ = c.Abandon()

	until(t, "the epoch is closed", func() bool { return state(t, b).Ended })
	if r := state(t, b).EndReason; r != "the publisher went away" {
		t.Errorf("it ended because %q", r)
	}
	var length event.Ticks
	pieces := 0
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	err = b.FollowPieces(ctx, testID, event.Source, time.Time{}, func(_ context.Context, p *event.Piece) error {
		pieces++
		if length += p.Duration; length >= (frames-1)*frame {
			return bus.ErrStop
		}
		return nil
	})
	if !errors.Is(err, bus.ErrStop) || pieces < 2 {
		t.Errorf("%d pieces of %v were published (%v), %v came", pieces, length.Duration(), err, (frames * frame).Duration())
	}
}

func TestAStopIsQuickThoughTheBusDoesNotAnswerAndTheEpochsEndIsTriedAllTheSame(t *testing.T) {
	server, b := bustest.StartServer(t)
	addStream(t, b)
	s, seen := spied(b, Options{Instance: "a/1"})
	stop := run(t, s)
	p, err := s.start(t.Context(), "live", testKey, "", "")
	if err != nil {
		t.Fatal(err)
	}
	push := func(from, to int) {
		t.Helper()
		for i := from; i < to; i++ {
			if err := p.Push(sound(i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := p.Config(aac); err != nil {
		t.Fatal(err)
	}
	push(0, 12) // announces its tracks while the bus is there
	tried := make(chan error, 1)
	seen.append = func(ctx context.Context, f event.StreamFact) error {
		if _, end := f.(event.EpochEnded); end {
			tried <- ctx.Err()
			return bus.ErrUnreachable
		}
		return nil
	}
	server.Shutdown()
	push(12, 22) // one more piece is on its way, and another begun
	stop()
	began := time.Now()
	p.Close(errors.New("the connection was closed"))
	if took := time.Since(began); took > 1500*time.Millisecond {
		t.Errorf("the end of the publish took %v of the third of two seconds that it has", took)
	}
	select {
	case err := <-tried:
		if err != nil {
			t.Errorf("no time was left to close the epoch: %v", err)
		}
	default:
		t.Error("nobody tried to close the epoch")
	}
}

func TestAServersStopIsWhatEndsItsEpochs(t *testing.T) {
	b := bustest.Start(t)
	addStream(t, b)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	stop := run(t, New(Options{Bus: b, Instance: "a/1", RTMP: []net.Listener{l}}))
	c, err := rtmptest.Dial(t.Context(), "rtmp://"+l.Addr().String()+"/live/live?key="+testKey, rtmptest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	go func() { // an encoder closes when it is told why
		<-c.Done()
		_ = c.Abandon()
	}()
	stop()
	_ = c.Abandon()
	if s := state(t, b); !s.Ended || s.EndReason != "the server stopped" {
		t.Errorf("the epoch is %+v", s)
	}
}

// Publishers put the key where it does not belong. It is shown to nobody all the same.
func TestAMisplacedKeyIsNeitherLoggedNorAnswered(t *testing.T) {
	b := bustest.Start(t)
	addStream(t, b)
	addr, log := open(t, b)
	const key = "S3cretKey"
	for _, tt := range []struct{ app, name string }{
		{"live", "live&key=" + key},
		{"live", "live/key=" + key},
		{"live", "live " + key},
		{"live", "Key=" + key},
		{"live", "?" + key},
		{"live&key=" + key, "live"},
		{"live/key=" + key, "live"},
		{"live", "live?key=" + key},
	} {
		c, err := rtmptest.Connect(t.Context(), "rtmp://"+addr+"/"+strings.ReplaceAll(tt.app, " ", "%20")+"/x", rtmptest.Options{})
		if err != nil {
			t.Fatal(err)
		}
		err = c.Publish(tt.name)
		var refused *rtmptest.StatusError
		if !errors.As(err, &refused) || refused.Description == "" {
			t.Errorf("%q on %q reads %v", tt.name, tt.app, err)
		}
		if err != nil && strings.Contains(err.Error(), key) {
			t.Errorf("%q on %q is answered with the key: %v", tt.name, tt.app, err)
		}
		_ = c.Abandon()
	}
	until(t, "every refusal is logged", func() bool { return strings.Count(log.String(), "refused a publish") == 8 })
	if s := log.String(); strings.Contains(s, key) {
		t.Errorf("the log shows the key:\n%s", s)
	}
}
