package bus_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/bus/bustest"
	"github.com/shoalcast/shoal/event"
)

func TestAPieceArrivesAsItWasPublished(t *testing.T) {
	b := bustest.Start(t)
	for n, size := range []int{0, 1, 100_000, event.MaxPiece, event.MaxPiece, event.MaxPiece, 5} {
		check(t, b.PublishPiece(ctxOf(t), piece(7, uint64(n), size)))
	}
	got := make(chan *event.Piece, 10)
	followed(t, func(ctx context.Context) error {
		return b.FollowPieces(ctx, streamA, event.Source, time.Time{}, func(_ context.Context, p *event.Piece) error {
			got <- p
			return nil
		})
	})
	for n, size := range []int{0, 1, 100_000, event.MaxPiece, event.MaxPiece, event.MaxPiece, 5} {
		p, want := receive(t, got), piece(7, uint64(n), size)
		if len(p.Data) == 0 && size == 0 {
			p.Data = want.Data
		}
		if !reflect.DeepEqual(p, want) {
			t.Fatalf("piece %d differs from what was published", n)
		}
	}
}

func TestPublishersMeetNoOneElsesPieces(t *testing.T) {
	b := bustest.Start(t)
	got := make(chan *event.Piece, 100)
	followed(t, func(ctx context.Context) error {
		return b.FollowPieces(ctx, streamB, event.Source, time.Time{}, func(_ context.Context, p *event.Piece) error {
			got <- p
			return nil
		})
	})
	var wg sync.WaitGroup
	for _, id := range []event.StreamID{streamA, streamB} {
		wg.Go(func() {
			w := b.NewPieceWriter()
			for n := range uint64(50) {
				if err := w.Write(ctxOf(t), pieceOf(id, 1, n, 1000)); err != nil {
					t.Error(err)
				}
			}
			if err := w.Close(ctxOf(t)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for n := range uint64(50) {
		if p := receive(t, got); p.Stream != streamB || p.N != n {
			t.Fatalf("got %s, want piece %d of %s", p.Address, n, streamB)
		}
	}
}

func TestAPiecePublishedTwiceIsKeptOnce(t *testing.T) {
	b := bustest.Start(t)
	w := b.NewPieceWriter()
	for _, n := range []uint64{0, 1, 1, 0, 2} {
		check(t, w.Write(ctxOf(t), piece(1, n, 10)))
	}
	check(t, w.Close(ctxOf(t)))
	got := make(chan *event.Piece, 10)
	followed(t, func(ctx context.Context) error {
		return b.FollowPieces(ctx, streamA, event.Source, time.Time{}, func(_ context.Context, p *event.Piece) error {
			got <- p
			return nil
		})
	})
	for n := range uint64(3) {
		if p := receive(t, got); p.N != n {
			t.Fatalf("got piece %d, want %d", p.N, n)
		}
	}
}

func TestOnlyOneOfTwoWritersAppendsTheNextFact(t *testing.T) {
	b := bustest.Start(t)
	ctx := ctxOf(t)
	genesis := event.GenesisPublished{Name: "live", Envelope: json.RawMessage(`{}`)}
	first, err := b.AppendStreamFact(ctx, streamA, genesis, 0)
	check(t, err)
	if _, err := b.AppendStreamFact(ctx, streamA, genesis, 0); !errors.Is(err, bus.ErrConflict) {
		t.Fatalf("a second first fact: %v", err)
	}
	if _, err := b.AppendStreamFact(ctx, streamB, genesis, 0); err != nil {
		t.Fatalf("another stream's first fact: %v", err)
	}

	const rivals = 8
	var wg sync.WaitGroup
	results := make(chan error, rivals)
	for i := range rivals {
		wg.Go(func() {
			_, err := b.AppendStreamFact(ctx, streamA, event.EpochClaimed{Epoch: 9, Instance: event.Instance(fmt.Sprint(i))}, first)
			results <- err
		})
	}
	wg.Wait()
	won := 0
	for range rivals {
		if err := <-results; err == nil {
			won++
		} else if !errors.Is(err, bus.ErrConflict) {
			t.Error(err)
		}
	}
	if won != 1 {
		t.Fatalf("%d writers claimed one epoch", won)
	}
	if _, err := b.AppendStreamFact(ctx, streamA, event.EpochEnded{Epoch: 9}, bus.AnySeq); err != nil {
		t.Fatal(err)
	}
}

func TestAStreamsStateIsTheFoldOfItsFacts(t *testing.T) {
	b := bustest.Start(t)
	ctx := ctxOf(t)
	s, err := b.StreamState(ctx, streamA)
	check(t, err)
	if s.Seq != 0 || s.ID != streamA {
		t.Fatalf("the state of a stream without facts: %+v", s)
	}
	var want event.StreamState
	want.ID = streamA
	for i, f := range []event.StreamFact{
		event.GenesisPublished{Name: "live", Envelope: json.RawMessage(`{"x":1}`)},
		event.PublishKeySet{Key: event.Digest{1}},
		event.EpochClaimed{Epoch: 5, Instance: "one"},
		event.TracksAnnounced{Epoch: 5, Rendition: "v0", Root: event.Root{2}, Init: make([]byte, 100_000), Codecs: "avc1"},
	} {
		seq, err := b.AppendStreamFact(ctx, streamA, f, bus.AnySeq)
		check(t, err)
		want.Apply(seq, f)
		_, err = b.AppendStreamFact(ctx, streamB, event.EpochClaimed{Epoch: event.Epoch(i + 1)}, bus.AnySeq)
		check(t, err)
	}
	got, err := b.StreamState(ctx, streamA)
	check(t, err)
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v\nwant %+v", got, want)
	}
}

func TestTheChainOfEntriesCannotFork(t *testing.T) {
	b := bustest.Start(t)
	ctx := ctxOf(t)
	got, last, err := b.LastEntries(ctx, streamA, "v0", 5)
	check(t, err)
	if len(got) != 0 || last != 0 {
		t.Fatalf("entries of a rendition without any: %d, last %d", len(got), last)
	}
	for n := range 20 {
		id := fmt.Sprintf("entry %d", n)
		seq, err := b.AppendEntry(ctx, streamA, "v0", fmt.Appendf(nil, "entry %d", n), last, time.Hour, "", id)
		check(t, err)
		if _, err := b.AppendEntry(ctx, streamA, "v0", []byte("rival"), last, time.Hour, "", "rival"+id); !errors.Is(err, bus.ErrConflict) {
			t.Fatalf("a second entry %d: %v", n, err)
		}
		again, err := b.AppendEntry(ctx, streamA, "v0", fmt.Appendf(nil, "entry %d", n), last, time.Hour, "", id)
		if err != nil || again != seq {
			t.Fatalf("the same entry again: seq %d instead of %d, %v", again, seq, err)
		}
		last = seq
		for range 7 {
			_, err := b.AppendEntry(ctx, streamB, "v0", []byte("another"), bus.AnySeq, 0, "", "")
			check(t, err)
		}
	}
	for _, n := range []int{0, 1, 3, 20, 100} {
		got, seq, err := b.LastEntries(ctx, streamA, "v0", n)
		check(t, err)
		if seq != last {
			t.Fatalf("last sequence %d, want %d", seq, last)
		}
		n = min(n, 20)
		if len(got) != n {
			t.Fatalf("%d entries instead of %d", len(got), n)
		}
		for i, e := range got {
			if want := fmt.Sprintf("entry %d", 20-n+i); string(e) != want {
				t.Fatalf("%q instead of %q", e, want)
			}
		}
	}
}

func TestAnEntryIsKeptForItsTimeOnly(t *testing.T) {
	b := bustest.Start(t)
	ctx := ctxOf(t)
	_, err := b.AppendEntry(ctx, streamA, "v0", []byte("brief"), 0, time.Second, "", "")
	check(t, err)
	until(t, "the entry is gone", func() bool {
		_, last, err := b.LastEntries(ctx, streamA, "v0", 1)
		check(t, err)
		return last == 0
	})
}

// until polls a condition that only the server's own clock makes true.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline.C:
			t.Fatalf("not within %v: %s", patience, what)
		case <-tick.C:
		}
	}
}
