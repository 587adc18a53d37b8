package fmp4_test

import (
	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/fmp4"
)

// failer is what testing and rapid have in common.
type failer interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Fatal(args ...any)
}

// checkRules checks what holds for any input.
func checkRules(t failer, chunks []fmp4.Chunk) {
	t.Helper()
	if len(chunks) == 0 {
		t.Fatal("no piece came out")
	}
	if chunks[0].Segment != 0 {
		t.Errorf("the first piece is of segment %d", chunks[0].Segment)
	}
	var length event.Ticks
	for i, c := range chunks {
		if c.Duration <= 0 || c.Duration > c.Target {
			t.Errorf("piece %d lasts %d ticks, its target is %d", i, c.Duration, c.Target)
		}
		if c.Target%90 != 0 {
			t.Errorf("piece %d: target %d is no whole number of milliseconds", i, c.Target)
		}
		if c.PTS < 0 {
			t.Errorf("piece %d starts at %d", i, c.PTS)
		}
		if len(c.Data) > event.MaxPiece || cap(c.Data) != len(c.Data) {
			t.Errorf("piece %d: %d bytes in an allocation of %d", i, len(c.Data), cap(c.Data))
		}
		if c.Init == nil {
			t.Fatalf("piece %d has no init", i)
		}
		if i > 0 && c.Segment != chunks[i-1].Segment {
			length = 0
		}
		if length += c.Duration; length > 41*event.Timescale/10 {
			t.Errorf("segment %d lasts %d ticks or more", c.Segment, length)
		}
		if i == 0 {
			continue
		}
		before := chunks[i-1]
		switch c.Segment {
		case before.Segment:
			if c.Target != before.Target {
				t.Errorf("piece %d: target %d in a segment of target %d", i, c.Target, before.Target)
			}
			if c.Init != before.Init {
				t.Errorf("piece %d: a new init inside a segment", i)
			}
			if c.Key && c.Init.Width > 0 {
				t.Errorf("piece %d: a keyframe that does not start a segment", i)
			}
		case before.Segment + 1:
		default:
			t.Errorf("piece %d: segment %d after %d", i, c.Segment, before.Segment)
		}
	}
}
