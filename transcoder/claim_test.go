package transcoder

import (
	"testing"
	"time"

	"github.com/shoalcast/shoal/event"
)

// Who has claimed renditions is left alone as long as something comes, and for two seconds more.
func TestARivalWorksAsLongAsItsPiecesCome(t *testing.T) {
	at := func(n uint64) event.Position { return event.Position{Epoch: 1, N: n} }
	a, b := event.RenditionsClaimed{Epoch: 1, Instance: "a"}, event.RenditionsClaimed{Epoch: 1, Instance: "b"}
	var r rival
	start := time.Unix(0, 0)
	for i, c := range []struct {
		after float64 // seconds
		claim event.RenditionsClaimed
		last  event.Position
		want  bool
	}{
		{0, a, at(5), true}, // nothing is known of it yet
		{1.9, a, at(5), true},
		{2.5, a, at(9), true}, // it had only been slow
		{4.4, a, at(9), true},
		{4.6, a, at(9), false},
		{4.7, b, at(9), true}, // somebody else was faster
		{6.8, b, at(9), false},
	} {
		if got := r.works(c.claim, c.last, start.Add(time.Duration(c.after*float64(time.Second)))); got != c.want {
			t.Errorf("%d: after %v s works is %v", i, c.after, got)
		}
	}
}
