package ingest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/bus/bustest"
	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/rtmp"
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

// spy is a bus that tests look at and meddle with.
type spy struct {
	eventBus
	asked, replays atomic.Int64
	follow         func()                                              // before a fact is folded
	append         func(ctx context.Context, f event.StreamFact) error // before a fact is appended
}

func (s *spy) FollowStreams(ctx context.Context, caughtUp func(), fn func(event.StreamID, uint64, event.StreamFact) error) error {
	return s.eventBus.FollowStreams(ctx, caughtUp, func(id event.StreamID, seq uint64, f event.StreamFact) error {
		if s.follow != nil {
			s.follow()
		}
		return fn(id, seq, f)
	})
}

func (s *spy) LastFact(ctx context.Context, id event.StreamID) (uint64, error) {
	s.asked.Add(1)
	return s.eventBus.LastFact(ctx, id)
}

func (s *spy) StreamState(ctx context.Context, id event.StreamID) (event.StreamState, error) {
	s.replays.Add(1)
	return s.eventBus.StreamState(ctx, id)
}

func (s *spy) AppendStreamFact(ctx context.Context, id event.StreamID, f event.StreamFact, expectLast uint64) (uint64, error) {
	if s.append != nil {
		if err := s.append(ctx, f); err != nil {
			return 0, err
		}
	}
	return s.eventBus.AppendStreamFact(ctx, id, f, expectLast)
}

// spied makes a service whose use of the bus is seen.
func spied(b *bus.Bus, o Options) (*Service, *spy) {
	o.Bus = b
	s := New(o)
	seen := &spy{eventBus: s.bus}
	s.bus = seen
	return s, seen
}

// serve runs an ingest without listeners until the test ends.
func serve(t *testing.T, b *bus.Bus, instance event.Instance) *Service {
	t.Helper()
	s := New(Options{Bus: b, Instance: instance, Idle: 300 * time.Millisecond})
	run(t, s)
	return s
}

// run runs s until the test ends, or stop is called.
func run(t *testing.T, s *Service) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	<-s.Ready()
	return stop
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(15 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not in time: %s", what)
		}
	}
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
	s := event.StreamState{Name: "live", LastEpoch: 1000, Instance: "b/1"}
	try := func(silent time.Duration) error {
		return admit(&s, "a/1", now.Add(-silent), now, 10*time.Second)
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

func TestGuessingCostsOneQuestionAndTheSameForEveryName(t *testing.T) {
	b := bustest.Start(t)
	addStream(t, b)
	s, seen := spied(b, Options{Instance: "a/1"})
	run(t, s)
	until(t, "the facts are folded", func() bool {
		state, _ := s.streams.Get(testID)
		return state.Key != event.Digest{}
	})
	for _, name := range []string{"live", "other"} {
		seen.asked.Store(0)
		for range 10 {
			_, err := s.start(t.Context(), name, "guess", "", "")
			refusal(t, err)
		}
		if asked, replays := seen.asked.Load(), seen.replays.Load(); asked != 10 || replays != 0 {
			t.Errorf("10 guesses at %q cost %d questions and %d replays", name, asked, replays)
		}
	}
}

func TestAKeyThatIsNewerThanTheFoldIsTaken(t *testing.T) {
	b := bustest.Start(t)
	addStream(t, b)
	s, seen := spied(b, Options{Instance: "a/1"})
	close(s.ready) // it does not run: its fold stays behind
	s.streams.Apply(testID, 1, event.GenesisPublished{Name: "live"})
	p, err := s.start(t.Context(), "live", testKey, "", "")
	if err != nil {
		t.Fatal(err)
	}
	p.Close(nil)
	if seen.replays.Load() != 1 {
		t.Errorf("the facts were read %d times", seen.replays.Load())
	}
}

func TestAFullDiskIsToldToWhoWantsToPublish(t *testing.T) {
	b := bustest.Start(t)
	addStream(t, b)
	s, seen := spied(b, Options{Instance: "a/1"})
	run(t, s)
	full := true
	seen.append = func(context.Context, event.StreamFact) error {
		if full {
			return bus.ErrNoSpace
		}
		return nil
	}
	_, err := s.start(t.Context(), "live", testKey, "", "")
	if reason := refusal(t, rtmpToOurs(err)); !strings.Contains(reason, "disk is full") {
		t.Errorf("refused with %q", reason)
	}
	full = false
	p, err := s.start(t.Context(), "live", testKey, "", "")
	if err != nil {
		t.Fatalf("with room again: %v", err)
	}
	p.Close(nil)
}

// rtmpToOurs is what an RTMP publisher reads, as a refusal.
func rtmpToOurs(err error) error {
	var r *rtmp.Refusal
	if errors.As(rtmpRefusal(err), &r) {
		return &Refusal{Reason: r.Reason}
	}
	return err
}

func TestAnEpochLeftOpenIsClosedThoughOtherFactsCameMeanwhile(t *testing.T) {
	b := bustest.Start(t)
	addStream(t, b)
	fact(t, b, event.EpochClaimed{Epoch: 1000, Instance: "a/1"})
	s, seen := spied(b, Options{Instance: "a/2"})
	busy := 3
	seen.append = func(context.Context, event.StreamFact) error {
		if busy > 0 {
			busy--
			fact(t, b, event.SessionPublished{Envelope: []byte(`{}`)})
		}
		return nil
	}
	run(t, s)
	until(t, "the epoch is closed", func() bool { return state(t, b).Ended })
	if r := state(t, b).EndReason; r != "the server stopped" {
		t.Errorf("it ended because %q", r)
	}
}

func TestAnEpochThatCouldNotBeClosedHereKeepsNobodyOut(t *testing.T) {
	b := bustest.Start(t)
	addStream(t, b)
	s, seen := spied(b, Options{Instance: "a/1", Idle: time.Hour})
	run(t, s)
	p, err := s.start(t.Context(), "live", testKey, "", "")
	if err != nil {
		t.Fatal(err)
	}
	seen.append = func(_ context.Context, f event.StreamFact) error {
		if _, end := f.(event.EpochEnded); end {
			return bus.ErrUnreachable
		}
		return nil
	}
	p.Close(nil)
	if state := state(t, b); !state.Live() {
		t.Fatal("the epoch was closed after all")
	}
	seen.append = nil
	next, err := s.start(t.Context(), "live", testKey, "", "")
	if err != nil {
		t.Fatalf("the publisher that came back was refused: %v", err)
	}
	next.Close(nil)
}

func TestAKeyChangedWhileItsPublisherIsLetInEndsThePublish(t *testing.T) {
	b := bustest.Start(t)
	addStream(t, b)
	s, _ := spied(b, Options{Instance: "a/1"})
	claim := &afterClaim{eventBus: s.bus, then: func() {
		fact(t, b, event.PublishKeySet{Key: event.DigestOf([]byte("new"))})
		until(t, "the fold knows", func() bool {
			state, _ := s.streams.Get(testID)
			return state.Key == event.DigestOf([]byte("new"))
		})
	}}
	s.bus = claim
	run(t, s)
	_, err := s.start(t.Context(), "live", testKey, "", "")
	if reason := refusal(t, err); !strings.Contains(reason, "key was changed") {
		t.Errorf("refused with %q", reason)
	}
	if !state(t, b).Ended {
		t.Error("its epoch is still open")
	}
}

// afterClaim does something when an epoch was claimed, before the claimer knows.
type afterClaim struct {
	eventBus
	then func()
}

func (c *afterClaim) AppendStreamFact(ctx context.Context, id event.StreamID, f event.StreamFact, expectLast uint64) (uint64, error) {
	seq, err := c.eventBus.AppendStreamFact(ctx, id, f, expectLast)
	if _, claimed := f.(event.EpochClaimed); claimed && err == nil {
		c.then()
	}
	return seq, err
}
