package peer

import (
	"testing"
	"time"

	"github.com/shoalcast/shoal/event"
)

// A line says how long live pieces took from the signature to here; those that a newcomer
// catches up with say nothing of that.
func TestALineTellsHowFarPiecesAreBehind(t *testing.T) {
	var line Line
	server := epochStart
	w := &watcher{
		options: Options{Now: func() time.Time { return server }, Stats: func(l Line) { line = l }},
		clock:   newClock(func() time.Time { return server }, clockReading{asked: server, answered: server, server: server}),
		began:   server,
	}
	take := func(late time.Duration, catchup bool) {
		f := fetched{catchup: catchup, data: []byte{1}}
		f.entry.Issued, f.entry.Dur = server.Add(-late).UnixMilli(), event.TicksOf(200*time.Millisecond)
		if err := w.take(f); err != nil {
			t.Fatal(err)
		}
		server = server.Add(200 * time.Millisecond)
	}
	take(20*time.Second, true)
	for range 18 {
		take(40*time.Millisecond, false)
	}
	take(90*time.Millisecond, false)
	take(95*time.Millisecond, false)
	w.report(Verified)
	if want := (Behind{P50: 40, P95: 90}); line.BehindMS != want {
		t.Errorf("pieces are said to be %+v behind, want %+v", line.BehindMS, want)
	}
}
