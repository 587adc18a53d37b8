package fmp4

import (
	"testing"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/media"
)

// After a jump, sound and picture keep the distance that the encoder gives them, even
// when different amounts of both were lost on the way.
func TestTracksStayTogetherOverAJump(t *testing.T) {
	t.Parallel()
	var tl timeline
	at := func(k media.Kind, ts event.Ticks) event.Ticks {
		v, _ := tl.place(k, ts)
		tl.advance(k, v+2000)
		return v
	}
	const clock = 1000 * event.Timescale
	for ts := event.Ticks(0); ts < 10*event.Timescale; ts += 2000 {
		at(media.Video, clock+ts)
		at(media.Audio, clock+ts)
	}
	const jumped = clock + 3600*event.Timescale
	v := at(media.Video, jumped)
	if v != 10*event.Timescale {
		t.Errorf("the picture goes on at %d", v)
	}
	if a := at(media.Audio, clock+10*event.Timescale); a != 10*event.Timescale {
		t.Errorf("sound from before the jump lies at %d", a)
	}
	if a := at(media.Audio, jumped+event.Timescale); a-v != event.Timescale {
		t.Errorf("the sound goes on %d ticks after the picture, want a second", a-v)
	}
}
