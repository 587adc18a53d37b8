package swarm

import (
	"testing"
	"time"

	"github.com/shoalcast/shoal/event"
)

// Many blocks are asked of one neighbour at once, and all come too late: that is once.
func TestManyLateBlocksAtOneMomentDoNotEndAConnection(t *testing.T) {
	r := newRig(t, 0)
	n := r.alone(0, Config{NoOrigin: true})
	f := r.fake(n, 1, Hello{Up: 1000})
	n.AddHead(r.now, rigPiece(0, 32*event.BlockSize))
	r.take(n)
	f.send(&Have{key(0), 1})
	r.run(r.now + time.Second)
	if f.dropped {
		t.Errorf("dropped for %s", f.why)
	}
}

func TestWhoSaysThatItHasNotIsKept(t *testing.T) {
	r := newRig(t, 0)
	n := r.alone(0, Config{NoOrigin: true})
	f := r.fake(n, 1, Hello{Up: 1000})
	denied := 0
	for i := range 600 {
		n.AddHead(r.now, rigPiece(i, 10_000))
		r.take(n)
		f.send(&Have{key(i), 1})
		r.run(r.now + 200*time.Millisecond)
		for _, w := range heard[*Want](f) {
			f.send(&Deny{w.Key, w.Blocks})
			denied++
		}
		f.send(&Pong{})
	}
	if f.dropped || denied <= lateMost {
		t.Errorf("dropped %v for %s after %d denials", f.dropped, f.why, denied)
	}
}

func TestWhoDeliversLateIsKept(t *testing.T) {
	r := newRig(t, 0)
	n := r.alone(0, Config{NoOrigin: true})
	f := r.fake(n, 1, Hello{Up: 1000})
	for i := range 200 {
		h := rigPiece(i, 10_000)
		n.AddHead(r.now, h)
		r.take(n)
		f.send(&Have{key(i), 1})
		r.run(r.now + 600*time.Millisecond)
		f.send(&Pong{}, block(h, 0))
	}
	if f.dropped || len(n.pieces) != 200 {
		t.Errorf("dropped %v for %s with %d pieces", f.dropped, f.why, len(n.pieces))
	}
}

func TestWhoIsBusySendingIsNotAskedAgainNorAnotherInItsPlace(t *testing.T) {
	r := newRig(t, 0)
	n := r.alone(0, Config{NoOrigin: true})
	f := r.fake(n, 1, Hello{Up: 1000})
	h := rigPiece(0, 16*event.BlockSize)
	n.AddHead(r.now, h)
	r.take(n)
	f.send(&Have{key(0), 1})
	r.run(r.now + 60*time.Millisecond)
	other := r.fake(n, 2, Hello{Up: 1000})
	other.send(&Have{key(0), 1})
	wants := len(heard[*Want](f))
	for i := range 16 {
		f.send(block(h, i))
		r.run(r.now + 80*time.Millisecond)
	}
	if again := len(heard[*Want](f)); wants != 1 || again > 0 || len(heard[*Want](other)) > 0 {
		t.Errorf("asked %d times, then %d times more", wants, again)
	}
	if n.pieces[key(0)] == nil {
		t.Error("the piece is not whole")
	}
}

func TestWhoAnnouncesWhatItNeverGivesIsAskedLessAndLess(t *testing.T) {
	r := newRig(t, 0)
	n := r.alone(1, Config{NoOrigin: true})
	f := r.fake(n, 1, Hello{Up: 1000})
	asked := 0
	for range 100 {
		f.send(&Have{key(5000), 1}, &Pong{})
		r.run(r.now + 100*time.Millisecond)
		asked += len(heard[*GetHeads](f))
	}
	if asked > 10 {
		t.Errorf("asked %d times in 10 s", asked)
	}
	for i := 0; i < 3000 && !f.dropped; i++ {
		f.send(&Have{key(5000), 1}, &Pong{})
		r.run(r.now + 100*time.Millisecond)
	}
	if !f.dropped || f.why != Silent {
		t.Errorf("dropped %v for %s", f.dropped, f.why)
	}
}

func TestWhoPromisesLanesAndWithholdsThemIsSoonAskedForNone(t *testing.T) {
	r := newRig(t, 0)
	n := r.viewer(10e6)
	liar := r.fake(n, 1, Hello{Up: 50_000})
	liar.feeds(0)
	asked, last := 0, LaneMask(0)
	for i := range 500 {
		for _, s := range heard[*Subscribe](liar) {
			asked += (s.Lanes &^ last).Len()
			if last = s.Lanes; last != 0 {
				liar.send(&Grant{"v0", s.Lanes})
			}
		}
		liar.send(rigPiece(i, 60_000), &Pong{})
		r.run(r.now + 200*time.Millisecond)
	}
	if asked < allLanes || asked > 10*allLanes {
		t.Errorf("it was asked for %d lanes in 100 s", asked)
	}
}
