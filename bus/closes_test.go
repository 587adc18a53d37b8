package bus_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/bus/bustest"
	"github.com/shoalcast/shoal/event"
)

func TestAFileIsClosedOnce(t *testing.T) {
	b, ctx := bustest.Start(t), ctxOf(t)
	closed := func(n int) event.FileClosed {
		return event.FileClosed{Envelope: json.RawMessage(fmt.Sprintf(`{"n":%d}`, n))}
	}
	if _, seq, err := b.LastClose(ctx, streamA, "v0"); err != nil || seq != 0 {
		t.Fatalf("before the first: %d, %v", seq, err)
	}
	first, err := b.AppendClose(ctx, streamA, "v0", closed(1), 0, time.Hour, "one")
	check(t, err)
	if again, err := b.AppendClose(ctx, streamA, "v0", closed(1), 0, time.Hour, "one"); err != nil || again != first {
		t.Errorf("the same again: %d, %v", again, err)
	}
	if _, err := b.AppendClose(ctx, streamA, "v0", closed(2), 0, time.Hour, "rival"); !errors.Is(err, bus.ErrConflict) {
		t.Errorf("a rival's: %v", err)
	}
	_, err = b.AppendClose(ctx, streamB, "v0", closed(3), 0, 0, "other stream")
	check(t, err)
	second, err := b.AppendClose(ctx, streamA, "v0", closed(4), first, time.Hour, "two")
	check(t, err)
	last, seq, err := b.LastClose(ctx, streamA, "v0")
	check(t, err)
	if seq != second || string(last.Envelope) != `{"n":4}` {
		t.Errorf("the last is %d, %s", seq, last.Envelope)
	}
	var seen []string
	err = b.FollowCloses(ctx, func(_ context.Context, id event.StreamID, r event.Rendition, f event.FileClosed) error {
		if seen = append(seen, fmt.Sprint(id[:1], r, string(f.Envelope))); len(seen) == 3 {
			return bus.ErrStop
		}
		return nil
	})
	if got := fmt.Sprint(seen); !errors.Is(err, bus.ErrStop) || got != `[av0{"n":1} bv0{"n":3} av0{"n":4}]` {
		t.Errorf("followed %s, %v", got, err)
	}
}
