package peer

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
	"github.com/shoalcast/shoal/swarm"
)

func testHead(n uint64, key bool, epoch event.Epoch) *swarm.Head {
	part := uint64(1)
	if key {
		part = 0
	}
	return &swarm.Head{Entry: manifest.Entry{R: event.Source, Epoch: epoch, N: n, Part: part, Key: key, Size: 1 << 20}}
}

// The lead leaves the origin its time, and lanes what they were seen to need.
func TestTheLeadFollowsWhatPiecesTake(t *testing.T) {
	took := func(d time.Duration, n int) []time.Duration { return slices.Repeat([]time.Duration{d}, n) }
	for _, c := range []struct {
		trip time.Duration
		late []time.Duration
		want time.Duration
	}{
		{0, nil, 400 * time.Millisecond},
		{time.Second, nil, 650 * time.Millisecond},
		{0, took(time.Second, leadSamples-1), 400 * time.Millisecond},
		{0, took(5*time.Millisecond, 50), leastLead},
		{0, took(60*time.Millisecond, 50), 430 * time.Millisecond},
		{0, took(time.Second, 50), mostLead},
	} {
		if got := leadOf(originSlack(c.trip, true), c.late); got != c.want {
			t.Errorf("a trip of %s, %d pieces: %s, want %s", c.trip, len(c.late), got, c.want)
		}
	}
	if got := leadOf(originSlack(0, false), nil); got != 500*time.Millisecond {
		t.Errorf("without an origin: %s", got)
	}
}

// An origin that fails is asked ever more seldom, until it answers.
func TestADeadOriginIsNotHammered(t *testing.T) {
	r := refill{first: 50 * time.Millisecond, most: time.Second}
	asked := 0
	now := epochStart
	for ; now.Before(epochStart.Add(10 * time.Second)); now = now.Add(time.Millisecond) {
		if r.ready(now) {
			asked++
			r.failed(now)
			r.failed(now) // one that was asked together with it
		}
	}
	if asked < 10 || asked > 16 {
		t.Errorf("asked %d times in 10 s", asked)
	}
	if r.answered(); !r.ready(now) {
		t.Error("not asked although it answered")
	}
}

// Whatever arrives, and whoever waits for nothing of it, what is remembered is bounded.
func TestWhatAPartyRemembersIsBounded(t *testing.T) {
	s, g := newShelf(), gossip{}
	for n := range uint64(2000) {
		h := testHead(n, n%5 == 0, 1)
		s.put(&swarm.Piece{Head: h, Rejected: 1, Duplicate: 10})
		s.arrived(time.Millisecond)
		g.add(h, epochStart)
	}
	if len(s.pieces) > shelfPieces || s.bytes > shelfBytes || len(s.refused) > shelfPieces || len(s.late) > shelfLate || len(g.heads) > partyHeads {
		t.Errorf("%d pieces of %d bytes, %d refused, %d heads", len(s.pieces), s.bytes, len(s.refused), len(g.heads))
	}
	if s.rejected != 2000 || s.duplicate != 20_000 {
		t.Errorf("%d false blocks, %d bytes again", s.rejected, s.duplicate)
	}
	s.waited[event.Position{Epoch: 1, N: 1999}] = &waited{}
	s.pass(event.Position{Epoch: 1, N: 2000})
	s.put(&swarm.Piece{Head: testHead(7, false, 1)})
	s.refuse(event.Position{Epoch: 1, N: 8}, errSwarm)
	if len(s.pieces) != 0 || s.bytes != 0 || len(s.refused) != 0 || len(s.waited) != 0 {
		t.Errorf("after all was passed there are %d pieces of %d bytes, %d refused, %d waited for", len(s.pieces), s.bytes, len(s.refused), len(s.waited))
	}
}

// What follows an entry is told without a hole, also from one epoch to the next, whatever
// order it came in.
func TestGossipIsToldInOrder(t *testing.T) {
	var g gossip
	for _, n := range []uint64{12, 10, 5, 6, 13} {
		g.add(testHead(n, n%5 == 0, 1), epochStart)
	}
	g.add(testHead(0, true, 2), epochStart.Add(time.Second))
	if g.add(testHead(12, false, 1), epochStart) {
		t.Error("a head counts as new twice")
	}
	for _, c := range []struct {
		pos  event.Position
		want int
	}{
		{event.Position{}, 1}, // the newest keyframe
		{event.Position{Epoch: 1, N: 4}, 2},
		{event.Position{Epoch: 1, N: 6}, 0},
		{event.Position{Epoch: 1, N: 11}, 3},
		{event.Position{Epoch: 2, N: 0}, 0},
		{event.Position{Epoch: 3, N: 0}, 0},
	} {
		if got := g.after(c.pos); len(got) != c.want {
			t.Errorf("after %s: %d entries, want %d", c.pos, len(got), c.want)
		}
	}
	if got := g.newestRun(event.Position{Epoch: 2, N: 0}); got != nil {
		t.Errorf("what is known is told again: %d entries", len(got))
	}
	now := epochStart.Add(1200 * time.Millisecond)
	if wait := g.flowing(now, event.Position{Epoch: 2, N: 1}, 700*time.Millisecond); wait != 500*time.Millisecond {
		t.Errorf("200 ms after the last head: %s", wait)
	}
	for what, pos := range map[string]event.Position{"behind": {Epoch: 2, N: 5}, "an epoch behind": {Epoch: 3}} {
		if wait := g.flowing(now, pos, 700*time.Millisecond); wait > 0 {
			t.Errorf("a swarm that is %s is waited for, %s", what, wait)
		}
	}
}

// A playhead with a lead keeps it where it seeks, and where another publish begins.
func TestThePlayheadKeepsItsLead(t *testing.T) {
	p := Playhead{Lead: 400 * time.Millisecond}
	now := deliver(&p, 0, 20, 0)
	for n := 21; n <= 60; n++ { // 8 s at once
		p.Add(now.Add(8*time.Second), chunk(n, false))
	}
	now = now.Add(8 * time.Second)
	if delay, ahead := p.Now(now); ahead < 600*time.Millisecond {
		t.Errorf("after it sought: %s late, %s ahead", delay, ahead)
	}
	now = now.Add(2 * time.Second)
	p.SetOffline(now, true)
	next := chunk(0, false)
	next.Epoch, next.At, next.Ready = 2, now.Add(-200*time.Millisecond), now
	p.Add(now, next)
	if delay, ahead := p.Now(now); !within(ahead.Milliseconds(), 600, 5) || !within(delay.Milliseconds(), 600, 5) {
		t.Errorf("in the next publish: %s late, %s ahead", delay, ahead)
	}
	if delay, _ := p.Now(now.Add(450 * time.Millisecond)); !within(delay.Milliseconds(), 600, 5) {
		t.Errorf("once it plays: %s late", delay)
	}
}

// A long session needs no more than a short one.
func TestALongSessionDoesNotGrow(t *testing.T) {
	o, m := newOrigin(t, "alice"), &meeting{}
	s := swarmer(t, o, m, 0)
	s.Length = 49 * time.Second // it ends a little before the last piece
	o.begin(mustMedia(t, small))
	o.publish(10)
	o.seed(t, m, false)
	wait := s.begin(t)
	eventually(t, "playing", func() bool { return s.latest().PiecesVerified == 5 })
	after50 := 0
	for published := 10; published < 260; {
		if published%90 == 0 {
			o.begin(mustMedia(t, small))
		}
		o.publish(10)
		published += 10
		want := int64(published - 5)
		eventually(t, "10 pieces more", func() bool { return s.latest().PiecesVerified >= min(want, 230) })
		if published == 60 {
			after50 = runtime.NumGoroutine()
		}
	}
	// Requests that are under way come and go.
	eventually(t, fmt.Sprintf("about as few goroutines as after 50 pieces: %d", after50), func() bool {
		return runtime.NumGoroutine() <= after50+4
	})
	if sum, err := wait(); err != nil || sum.PiecesVerified < 235 || sum.Bytes.Seed < sum.Bytes.Origin {
		t.Errorf("%+v, %v\n%s", sum, err, s.log.String())
	}
}

var errRefused = errors.New("connection refused")

// What an origin says of a piece is no reason to rest; what it does not say is.
func TestWhatTiresAnOrigin(t *testing.T) {
	for err, want := range map[error]bool{errGone: false, errRejected: false, errTooLarge: false, errCut: true, errRefused: true} {
		if tiring(err) != want {
			t.Errorf("%v: %v", err, !want)
		}
	}
}
