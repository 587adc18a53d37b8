package seeder

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

// clockBus lets tests in virtual time hand over facts, pieces and entries themselves:
// a real bus does not run on a clock of ours.
type clockBus struct {
	facts   chan func(apply func(event.StreamID, uint64, event.StreamFact) error)
	pieces  chan *event.Piece
	entries chan []byte
	fail    chan error // ends the follow of entries that runs
	last    [][]byte
	full    atomic.Bool // it takes no reports
	reports []event.Report

	following atomic.Int64
	follows   atomic.Int64
}

func newClockBus() *clockBus {
	return &clockBus{
		facts:  make(chan func(func(event.StreamID, uint64, event.StreamFact) error)),
		pieces: make(chan *event.Piece), entries: make(chan []byte), fail: make(chan error),
	}
}

func (b *clockBus) FollowStreams(ctx context.Context, caughtUp func(), fn func(event.StreamID, uint64, event.StreamFact) error) error {
	caughtUp()
	for {
		select {
		case f := <-b.facts:
			f(fn)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (b *clockBus) FollowPieces(ctx context.Context, _ event.StreamID, _ event.Rendition, _ time.Time, fn func(context.Context, *event.Piece) error) error {
	b.following.Add(1)
	defer b.following.Add(-1)
	for {
		select {
		case p := <-b.pieces:
			if err := fn(ctx, p); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (b *clockBus) FollowEntries(ctx context.Context, _ event.StreamID, _ event.Rendition, _ time.Time, fn func(context.Context, uint64, []byte, string) error) error {
	b.following.Add(1)
	b.follows.Add(1)
	defer b.following.Add(-1)
	for {
		select {
		case e := <-b.entries:
			if err := fn(ctx, 0, e, ""); err != nil {
				return err
			}
		case err := <-b.fail:
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (b *clockBus) PublishReport(_ context.Context, r *event.Report) error {
	if b.full.Load() {
		return errors.New("no room")
	}
	b.reports = append(b.reports, *r)
	return nil
}

func (b *clockBus) LastEntries(context.Context, event.StreamID, event.Rendition, int) ([][]byte, uint64, error) {
	return b.last, uint64(len(b.last)), nil
}

// stage is an origin in virtual time with a stream on it.
type stage struct {
	*creator
	*Service
	t   *testing.T
	bus *clockBus
	seq uint64
}

// perform runs play in a bubble of virtual time.
func perform(t *testing.T, change func(*Options), play func(*stage)) {
	shoot(t) // outside: ffmpeg needs real time
	synctest.Test(t, func(t *testing.T) {
		b := newClockBus()
		o := Options{Bus: b}
		if change != nil {
			change(&o)
		}
		s := &stage{creator: newCreator(t, "live"), Service: New(o), t: t, bus: b}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		s.fact(event.GenesisPublished{Name: "live", Envelope: s.creator.genesis.JSON()})
		s.fact(event.SessionPublished{Envelope: s.record.JSON()})
		s.golive()
		play(s)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the origin stopped with %v", err)
		}
	})
}

func (s *stage) fact(f event.StreamFact) {
	s.seq++
	s.bus.facts <- func(apply func(event.StreamID, uint64, event.StreamFact) error) {
		if err := apply(s.id, s.seq, f); err != nil {
			s.t.Error(err)
		}
	}
	synctest.Wait()
}

func (s *stage) golive() {
	s.newEpoch(time.Now())
	s.fact(event.EpochClaimed{Epoch: s.epoch, Instance: "test"})
	s.fact(event.TracksAnnounced{Epoch: s.epoch, Rendition: event.Source, Root: s.initRoot(), Init: s.film.init, Codecs: filmCodecs})
}

func (s *stage) send(n uint64) {
	p := s.piece(n)
	s.bus.pieces <- p
	for _, e := range s.sign(p) {
		s.bus.entries <- e
	}
	synctest.Wait()
}

// ask returns the answer and how long it took.
func (s *stage) ask(path string) (*httptest.ResponseRecorder, time.Duration) {
	w := httptest.NewRecorder()
	begun := time.Now()
	s.Handler().ServeHTTP(w, httptest.NewRequestWithContext(s.t.Context(), http.MethodGet, path, nil))
	return w, time.Since(begun)
}

func (s *stage) wantAfter(path string, status int, after time.Duration) *httptest.ResponseRecorder {
	s.t.Helper()
	w, took := s.ask(path)
	if w.Code != status || took != after {
		s.t.Errorf("GET %s: %d after %v, want %d after %v", path, w.Code, took, status, after)
	}
	return w
}

func TestHowLongRequestsAreHeld(t *testing.T) {
	perform(t, nil, func(s *stage) {
		s.send(0)
		s.wantAfter("/live/live/v0/index.m3u8?_HLS_msn=0&_HLS_part=1", 503, 12*time.Second)
		s.send(1)
		p := &publisher{creator: s.creator}
		s.wantAfter(pieceURL(p, 2), 404, 5*time.Second)
		s.wantAfter(pieceURL(p, 5), 404, 0)
		w := s.wantAfter("/live/live/manifest.json?r=v0&after="+p.at(1), 200, 5*time.Second)
		if bytes.Contains(w.Body.Bytes(), []byte(`"entries":[{`)) {
			t.Errorf("there are entries after the newest: %s", w.Body)
		}
	})
}

func TestAStreamThatStopsAgesOutAndComesBack(t *testing.T) {
	perform(t, nil, func(s *stage) {
		for n := range uint64(6) {
			time.Sleep(200 * time.Millisecond) // virtual
			s.send(n)
		}
		s.fact(event.EpochEnded{Epoch: s.epoch, Reason: "test"})
		time.Sleep(29 * time.Second)
		s.wantAfter("/live/live/v0/seg/0.m4s", 200, 0)
		s.wantAfter("/live/live/v0/seg/1.m4s", 200, 0)
		held := make(chan int)
		go func() {
			w, _ := s.ask("/live/live/v0/index.m3u8?_HLS_msn=2")
			held <- w.Code
		}()
		time.Sleep(3 * time.Second)
		if code := <-held; code != 404 {
			t.Errorf("who waited when the window aged out got %d, want 404", code)
		}
		s.wantAfter("/live/live/v0/index.m3u8", 404, 0)
		s.wantAfter("/live/live/v0/seg/0.m4s", 404, 0)
		if w := s.wantAfter("/live/live/manifest.json", 200, 0); !bytes.Contains(w.Body.Bytes(), []byte(`"live":false`)) {
			t.Errorf("the manifest says %s", w.Body)
		}
		if n := s.bus.following.Load(); n != 0 {
			t.Errorf("%d follows still run for a stream that is over", n)
		}
		s.golive()
		s.send(0)
		if w := s.wantAfter("/live/live/v0/index.m3u8", 200, 0); !bytes.Contains(w.Body.Bytes(), []byte("#EXT-X-MEDIA-SEQUENCE:2\n")) {
			t.Errorf("the next epoch's playlist is\n%s", w.Body)
		}
	})
}

func TestAPublisherThatStallsIsNotLiveUntilItGoesOn(t *testing.T) {
	perform(t, nil, func(s *stage) {
		s.send(0)
		time.Sleep(40 * time.Second)
		if w := s.wantAfter("/live/live/manifest.json", 200, 0); !bytes.Contains(w.Body.Bytes(), []byte(`"live":false`)) {
			t.Errorf("after 40 s without a piece: %s", w.Body)
		}
		if s.bus.following.Load() != 2 {
			t.Error("its pieces are not read any more, although its epoch is open")
		}
		s.zero = s.zero.Add(39 * time.Second)
		s.send(5)
		if w := s.wantAfter("/live/live/manifest.json", 200, 0); !bytes.Contains(w.Body.Bytes(), []byte(`"live":true`)) {
			t.Errorf("after it went on: %s", w.Body)
		}
	})
}

func TestAnOldStreamIsNotReadAtTheStart(t *testing.T) {
	perform(t, nil, func(s *stage) {
		p := s.piece(0)
		last := s.sign(p)
		for _, c := range []struct {
			after time.Duration
			want  int64
		}{{10 * time.Second, 2}, {40 * time.Second, 0}} {
			time.Sleep(time.Until(p.Arrived.Add(c.after)))
			b := newClockBus()
			b.last = last
			next := New(Options{Bus: b})
			next.apply(s.id, 1, event.GenesisPublished{Name: "live", Envelope: s.creator.genesis.JSON()})
			next.apply(s.id, 2, event.EpochClaimed{Epoch: s.epoch})
			next.apply(s.id, 3, event.TracksAnnounced{Epoch: s.epoch, Rendition: event.Source, Root: s.initRoot(), Init: s.film.init})
			next.apply(s.id, 4, event.EpochEnded{Epoch: s.epoch})
			ctx, cancel := context.WithCancel(s.t.Context())
			done := make(chan error)
			go func() { done <- next.Run(ctx) }()
			synctest.Wait()
			if n := b.following.Load(); n != c.want {
				t.Errorf("%v after its last piece %d follows run, want %d", c.after, n, c.want)
			}
			next.apply(s.id, 5, event.EpochClaimed{Epoch: s.epoch + 1})
			synctest.Wait()
			if n := b.following.Load(); n != 2 {
				t.Errorf("%d follows run in its next epoch, want 2", n)
			}
			cancel()
			<-done
		}
	})
}

func TestReadingGoesOnAfterAFailure(t *testing.T) {
	perform(t, nil, func(s *stage) {
		s.send(0)
		for range 3 {
			s.bus.fail <- errors.New("broken")
			time.Sleep(20 * time.Second)
		}
		s.zero = time.Now()
		s.send(5)
		s.wantAfter("/live/live/v0/index.m3u8", 200, 0)
		if n := s.bus.follows.Load(); n != 4 {
			t.Errorf("followed %d times, want 4", n)
		}
	})
}

func TestRecordsAndRemovalsTakeEffectAtOnce(t *testing.T) {
	perform(t, nil, func(s *stage) {
		init := "/live/live/v0/init/" + s.initRoot().String() + ".mp4"
		s.wantAfter(init, 404, 0) // no signed entry names it
		s.send(0)
		s.wantAfter(init, 200, 0)
		s.rotateSession(event.Position{Epoch: s.epoch, N: 1})
		s.send(1)
		p := &publisher{creator: s.creator}
		s.wantAfter("/p/"+manifest.RootOf(s.film.pieces[1]).String(), 404, 0)
		s.fact(event.SessionPublished{Envelope: s.record.JSON()})
		s.wantAfter(pieceURL(p, 1), 200, 0)

		wrong := event.Root{1}
		s.fact(event.TracksAnnounced{Epoch: s.epoch, Rendition: event.Source, Root: wrong, Init: []byte("not that")})
		if s.byName("live").hasInit(wrong) {
			t.Error("an init segment that is not what its root says is kept")
		}

		ended := make(chan time.Duration)
		go func() {
			_, took := s.ask("/live/live/manifest.json?r=v0&after=" + p.at(1))
			ended <- took
		}()
		synctest.Wait()
		s.fact(event.EpochEnded{Epoch: s.epoch, Reason: "test"})
		if took := <-ended; took != 0 {
			t.Errorf("who waits for an entry is told of the end after %v", took)
		}
		s.fact(event.StreamRemoved{})
		if n := s.bus.following.Load(); n != 0 {
			t.Errorf("%d follows still run for a stream that was removed", n)
		}
		s.wantAfter("/live/live/v0/index.m3u8", 404, 0)
	})
}

func TestARotationOfTheRootKeyIsTakenIn(t *testing.T) {
	perform(t, nil, func(s *stage) {
		successor := newKey(t)
		next := newKey(t).Public().(ed25519.PublicKey)
		genesis, err := manifest.SignGenesis(s.root, "other", successor.Public().(ed25519.PublicKey))
		if err != nil {
			t.Fatal(err)
		}
		_, id, err := manifest.OpenGenesis(genesis)
		if err != nil {
			t.Fatal(err)
		}
		rotation, err := manifest.SignRotation(successor, manifest.Rotation{Stream: id, Serial: 1, Next: event.DigestOf(next), Sessions: 0})
		if err != nil {
			t.Fatal(err)
		}
		s.id, s.seq = id, 0
		s.rotateSession(event.Position{}) // by the old key, which may sign none
		s.fact(event.GenesisPublished{Name: "other", Envelope: genesis.JSON()})
		s.fact(event.SessionPublished{Envelope: s.record.JSON()})
		s.fact(event.RootRotated{Envelope: rotation.JSON()})
		w := s.wantAfter("/live/other/manifest.json", 200, 0)
		if !bytes.Contains(w.Body.Bytes(), []byte(`"sessions":[]`)) || !bytes.Contains(w.Body.Bytes(), rotation.JSON()) {
			t.Errorf("the manifest after a rotation: %s", w.Body)
		}
	})
}

func TestWhatIsMeasured(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	m := NewMetrics(registry)
	spans := tracetest.NewInMemoryExporter()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	perform(t, func(o *Options) { o.Metrics = m; o.Tracer = tracer }, func(s *stage) {
		p := s.piece(0)
		p.Trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
		time.Sleep(time.Until(p.Received.Add(30 * time.Millisecond)))
		s.bus.pieces <- p
		s.bus.entries <- s.sign(p)[0]
		synctest.Wait()
		s.wantAfter(pieceURL(&publisher{creator: s.creator}, 0), 200, 0)
		seen := 0
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			for _, v := range f.GetMetric() {
				name, label := f.GetName(), ""
				for _, l := range v.GetLabel() {
					label = l.GetValue()
				}
				switch name + " " + label {
				case "shoal_origin_pieces_total verified":
					if v.GetCounter().GetValue() != 1 {
						t.Errorf("%s: %v", name, v)
					}
				case "shoal_origin_sent_bytes_total piece":
					if v.GetCounter().GetValue() != float64(len(p.Data)) {
						t.Errorf("%s: %v, want %d", name, v, len(p.Data))
					}
				case "shoal_origin_window_bytes ":
					if v.GetGauge().GetValue() != float64(len(p.Data)) {
						t.Errorf("%s: %v, want %d", name, v, len(p.Data))
					}
				case "shoal_origin_release_seconds ":
					if h := v.GetHistogram(); h.GetSampleCount() != 1 || h.GetSampleSum() < 0.029 || h.GetSampleSum() > 0.032 {
						t.Errorf("%s: %v, want one of 30 ms", name, h)
					}
				default:
					continue
				}
				seen++
			}
		}
		if seen != 4 {
			t.Errorf("%d of 4 metrics are there", seen)
		}
		got := spans.GetSpans()
		if len(got) != 1 || got[0].SpanContext.TraceID().String() != "0af7651916cd43dd8448eb211c80319c" {
			t.Errorf("spans %v, want one in the piece's trace", got)
		}
	})
}
