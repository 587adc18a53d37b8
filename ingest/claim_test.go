package ingest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/bus/bustest"
	"github.com/shoalcast/shoal/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testID  = event.StreamID("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
	testKey = "secret"
)

// addStream puts a stream named live with testKey on the bus.
func addStream(t *testing.T, b *bus.Bus) {
	t.Helper()
	fact(t, b, event.GenesisPublished{Name: "live", Envelope: []byte(`{}`)})
	fact(t, b, event.PublishKeySet{Key: event.DigestOf([]byte(testKey))})
}

func fact(t *testing.T, b *bus.Bus, f event.StreamFact) {
	t.Helper()
	if _, err := b.AppendStreamFact(t.Context(), testID, f, bus.AnySeq); err != nil {
		t.Fatal(err)
	}
}

func state(t *testing.T, b *bus.Bus) event.StreamState {
	t.Helper()
	s, err := b.StreamState(t.Context(), testID)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// serve runs an ingest without listeners until the test ends.
func serve(t *testing.T, b *bus.Bus, instance Instance) *Service {
	t.Helper()
	s := New(Options{Bus: b, Instance: instance, Idle: 300 * time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	<-s.Ready()
	return s
}

func refusal(t *testing.T, err error) string {
	t.Helper()
	var r *Refusal
	if !errors.As(err, &r) {
		t.Fatalf("got %v, want a refusal", err)
	}
	return r.Reason
}

func TestOfManyPublishersOnTwoServersOneGetsTheStream(t *testing.T) {
	server, b := bustest.StartServer(t)
	addStream(t, b)
	services := []*Service{serve(t, b, "a/1"), serve(t, bustest.Connect(t, server, "b"), "b/1")}
	var mu sync.Mutex
	var won []*session
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			p, err := services[i%2].start(t.Context(), "live", testKey, "", "")
			if err != nil {
				if !strings.Contains(refusal(t, err), "already has a publisher") {
					t.Errorf("refused with %v", err)
				}
				return
			}
			mu.Lock()
			won = append(won, p)
			mu.Unlock()
		})
	}
	wg.Wait()
	if len(won) != 1 {
		t.Fatalf("%d publishers were let in", len(won))
	}
	won[0].Close(nil)
	if s := state(t, b); !s.Ended || s.LastEpoch != won[0].epoch {
		t.Errorf("the epoch was not closed: %+v", s)
	}
	next, err := services[1].start(t.Context(), "live", testKey, "", "")
	if err != nil {
		t.Fatalf("the next publisher was refused: %v", err)
	}
	if next.epoch <= won[0].epoch {
		t.Errorf("epoch %d follows %d", next.epoch, won[0].epoch)
	}
	next.Close(nil)
}

func TestStrangersCannotTellAWrongKeyFromAWrongName(t *testing.T) {
	b := bustest.Start(t)
	addStream(t, b)
	s := serve(t, b, "a/1")
	_, wrongKey := s.start(t.Context(), "live", "guess", "", "")
	_, wrongName := s.start(t.Context(), "other", testKey, "", "")
	if refusal(t, wrongKey) != refusal(t, wrongName) {
		t.Errorf("%q and %q differ", wrongKey, wrongName)
	}
	_, noKey := s.start(t.Context(), "live", "", "", "")
	refusal(t, noKey)
}

func TestAnEpochLeftOpenByAKilledRunIsClosedByTheNext(t *testing.T) {
	b := bustest.Start(t)
	addStream(t, b)
	fact(t, b, event.EpochClaimed{Epoch: 1000, Instance: "a/1"})
	s := serve(t, b, "a/2")
	p, err := s.start(t.Context(), "live", testKey, "", "")
	if err != nil {
		t.Fatalf("the publisher that reconnected was refused: %v", err)
	}
	defer p.Close(nil)
	if p.epoch <= 1000 {
		t.Errorf("the next epoch is %d", p.epoch)
	}
}

func TestAPublisherOnAServerThatDiedForeverIsReplacedOnceItIsSilent(t *testing.T) {
	now := time.Now()
	s := event.StreamState{Name: "live", Key: event.DigestOf([]byte(testKey)), LastEpoch: 1000, Instance: "b/1"}
	try := func(silent time.Duration) error {
		return admit(&s, true, testKey, "a/1", holder{lastPiece: now.Add(-silent)}, now, 10*time.Second)
	}
	if reason := refusal(t, try(9*time.Second)); !strings.Contains(reason, "another server") {
		t.Errorf("refused with %q", reason)
	}
	if err := try(11 * time.Second); err != nil {
		t.Errorf("after 11 s of silence: %v", err)
	}
}

func TestAChangedPublishKeyEndsThePublishOfTheOldOne(t *testing.T) {
	b := bustest.Start(t)
	addStream(t, b)
	s := serve(t, b, "a/1")
	p, err := s.start(t.Context(), "live", testKey, "", "")
	if err != nil {
		t.Fatal(err)
	}
	fact(t, b, event.PublishKeySet{Key: event.DigestOf([]byte("new"))})
	<-p.ctx.Done()
	if reason := refusal(t, context.Cause(p.ctx)); !strings.Contains(reason, "key was changed") {
		t.Errorf("ended with %q", reason)
	}
	p.Close(nil)
	if _, err := s.start(t.Context(), "live", testKey, "", ""); err == nil {
		t.Error("the old key still publishes")
	}
}
