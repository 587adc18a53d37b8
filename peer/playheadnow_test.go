package peer

import (
	"testing"
	"time"
)

// What is ahead of the playhead and how late it is are those of the moment.
func TestThePlayheadTellsWhereItIsNow(t *testing.T) {
	var p Playhead
	if delay, ahead := p.Now(epochStart); delay != 0 || ahead != 0 {
		t.Errorf("before anything: %s late, %s ahead", delay, ahead)
	}
	now := deliver(&p, 0, 50, 10*time.Millisecond)
	delay, ahead := p.Now(now)
	if !within(delay.Milliseconds(), 230, 5) || !within(ahead.Milliseconds(), 220, 5) {
		t.Errorf("%s late, %s ahead", delay, ahead)
	}
	delay, ahead = p.Now(now.Add(100 * time.Millisecond))
	if !within(delay.Milliseconds(), 230, 5) || !within(ahead.Milliseconds(), 120, 5) {
		t.Errorf("100 ms on: %s late, %s ahead", delay, ahead)
	}
	delay, ahead = p.Now(now.Add(time.Second)) // held since 220 ms
	if !within(delay.Milliseconds(), 230+780, 5) || ahead != 0 {
		t.Errorf("held: %s late, %s ahead", delay, ahead)
	}
}
