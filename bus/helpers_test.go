package bus_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/event"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("SHOAL_BUS_VICTIM"); dir != "" {
		victim(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

const patience = 15 * time.Second

var (
	streamA = event.StreamID("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
	streamB = event.StreamID("bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb")
)

// ctxOf ends with the test, or when patience is over.
func ctxOf(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeoutCause(t.Context(), patience, fmt.Errorf("the test waited %v", patience))
	t.Cleanup(cancel)
	return ctx
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// piece returns the nth piece of an epoch, of size bytes that tell it apart.
func piece(epoch event.Epoch, n uint64, size int) *event.Piece {
	return pieceOf(streamA, epoch, n, size)
}

func pieceOf(id event.StreamID, epoch event.Epoch, n uint64, size int) *event.Piece {
	mark := fmt.Appendf(nil, "%s/%d/%d;", id, epoch, n)
	data := bytes.Repeat(mark, size/len(mark)+1)[:size]
	return &event.Piece{
		Address:  event.Address{Stream: id, Rendition: event.Source, Position: event.Position{Epoch: epoch, N: n}},
		Segment:  n / 5,
		Key:      n%5 == 0,
		PTS:      event.Ticks(n) * 18000,
		Duration: 18000,
		Target:   18000,
		Init:     event.Root{1, 2, 3},
		Arrived:  time.UnixMilli(1_700_000_000_000 + int64(n)*200),
		Received: time.UnixMilli(1_700_000_000_200 + int64(n)*200),
		Trace:    fmt.Sprintf("00-%032x-%016x-01", n+1, n+1),
		Root:     event.Root{4, 5, 6},
		Size:     len(data),
		Data:     data,
	}
}

func startServer(t testing.TB, o bus.ServerOptions) *bus.Server {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	s, err := bus.StartServer(ctxOf(t), o)
	check(t, err)
	t.Cleanup(s.Shutdown)
	return s
}

func connect(t testing.TB, o bus.Options) *bus.Bus {
	t.Helper()
	if o.Name == "" {
		o.Name = "test"
	}
	b, err := bus.Connect(ctxOf(t), o)
	check(t, err)
	t.Cleanup(b.Close)
	return b
}

// followed runs a follow in the background until the test ends, and fails the test
// if it ends earlier or otherwise than by its ctx.
func followed(t testing.TB, follow func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- follow(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-done:
			if !errors.Is(err, context.Canceled) && !errors.Is(err, bus.ErrClosed) {
				t.Errorf("the follow ended with %v", err)
			}
		case <-time.After(patience):
			t.Error("the follow does not end with its ctx")
		}
	}
	t.Cleanup(stop)
	return stop
}

func receive[T any](t testing.TB, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("nothing came within %v", patience)
		panic("unreachable")
	}
}
