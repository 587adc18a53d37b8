package packager_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/bus/bustest"
	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
	"github.com/shoalcast/shoal/packager"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// creator holds a stream's keys and puts its facts on the bus.
type creator struct {
	t     *testing.T
	bus   *bus.Bus
	root  ed25519.PrivateKey
	id    event.StreamID
	trust *manifest.Trust
	init  event.TracksAnnounced
	epoch event.Epoch

	mu       sync.Mutex
	keys     map[string]ed25519.PrivateKey
	withheld bool // the keys are not to be had

	missing map[uint64]bool // pieces that are not published
}

// withhold makes the keys unavailable, or available again.
func (c *creator) withhold(yes bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.withheld = yes
}

func newCreator(t *testing.T, b *bus.Bus) *creator {
	t.Helper()
	_, root, err := ed25519.GenerateKey(nil)
	check(t, err)
	next, _, err := ed25519.GenerateKey(nil)
	check(t, err)
	genesis, err := manifest.SignGenesis(root, "live", next)
	check(t, err)
	trust, err := manifest.NewTrust(genesis)
	check(t, err)
	c := &creator{t: t, bus: b, root: root, id: trust.ID(), trust: trust, keys: map[string]ed25519.PrivateKey{}}
	c.fact(event.GenesisPublished{Name: "live", Envelope: genesis.JSON()})
	return c
}

func (c *creator) Key(_ event.StreamID, keyID string) (ed25519.PrivateKey, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k, ok := c.keys[keyID]; ok && !c.withheld {
		return k, nil
	}
	return nil, errors.New("no such key")
}

func (c *creator) fact(f event.StreamFact) {
	c.t.Helper()
	_, err := c.bus.AppendStreamFact(c.t.Context(), c.id, f, bus.AnySeq)
	check(c.t, err)
}

// session issues a record that takes effect at from.
func (c *creator) session(serial uint64, from event.Position) {
	c.t.Helper()
	c.sessionFor(serial, from, time.Hour)
}

// sessionFor issues one that ends after left, which may be over.
func (c *creator) sessionFor(serial uint64, from event.Position, left time.Duration) {
	c.t.Helper()
	pub, key, err := ed25519.GenerateKey(nil)
	check(c.t, err)
	c.mu.Lock()
	c.keys[manifest.KeyID(pub)] = key
	c.mu.Unlock()
	now := time.Now()
	env, err := manifest.SignSession(c.root, manifest.Session{
		Stream: c.id, Serial: serial, Key: pub, From: from,
		NotBefore: now.Add(-time.Hour).UnixMilli(), NotAfter: now.Add(left).UnixMilli(), FreshMS: 10_000,
	})
	check(c.t, err)
	check(c.t, c.trust.AddSession(env))
	c.fact(event.SessionPublished{Envelope: env.JSON()})
}

// begin opens an epoch whose pieces need the given init segment.
func (c *creator) begin(epoch event.Epoch, init string) {
	c.t.Helper()
	c.epoch = epoch
	c.fact(event.EpochClaimed{Epoch: epoch, Instance: "test/1"})
	c.init = event.TracksAnnounced{
		Epoch: epoch, Rendition: event.Source, Root: manifest.RootOf([]byte(init)), Init: []byte(init), Codecs: "avc1.42c01e",
	}
	c.fact(c.init)
}

const pieceLength = event.Timescale / 5

// publish puts piece n of the open epoch on the bus: five make a segment.
func (c *creator) publish(n uint64) { c.t.Helper(); c.publishAs(event.Source, n) }

func (c *creator) publishAs(r event.Rendition, n uint64) {
	c.t.Helper()
	now := time.Now()
	data := fmt.Appendf(nil, "piece %d of %d", n, c.epoch)
	check(c.t, c.bus.PublishPiece(c.t.Context(), &event.Piece{
		Address: event.Address{Stream: c.id, Rendition: r, Position: event.Position{Epoch: c.epoch, N: n}},
		Segment: n / 5, Key: n%5 == 0, PTS: event.Ticks(n) * pieceLength, Duration: pieceLength, Target: pieceLength,
		Init: c.init.Root, Root: manifest.RootOf(data), Size: len(data), Arrived: now, Received: now, Data: data,
	}))
}

// entries waits for count entries, verifies each and the chain, and returns them.
func (c *creator) entries(count int) []manifest.Entry {
	c.t.Helper()
	return c.entriesOf(event.Source, count)
}

func (c *creator) entriesOf(r event.Rendition, count int) []manifest.Entry {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 20*time.Second)
	defer cancel()
	var chain manifest.Chain
	var out []manifest.Entry
	done := errors.New("seen all")
	err := c.bus.FollowEntries(ctx, c.id, r, time.Time{}, func(_ context.Context, _ uint64, b []byte, _ string) error {
		s, err := c.trust.OpenJSON(b)
		if err == nil {
			err = chain.Check(s.Entry, s.Envelope.Payload)
		}
		if err != nil {
			return fmt.Errorf("%w: entry %d: %w", bus.ErrStop, len(out), err)
		}
		if out = append(out, s.Entry); len(out) == count {
			return fmt.Errorf("%w: %w", bus.ErrStop, done)
		}
		return nil
	})
	if !errors.Is(err, done) {
		c.t.Fatalf("after %d of %d entries: %v", len(out), count, err)
	}
	return out
}

// start runs a packager until the returned function is called.
func start(t *testing.T, c *creator, metrics *packager.Metrics) (stop func()) {
	t.Helper()
	s := packager.New(packager.Options{Bus: c.bus, Keys: c, Metrics: metrics})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	select {
	case <-s.Ready():
	case err := <-ended:
		t.Fatalf("packager ended: %v", err)
	}
	stop = sync.OnceFunc(func() {
		cancel()
		check(t, <-ended)
	})
	t.Cleanup(stop)
	return stop
}

// restarts returns how often workers that report to reg started again.
func restarts(t *testing.T, reg *prometheus.Registry) float64 {
	t.Helper()
	families, err := reg.Gather()
	check(t, err)
	for _, f := range families {
		if f.GetName() == "shoal_packager_restarts_total" {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatal("restarts are not counted")
	return 0
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantContiguous(t *testing.T, entries []manifest.Entry) {
	t.Helper()
	for i, e := range entries {
		if e.N != uint64(i) {
			t.Fatalf("entry %d is of piece %d: none may be missing or doubled", i, e.N)
		}
	}
}

func TestEveryPieceIsSignedInOrder(t *testing.T) {
	c := newCreator(t, bustest.Start(t))
	c.session(1, event.Position{})
	start(t, c, nil)
	c.begin(1000, "init")
	for n := range uint64(20) {
		c.publish(n)
	}
	entries := c.entries(20)
	wantContiguous(t, entries)
	if e := entries[7]; e.MSN != 1 || e.Part != 2 || e.Root != manifest.RootOf([]byte("piece 7 of 1000")) {
		t.Errorf("entry 7 is %+v", e)
	}
}

func TestLostPiecesAreSignedAsGaps(t *testing.T) {
	c := newCreator(t, bustest.Start(t))
	c.session(1, event.Position{})
	start(t, c, nil)
	c.begin(1000, "init")
	for _, n := range []uint64{0, 1, 2, 5, 6} {
		c.publish(n)
	}
	entries := c.entries(7)
	wantContiguous(t, entries)
	for n, e := range entries {
		if want := n == 3 || n == 4; e.Gap != want {
			t.Errorf("entry %d: gap is %v", n, e.Gap)
		}
	}
}

// Whatever is missing for longer than a follow has patience with one message (5 s), the
// pieces are signed once it is there.
func TestAFaultThatPassesCostsNoPiece(t *testing.T) {
	for name, fault := range map[string]func(*creator) (mend func()){
		"the session key cannot be read": func(c *creator) func() {
			c.session(1, event.Position{})
			c.withhold(true)
			return func() { c.withhold(false) }
		},
		"no session is in force": func(c *creator) func() {
			return func() { c.session(1, event.Position{}) }
		},
		"the session in force is over": func(c *creator) func() {
			c.sessionFor(1, event.Position{}, -time.Minute)
			return func() { c.session(2, event.Position{Epoch: 1000, N: 0}) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCreator(t, bustest.Start(t))
			mend := fault(c)
			reg := prometheus.NewRegistry()
			start(t, c, packager.NewMetrics(reg))
			c.begin(1000, "init")
			began := time.Now()
			for n := range uint64(7) {
				c.publish(n)
			}
			deadline := time.After(30 * time.Second)
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for restarts(t, reg) < 3 || time.Since(began) < 6*time.Second {
				select {
				case <-tick.C:
				case <-deadline:
					t.Fatalf("the worker tried again %v times", restarts(t, reg))
				}
			}
			mend()
			for n := uint64(7); n < 12; n++ {
				c.publish(n)
			}
			entries := c.entries(12)
			wantContiguous(t, entries)
			for n, e := range entries {
				if e.Gap {
					t.Errorf("piece %d is signed as a gap", n)
				}
			}
		})
	}
}

func TestAPieceThatCannotBeContinuedToIsPassedOver(t *testing.T) {
	c := newCreator(t, bustest.Start(t))
	c.session(1, event.Position{})
	start(t, c, nil)
	c.begin(1000, "init")
	c.publish(0)
	c.publish(manifest.MaxGap + 2) // a fault of the ingest
	c.begin(2000, "init")
	c.publish(0)
	entries := c.entries(2)
	if e := entries[1]; e.Epoch != 2000 || e.Gap {
		t.Errorf("entry 1 is %+v", e)
	}
}

func TestAPackagerThatIsStoppedAndStartedGoesOnWhereItWas(t *testing.T) {
	c := newCreator(t, bustest.Start(t))
	c.session(1, event.Position{})
	c.begin(1000, "init")
	n := uint64(0)
	for range 4 {
		stop := start(t, c, nil)
		for range 7 {
			c.publish(n)
			n++
		}
		c.entries(int(n))
		stop()
		c.publish(n) // while nobody signs
		n++
	}
	start(t, c, nil)
	wantContiguous(t, c.entries(int(n)))
}

func TestTwoPackagersAtOnceNeverFork(t *testing.T) {
	c := newCreator(t, bustest.Start(t))
	c.session(1, event.Position{})
	c.begin(1000, "init")
	first, second := packager.NewMetrics(nil), packager.NewMetrics(nil)
	start(t, c, first)
	start(t, c, second)
	const pieces = 200
	for n := range uint64(pieces) {
		c.publish(n)
	}
	wantContiguous(t, c.entries(pieces))
	_, last, err := c.bus.LastEntries(t.Context(), c.id, event.Source, 1)
	check(t, err)
	if last != pieces {
		t.Errorf("the MANIFEST holds %d entries for %d pieces", last, pieces)
	}
}

func TestSessionKeysChangeInMidEpoch(t *testing.T) {
	c := newCreator(t, bustest.Start(t))
	c.session(1, event.Position{})
	start(t, c, nil)
	c.begin(1000, "init")
	for n := range uint64(3) {
		c.publish(n)
	}
	c.session(2, event.Position{Epoch: 1000, N: 8}) // in the middle of a segment
	for n := uint64(3); n < 15; n++ {
		c.publish(n)
	}
	entries := c.entries(15)
	wantContiguous(t, entries)
	if entries[5].Session == entries[10].Session {
		t.Error("the segment after the change names the old session")
	}
}

func TestANewEpochIsADiscontinuityAndOldPiecesOfAnEarlierOneAreNotSigned(t *testing.T) {
	c := newCreator(t, bustest.Start(t))
	c.session(1, event.Position{})
	start(t, c, nil)
	c.begin(1000, "init")
	c.publish(0)
	c.publish(1)
	c.begin(2000, "init")
	c.publish(0)
	c.epoch = 1000 // an ingest that was cut off, and does not know that it was replaced
	c.publish(2)
	c.epoch = 2000
	c.publish(1)
	entries := c.entries(4)
	for i, want := range []event.Position{{Epoch: 1000, N: 0}, {Epoch: 1000, N: 1}, {Epoch: 2000, N: 0}, {Epoch: 2000, N: 1}} {
		if got := entries[i].Position(); got != want {
			t.Errorf("entry %d is of %v, want %v", i, got, want)
		}
	}
	if entries[2].DSN != entries[1].DSN+1 || entries[2].MSN != entries[1].MSN+1 {
		t.Errorf("entry 2 is %+v after %+v", entries[2], entries[1])
	}
}

func TestWhatAnEndedSessionLeftUnsignedDoesNotHoldUpTheNextEpoch(t *testing.T) {
	c := newCreator(t, bustest.Start(t))
	c.sessionFor(1, event.Position{}, -time.Minute)
	c.begin(1000, "init")
	c.publish(0)
	c.publish(1)
	c.session(2, event.Position{Epoch: 1001})
	c.begin(2000, "init")
	c.publish(0)
	began := time.Now()
	start(t, c, nil)
	if e := c.entries(1)[0]; e.Epoch != 2000 {
		t.Errorf("the first entry is of epoch %d", e.Epoch)
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestPiecesThatOvertakeTheClaimOfTheirEpochWaitForIt(t *testing.T) {
	c := newCreator(t, bustest.Start(t))
	c.session(1, event.Position{})
	c.begin(1000, "init")
	start(t, c, nil)
	c.publish(0)
	c.entries(1)
	c.epoch = 2000
	c.publish(0) // before the facts that belong to it
	c.session(2, event.Position{Epoch: 1001})
	c.begin(2000, "init")
	entries := c.entries(2)
	if _, digest, _ := c.trust.SessionAt(event.Position{Epoch: 2000}); entries[1].Session != digest {
		t.Error("the new epoch was signed in the session before")
	}
}

func TestNothingIsSignedWithoutASessionInForce(t *testing.T) {
	c := newCreator(t, bustest.Start(t))
	c.begin(1000, "init")
	start(t, c, nil)
	c.publish(0)
	_, last, err := c.bus.LastEntries(t.Context(), c.id, event.Source, 1)
	check(t, err)
	if last != 0 {
		t.Fatal("an entry was recorded before any session record")
	}
	c.session(1, event.Position{})
	wantContiguous(t, c.entries(1))
}
