package bus

import (
	"errors"
	"testing"
	"time"
)

func TestAFillingDiskStopsPiecesBeforeFacts(t *testing.T) {
	free := int64(1000)
	now := time.Unix(0, 0)
	d := &disk{
		reserve: 100,
		now:     func() time.Time { return now },
		free:    func() (int64, int64, error) { return free, 1000, nil },
	}
	for _, c := range []struct {
		free          int64
		pieces, facts bool
	}{{1000, true, true}, {100, true, true}, {99, false, true}, {50, false, true}, {49, false, false}, {0, false, false}, {500, true, true}} {
		free, now = c.free, now.Add(diskEvery)
		if err := d.room(0, false); (err == nil) != c.pieces || err != nil && !errors.Is(err, ErrNoSpace) {
			t.Errorf("with %d bytes free, a piece meets: %v", c.free, err)
		}
		if err := d.room(0, true); (err == nil) != c.facts || err != nil && !errors.Is(err, ErrNoSpace) {
			t.Errorf("with %d bytes free, a fact meets: %v", c.free, err)
		}
	}
}

func TestTheDiskIsNotAskedForEveryPiece(t *testing.T) {
	asked := 0
	d := &disk{reserve: 1, now: time.Now, free: func() (int64, int64, error) { asked++; return 10, 10, nil }}
	for range 1000 {
		if err := d.room(0, false); err != nil {
			t.Fatal(err)
		}
	}
	if asked > 10 {
		t.Errorf("asked %d times", asked)
	}
}

func TestAStormOfPiecesIsStoppedBetweenTwoLooksAtTheDisk(t *testing.T) {
	d := &disk{reserve: 100, now: func() time.Time { return time.Unix(1, 0) }, free: func() (int64, int64, error) { return 1000, 1000, nil }}
	passed := 0
	for d.room(10, false) == nil {
		passed++
	}
	if passed != 90 || d.room(10, true) != nil {
		t.Errorf("%d pieces of 10 passed, a fact meets %v", passed, d.room(10, true))
	}
}

func TestTheRealDiskHasRoom(t *testing.T) {
	d := newDisk(t.TempDir())
	if d.reserve <= 0 || d.room(0, false) != nil || d.storable(t.TempDir()) <= 0 {
		t.Errorf("reserve %d, room %v", d.reserve, d.room(0, false))
	}
}
