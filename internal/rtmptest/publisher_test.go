package rtmptest_test

import (
	"context"
	"errors"
	"math"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/media"
	"github.com/shoalcast/shoal/ingest/rtmp"
	"github.com/shoalcast/shoal/internal/rtmptest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sink counts what arrives.
type sink struct {
	mu     sync.Mutex
	video  []media.AccessUnit
	audio  int
	fail   error
	closed chan struct{}
}

func (s *sink) Config(media.Config) error { return nil }
func (s *sink) Close(error)               { close(s.closed) }

func (s *sink) Push(u media.AccessUnit) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u.Kind == media.Audio {
		s.audio++
		return nil
	}
	s.video = append(s.video, u)
	if len(s.video) > 20 {
		return s.fail
	}
	return nil
}

// serve runs an RTMP server that gives every publish to s.
func serve(t testing.TB, authorize rtmp.Authorizer) (url string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- rtmp.New(rtmp.Options{Authorize: authorize}).Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return "rtmp://" + ln.Addr().String() + "/live/cam?key=k"
}

func loop(t testing.TB, e rtmptest.Encoding) *rtmptest.Loop {
	t.Helper()
	clip, err := rtmptest.Encode(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	l, err := rtmptest.NewLoop(clip)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// A loop goes round with times that go on without a step, also past the point where
// timestamps need their extended form, and says when each frame was written.
func TestLoopGoesRound(t *testing.T) {
	l := loop(t, rtmptest.Encoding{Video: media.H264, Audio: media.AAC, Kbps: 2000, BFrames: 2, Duration: time.Second})
	if r := l.BitsPerSecond(); math.Abs(r/2_130_000-1) > 0.15 {
		t.Errorf("the loop has %.0f bits a second, 2,130,000 were asked for", r)
	}
	s := &sink{closed: make(chan struct{})}
	url := serve(t, func(context.Context, rtmp.Request) (rtmp.Sink, error) { return s, nil })
	var sent []rtmptest.Sent
	start := event.Ticks(0xFFFFFF*90 - 3*event.Timescale/2)
	err := l.Publish(t.Context(), url, rtmptest.PublishOptions{
		Start: start, For: 3 * time.Second, Fast: true, OnVideo: func(f rtmptest.Sent) { sent = append(sent, f) },
	})
	if err != nil {
		t.Fatal(err)
	}
	<-s.closed
	if len(s.video) != 90 || len(sent) != 90 || s.audio < 138 || s.audio > 144 {
		t.Fatalf("%d frames and %d audio frames arrived, %d were reported", len(s.video), s.audio, len(sent))
	}
	for i, u := range s.video {
		if want := start + event.Ticks(i)*3000; u.DTS < want-90 || u.DTS > want {
			t.Errorf("frame %d at %d, not %d", i, u.DTS, want)
		}
		if sent[i].Frame != i || sent[i].Key != u.Key || sent[i].PTS != u.PTS.Duration() || sent[i].Written.IsZero() {
			t.Errorf("frame %d at %d was reported as %+v", i, u.PTS, sent[i])
		}
	}
}

// A loop in real time keeps to it.
func TestLoopInRealTime(t *testing.T) {
	l := loop(t, rtmptest.Encoding{Video: media.HEVC, Audio: media.Opus, Duration: time.Second})
	s := &sink{closed: make(chan struct{})}
	url := serve(t, func(context.Context, rtmp.Request) (rtmp.Sink, error) { return s, nil })
	begin := time.Now()
	if err := l.Publish(t.Context(), url, rtmptest.PublishOptions{For: 1500 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(begin); d < 1400*time.Millisecond {
		t.Errorf("1.5 s of media took %v", d)
	}
	if len(s.video) != 45 {
		t.Errorf("%d frames", len(s.video))
	}
}

// A refusal, first or last, reaches whoever runs the publisher as the server's words.
func TestPublisherReadsRefusals(t *testing.T) {
	l := loop(t, rtmptest.Encoding{Video: media.H264, Duration: time.Second})
	var status *rtmptest.StatusError
	url := serve(t, func(context.Context, rtmp.Request) (rtmp.Sink, error) {
		return nil, &rtmp.Refusal{Reason: "No entry"}
	})
	err := l.Publish(t.Context(), url, rtmptest.PublishOptions{})
	if !errors.As(err, &status) || status.Description != "No entry" {
		t.Errorf("refused with %v", err)
	}
	s := &sink{closed: make(chan struct{}), fail: &rtmp.Refusal{Reason: "The disk is full"}}
	url = serve(t, func(context.Context, rtmp.Request) (rtmp.Sink, error) { return s, nil })
	err = l.Publish(t.Context(), url, rtmptest.PublishOptions{})
	if !errors.As(err, &status) || status.Description != "The disk is full" {
		t.Errorf("ended with %v", err)
	}
}
