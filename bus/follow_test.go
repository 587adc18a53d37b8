package bus_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/bus/bustest"
	"github.com/shoalcast/shoal/event"
)

func TestANewFollowerOfStreamsHearsOnceThatItCaughtUp(t *testing.T) {
	for _, before := range []int{0, 1, 300} {
		t.Run(fmt.Sprintf("%d facts before", before), func(t *testing.T) {
			b := bustest.Start(t)
			for i := range before {
				id := []event.StreamID{streamA, streamB}[i%2]
				_, err := b.AppendStreamFact(ctxOf(t), id, event.EpochClaimed{Epoch: event.Epoch(i + 1)}, bus.AnySeq)
				check(t, err)
			}
			heard := make(chan string, 1000)
			followed(t, func(ctx context.Context) error {
				return b.FollowStreams(ctx, func() { heard <- "caught up" }, func(_ event.StreamID, _ uint64, f event.StreamFact) error {
					heard <- fmt.Sprint(f.(event.EpochClaimed).Epoch)
					return nil
				})
			})
			for i := range before {
				if got := receive(t, heard); got != fmt.Sprint(i+1) {
					t.Fatalf("heard %q, want fact %d", got, i+1)
				}
			}
			if got := receive(t, heard); got != "caught up" {
				t.Fatalf("heard %q, want to be caught up", got)
			}
			for i := before; i < before+3; i++ {
				_, err := b.AppendStreamFact(ctxOf(t), streamA, event.EpochClaimed{Epoch: event.Epoch(i + 1)}, bus.AnySeq)
				check(t, err)
				if got := receive(t, heard); got != fmt.Sprint(i+1) {
					t.Fatalf("heard %q, want fact %d", got, i+1)
				}
			}
		})
	}
}

func TestAFollowerJoinsWhereItAsks(t *testing.T) {
	b := bustest.Start(t)
	check(t, b.PublishPiece(ctxOf(t), piece(1, 0, 10)))
	check(t, b.PublishPiece(ctxOf(t), piece(1, 1, 10)))
	_, err := b.AppendEntry(ctxOf(t), streamA, "v0", []byte("old"), bus.AnySeq, 0, "", "")
	check(t, err)
	since := time.Now()
	check(t, b.PublishPiece(ctxOf(t), piece(1, 2, 10)))
	seq, err := b.AppendEntry(ctxOf(t), streamA, "v0", []byte("new"), bus.AnySeq, 0, "00-trace", "")
	check(t, err)

	pieces := make(chan uint64, 10)
	followed(t, func(ctx context.Context) error {
		return b.FollowPieces(ctx, streamA, "v0", since, func(_ context.Context, p *event.Piece) error {
			pieces <- p.N
			return nil
		})
	})
	if n := receive(t, pieces); n != 2 {
		t.Errorf("the first piece is %d, want 2", n)
	}
	entries := make(chan string, 10)
	followed(t, func(ctx context.Context) error {
		return b.FollowEntries(ctx, streamA, "v0", since, func(_ context.Context, seq uint64, payload []byte, trace string) error {
			entries <- fmt.Sprint(seq, string(payload), trace)
			return nil
		})
	})
	if e, want := receive(t, entries), fmt.Sprint(seq, "new", "00-trace"); e != want {
		t.Errorf("the first entry is %q, want %q", e, want)
	}
}

func TestAPoisonousPieceIsGivenUpAndTheRestGoesOn(t *testing.T) {
	s, b := bustest.StartServer(t)
	dead := subscribeDead(t, s)
	tries := 0
	got := make(chan uint64, 10)
	followed(t, func(ctx context.Context) error {
		return b.FollowPieces(ctx, streamA, "v0", time.Time{}, func(_ context.Context, p *event.Piece) error {
			if p.N == 1 {
				tries++
				return fmt.Errorf("cannot stomach it\nthe %dth time", tries)
			}
			got <- p.N
			return nil
		})
	})
	for n := range uint64(3) {
		check(t, b.PublishPiece(ctxOf(t), piece(1, n, 1000)))
	}
	if receive(t, got) != 0 || receive(t, got) != 2 {
		t.Fatal("the pieces around the poisonous one did not arrive")
	}
	if tries < 3 {
		t.Errorf("it was tried %d times only", tries)
	}
	m := receive(t, dead)
	if m.Subject != "shoal.dead.test-pieces" {
		t.Errorf("given up under %s", m.Subject)
	}
	if e := m.Header.Get("Shoal-Dead-Error"); e != "cannot stomach it the 1th time" {
		t.Errorf("its first error is %q", e)
	}
	if m.Header.Get("Shoal-Dead-Reason") == "" || len(m.Data) != 1000 || m.Header.Get("Shoal-N") != "1" {
		t.Errorf("the message kept says too little: %v", m.Header)
	}
}

func TestAHandlerGivesAHopelessPieceUpAtOnce(t *testing.T) {
	s, b := bustest.StartServer(t)
	dead := subscribeDead(t, s)
	tries := 0
	got := make(chan uint64, 10)
	followed(t, func(ctx context.Context) error {
		return b.FollowPieces(ctx, streamA, "v0", time.Time{}, func(_ context.Context, p *event.Piece) error {
			if p.N == 0 {
				tries++
				return fmt.Errorf("%w: from another world", bus.ErrGiveUp)
			}
			got <- p.N
			return nil
		})
	})
	check(t, b.PublishPiece(ctxOf(t), piece(1, 0, 10)))
	check(t, b.PublishPiece(ctxOf(t), piece(1, 1, 10)))
	receive(t, got)
	if tries != 1 {
		t.Errorf("it was tried %d times", tries)
	}
	if m := receive(t, dead); m.Header.Get("Shoal-Dead-Reason") != "no retry could help" {
		t.Errorf("given up because %q", m.Header.Get("Shoal-Dead-Reason"))
	}
}

func TestServicesOnOneConnectionGiveUpUnderTheirOwnNames(t *testing.T) {
	s, b := bustest.StartServer(t)
	dead := subscribeDead(t, s)
	raw := rawClient(t, s)
	check(t, raw.Publish("shoal.piece."+string(streamA)+".v0", []byte("rubbish")))
	check(t, raw.Flush())
	for _, service := range []string{"packager", "seeder"} {
		followed(t, func(ctx context.Context) error {
			return b.As(service).FollowPieces(ctx, streamA, "v0", time.Time{}, func(context.Context, *event.Piece) error { return nil })
		})
		if m := receive(t, dead); m.Subject != "shoal.dead."+service+"-pieces" {
			t.Errorf("the %s gave up under %s", service, m.Subject)
		}
	}
}

func TestAFollowThatCannotBeginSaysSoAndBeginsOnceItCan(t *testing.T) {
	var log logBuffer
	server := startServer(t, bus.ServerOptions{})
	b := connect(t, bus.Options{Server: server, Log: slog.New(slog.NewTextHandler(&log, nil))})
	got := make(chan uint64, 1)
	followed(t, func(ctx context.Context) error {
		return b.As("seeder").FollowPieces(ctx, streamA, "v0", time.Time{}, func(_ context.Context, p *event.Piece) error {
			got <- p.N
			return nil
		})
	})
	until(t, "the log warns", func() bool {
		s := log.String()
		return strings.Contains(s, "level=WARN") && strings.Contains(s, "seeder-pieces") && strings.Contains(s, "stream not found")
	})
	check(t, b.Provision(ctxOf(t), bus.Limits{}))
	check(t, b.PublishPiece(ctxOf(t), piece(1, 0, 10)))
	receive(t, got)
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

func TestTheLastFactIsTheStreamsOwn(t *testing.T) {
	s, b := bustest.StartServer(t)
	want := func(id event.StreamID, seq uint64) {
		t.Helper()
		if got, err := b.LastFact(ctxOf(t), id); err != nil || got != seq {
			t.Errorf("the last fact of %s is %d (%v), want %d", id, got, err, seq)
		}
	}
	want(streamA, 0)
	_, err := b.AppendStreamFact(ctxOf(t), streamA, event.EpochClaimed{Epoch: 1}, 0)
	check(t, err)
	_, err = b.AppendStreamFact(ctxOf(t), streamB, event.EpochClaimed{Epoch: 1}, 0)
	check(t, err)
	want(streamA, 1)
	want(streamB, 2)
	// What nobody can read counts too: else nobody could append after it.
	raw := rawClient(t, s)
	check(t, raw.Publish("shoal.stream."+string(streamA), []byte("rubbish")))
	check(t, raw.Flush())
	until(t, "the rubbish is there", func() bool {
		last, err := b.LastFact(ctxOf(t), streamA)
		return err == nil && last == 3
	})
	state, err := b.StreamState(ctxOf(t), streamA)
	check(t, err)
	if _, err := b.AppendStreamFact(ctxOf(t), streamA, event.EpochEnded{Epoch: 1}, state.Seq); err != nil {
		t.Errorf("a fact after one that nobody can read: %v", err)
	}
}

func TestAMessageThatIsNoPieceIsGivenUpAtOnce(t *testing.T) {
	s, b := bustest.StartServer(t)
	dead := subscribeDead(t, s)
	raw := rawClient(t, s)
	check(t, raw.Publish("shoal.piece."+string(streamA)+".v0", []byte("rubbish")))
	check(t, raw.Publish("shoal.stream."+string(streamA), []byte("rubbish")))
	check(t, raw.Publish("shoal.stream."+string(streamA), []byte(`{"v":99,"kind":"from the future"}`)))
	check(t, raw.Flush())
	check(t, b.PublishPiece(ctxOf(t), piece(1, 0, 10)))
	got := make(chan uint64, 10)
	followed(t, func(ctx context.Context) error {
		return b.FollowPieces(ctx, streamA, "v0", time.Time{}, func(_ context.Context, p *event.Piece) error {
			got <- p.N
			return nil
		})
	})
	receive(t, got)
	facts := make(chan event.StreamFact, 10)
	caught := make(chan struct{})
	followed(t, func(ctx context.Context) error {
		return b.FollowStreams(ctx, func() { close(caught) }, func(_ event.StreamID, _ uint64, f event.StreamFact) error {
			facts <- f
			return nil
		})
	})
	receive(t, caught)
	if f := receive(t, facts); f != nil {
		t.Errorf("a fact of the future arrives as %v", f)
	}
	for range 2 {
		if m := receive(t, dead); m.Header.Get("Shoal-Dead-Reason") != "it could not be read" {
			t.Errorf("given up because %q", m.Header.Get("Shoal-Dead-Reason"))
		}
	}
	state, err := b.StreamState(ctxOf(t), streamA)
	check(t, err)
	if _, err := b.AppendStreamFact(ctxOf(t), streamA, event.EpochClaimed{Epoch: 1}, state.Seq); err != nil {
		t.Errorf("a fact after one of the future: %v", err)
	}
}

func TestAHandlerStopsItsFollow(t *testing.T) {
	b := bustest.Start(t)
	check(t, b.PublishPiece(ctxOf(t), piece(1, 0, 10)))
	err := b.FollowPieces(ctxOf(t), streamA, "v0", time.Time{}, func(context.Context, *event.Piece) error {
		return fmt.Errorf("had enough: %w", bus.ErrStop)
	})
	if !errors.Is(err, bus.ErrStop) {
		t.Errorf("the follow ended with %v", err)
	}
	b.Close()
	err = b.FollowPieces(ctxOf(t), streamA, "v0", time.Time{}, func(context.Context, *event.Piece) error { return nil })
	if !errors.Is(err, bus.ErrClosed) {
		t.Errorf("a follow of a closed bus ended with %v", err)
	}
	if err := b.NewPieceWriter().Write(ctxOf(t), piece(1, 1, 1)); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("writing to a closed bus: %v", err)
	}
}

// Connections die, and servers are restarted, while publishers publish and
// followers follow: every follower still sees everything once, in order.
func TestFollowersSeeEverythingOnceThroughBreaks(t *testing.T) {
	for name, breakIt := range map[string]func(t *testing.T, r *rig){
		"connections cut":  func(t *testing.T, r *rig) { r.proxy.cut() },
		"server restarted": func(t *testing.T, r *rig) { r.restart(t) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			b := connect(t, bus.Options{URL: r.proxy.url(), Creds: r.server.CredsFile(), Name: "service"})
			check(t, b.Provision(ctxOf(t), bus.Limits{}))
			const total, breaks = 400, 4
			pieces, entries := make(chan uint64, 2*total), make(chan string, 2*total)
			followed(t, func(ctx context.Context) error {
				return b.FollowPieces(ctx, streamA, "v0", time.Time{}, func(_ context.Context, p *event.Piece) error {
					pieces <- p.N
					return nil
				})
			})
			followed(t, func(ctx context.Context) error {
				return b.FollowEntries(ctx, streamA, "v0", time.Time{}, func(_ context.Context, _ uint64, p []byte, _ string) error {
					entries <- string(p)
					return nil
				})
			})
			w := b.NewPieceWriter()
			var last uint64
			for n := range uint64(total) {
				if n%(total/breaks) == total/breaks/2 {
					breakIt(t, r)
				}
				check(t, w.Write(ctxOf(t), piece(1, n, 20_000)))
				if n%10 == 0 {
					var err error
					last, err = b.AppendEntry(ctxOf(t), streamA, "v0", fmt.Append(nil, n), last, 0, "", fmt.Sprint(n))
					check(t, err)
				}
			}
			check(t, w.Close(ctxOf(t)))
			for n := range uint64(total) {
				if got := receive(t, pieces); got != n {
					t.Fatalf("piece %d came instead of %d", got, n)
				}
				if n%10 == 0 {
					if got := receive(t, entries); got != fmt.Sprint(n) {
						t.Fatalf("entry %s came instead of %d", got, n)
					}
				}
			}
			if len(pieces)+len(entries) > 0 {
				t.Error("something came twice")
			}
		})
	}
}

func subscribeDead(t *testing.T, s *bus.Server) <-chan *nats.Msg {
	c := make(chan *nats.Msg, 10)
	nc := rawClient(t, s)
	_, err := nc.ChanSubscribe("shoal.dead.>", c)
	check(t, err)
	check(t, nc.Flush())
	return c
}
