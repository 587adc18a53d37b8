package swarm

import (
	"slices"
	"testing"
	"time"

	"github.com/shoalcast/shoal/event"
)

// alone is a viewer without parents that knows the heads of some pieces of 3 blocks.
func (r *rig) alone(heads int, cfg Config) *rigNode {
	cfg.Up, cfg.Wants = 10e6, []event.Rendition{"v0"}
	n := r.add(cfg)
	n.Follow(r.now, "v0", key(0).Position)
	r.take(n)
	for i := range heads {
		n.AddHead(r.now, rigPiece(i, 40_000))
		r.take(n)
	}
	return n
}

func TestTheOriginIsAskedLateAndOnlyForWhatIsMissing(t *testing.T) {
	r := newRig(t, 0)
	n := r.alone(0, Config{})
	f := r.fake(n, 1, Hello{Up: 1000})
	n.Play(r.now, "v0", 1, 0, r.now+2*time.Second) // piece 0 is played in 2 s
	r.take(n)
	h := rigPiece(0, 40_000)
	f.send(h, block(h, 0))
	r.run(2*time.Second - DefaultTuning().ToOrigin - originMost - 10*time.Millisecond)
	if len(n.fetch) > 0 {
		t.Fatalf("asked at %v: %v", r.now, n.fetch)
	}
	r.run(2*time.Second - DefaultTuning().ToOrigin + 10*time.Millisecond)
	if len(n.fetch) != 1 || n.fetch[0].First != 1 || n.fetch[0].Last != 2 {
		t.Fatalf("asked: %v", n.fetch)
	}
	n.FetchFailed(r.now, h.Key())
	r.take(n)
	r.run(r.now + fetchAgain + 50*time.Millisecond)
	if len(n.fetch) != 2 {
		t.Fatalf("after a failure asked %d times", len(n.fetch))
	}
	n.Fetched(r.now, h.Key(), 1, rigData(h)[event.BlockSize:])
	r.take(n)
	if p := n.pieces[h.Key()]; p == nil || p.Bytes[FromOrigin] != 40_000-event.BlockSize || p.Bytes[FromPeer] != event.BlockSize {
		t.Errorf("%+v", p)
	}
}

func TestWhoHasNoOriginAsksNone(t *testing.T) {
	r := newRig(t, 0)
	n := r.alone(3, Config{NoOrigin: true})
	n.Play(r.now, "v0", 1, 0, r.now)
	r.take(n)
	r.run(3 * time.Second)
	if len(n.fetch) > 0 {
		t.Errorf("asked: %v", n.fetch)
	}
}

// asks returns the pieces that a fake was asked for, in order.
func asks(f *fake) (out []uint64) {
	for _, w := range heard[*Want](f) {
		out = append(out, w.N)
	}
	return out
}

func TestWhatIsPlayedFirstIsAskedForFirst(t *testing.T) {
	r := newRig(t, 0)
	n := r.alone(8, Config{})
	n.Play(r.now, "v0", 1, 0, r.now+time.Second)
	r.take(n)
	f := r.fake(n, 1, Hello{Up: 1000})
	for i := 7; i >= 0; i-- {
		f.send(&Have{key(i), 1})
	}
	f.got = nil
	r.run(r.now + 100*time.Millisecond)
	if got := asks(f); !slices.IsSorted(got) || len(got) != 8 {
		t.Errorf("asked for %v", got)
	}
}

func TestWithTimeEnoughTheRarestIsAskedForFirst(t *testing.T) {
	r := newRig(t, 0)
	n := r.alone(8, Config{})
	n.Play(r.now, "v0", 1, 0, r.now+time.Minute)
	r.take(n)
	f, other := r.fake(n, 1, Hello{Up: 1000}), r.fake(n, 2, Hello{Up: 1000})
	n.at(other.conn).rest = time.Hour // it only makes some pieces less rare
	f.send(&Have{key(0), 8})
	other.send(&Have{key(0), 6})
	for _, p := range n.tracks[0].open {
		p.due = r.now
	}
	f.got = nil
	r.run(r.now + 20*time.Millisecond)
	if got := asks(f); !slices.Equal(got, []uint64{6, 7, 0, 1, 2, 3, 4, 5}) {
		t.Errorf("asked for %v", got)
	}
}

func TestSeedsAreAskedAfterPeers(t *testing.T) {
	r := newRig(t, 0)
	n := r.alone(0, Config{})
	peer, seed := r.fake(n, 1, Hello{Up: 1000}), r.fake(n, 2, Hello{Up: 1000, Role: Seed})
	n.at(peer.conn).rtt = 400 * time.Millisecond // and though the seed is nearer
	n.Play(r.now, "v0", 1, 0, r.now+4*time.Second)
	r.take(n)
	n.AddHead(r.now, rigPiece(0, 40_000))
	r.take(n)
	peer.send(&Have{key(0), 1})
	seed.send(&Have{key(0), 1})
	r.run(r.now + 300*time.Millisecond)
	if len(asks(peer)) == 0 {
		t.Error("the peer is not asked")
	}
	if len(asks(seed)) > 0 {
		t.Error("the seed is asked at once")
	}
	peer.send(&Deny{key(0), mask(0, 1, 2)})
	r.run(r.now + 100*time.Millisecond)
	if len(asks(seed)) == 0 {
		t.Error("the seed is not asked though nobody else has it")
	}
}

func TestWhatCameFromAnotherIsNotWaitedForAnyMore(t *testing.T) {
	r := newRig(t, 0)
	n := r.alone(1, Config{})
	a, b := r.fake(n, 1, Hello{Up: 1000}), r.fake(n, 2, Hello{Up: 1000})
	a.send(&Have{key(0), 1})
	r.run(r.now + 60*time.Millisecond)
	if len(asks(a)) != 1 {
		t.Fatal("not asked")
	}
	b.send(block(rigPiece(0, 40_000), 1))
	if c := heard[*Cancel](a); len(c) != 1 || c[0].Blocks != mask(1) {
		t.Errorf("cancelled: %v", c)
	}
}

func TestCancelledBlocksAreNotSentAndThoseThatAreNotHereAreDenied(t *testing.T) {
	r := newRig(t, 0)
	n := r.source(2)
	n.SetUp(r.now, 8*event.BlockSize)
	r.take(n)
	f := r.fake(n, 1, Hello{Up: 1000})
	f.send(&Want{key(0), mask(0, 1, 2, 7)}, &Want{key(9), mask(3)}, &Cancel{key(0), mask(1, 2)})
	deny := heard[*Deny](&fake{got: slices.Clone(f.got)})
	if len(deny) != 2 || deny[0].Blocks != mask(7) || deny[1].Blocks != mask(3) {
		t.Errorf("denied: %v", deny)
	}
	r.run(r.now + 4*time.Second)
	sent := heard[*Block](f)
	if len(sent) != 1 {
		t.Errorf("%d blocks were sent", len(sent))
	}
}

func TestManyDenialsAtOnceDoNotEndAConnection(t *testing.T) {
	r := newRig(t, 0)
	n := r.alone(0, Config{})
	f := r.fake(n, 1, Hello{Up: 1000})
	n.AddHead(r.now, rigPiece(0, 32*event.BlockSize))
	r.take(n)
	f.send(&Have{key(0), 1})
	r.run(r.now + 60*time.Millisecond)
	for _, w := range heard[*Want](f) {
		f.send(&Deny{w.Key, w.Blocks})
	}
	if f.dropped {
		t.Errorf("dropped for %s", f.why)
	}
	r.run(r.now + denyTime - 100*time.Millisecond)
	if got := asks(f); len(got) > 0 {
		t.Errorf("asked again at once for what it denied: %v", got)
	}
}

func TestWhoWasBusyIsAskedAgain(t *testing.T) {
	r := newRig(t, 0)
	n := r.alone(0, Config{NoOrigin: true})
	f := r.fake(n, 1, Hello{Up: 1000})
	n.AddHead(r.now, rigPiece(0, event.BlockSize))
	r.take(n)
	f.send(&Have{key(0), 1})
	r.run(r.now + 60*time.Millisecond)
	f.got = nil
	f.send(&Deny{key(0), mask(0)})
	r.run(r.now + 2*denyTime)
	if got := asks(f); len(got) == 0 {
		t.Error("the only one who has it is never asked again")
	}
}

func TestPeersAreAskedWhileTheOriginFails(t *testing.T) {
	for _, playing := range []bool{true, false} {
		r := newRig(t, 0)
		n := r.alone(0, Config{})
		n.AddHead(r.now, rigPiece(0, event.BlockSize))
		r.take(n)
		f := r.fake(n, 1, Hello{Up: 1000})
		for range 100 { // the origin is down, and says so at once
			if playing {
				n.Play(r.now, "v0", 1, 0, time.Second)
				r.take(n)
			}
			if len(n.fetch) > 0 {
				n.fetch = nil
				n.FetchFailed(r.now, key(0))
				r.take(n)
			}
			r.run(r.now + 50*time.Millisecond)
			f.send(&Ping{1})
		}
		f.got = nil
		f.send(&Have{key(0), 1}) // only now somebody has it
		for range 20 {
			if len(n.fetch) > 0 {
				n.fetch = nil
				n.FetchFailed(r.now, key(0))
				r.take(n)
			}
			r.run(r.now + 50*time.Millisecond)
		}
		if len(asks(f)) == 0 {
			t.Errorf("playing %v: nobody but the origin is asked", playing)
		}
	}
}

func TestALargePieceIsNotAskedOfTheOriginBeforeItsLanesHadTime(t *testing.T) {
	r := newRig(t, 0)
	n := r.alone(10, Config{}) // of 3 blocks
	h := rigPiece(10, 60*event.BlockSize)
	n.Play(r.now, "v0", 1, h.Entry.PTS, r.now+450*time.Millisecond)
	r.take(n)
	n.AddHead(r.now, h)
	r.take(n)
	r.run(r.now + 450*time.Millisecond - DefaultTuning().ToOrigin - originMost - 10*time.Millisecond)
	for _, f := range n.fetch {
		if f.Head.Entry.N == 10 {
			t.Errorf("asked at %v", r.now)
		}
	}
}

func TestWhatLeftTheWindowIsNotWaitedForEither(t *testing.T) {
	r := newRig(t, 0)
	n := r.alone(10, Config{NoOrigin: true})
	f := r.fake(n, 1, Hello{Up: 1000})
	f.send(&Have{key(0), 10})
	for _, p := range n.tracks[0].open {
		p.due = r.now
	}
	r.run(r.now + 60*time.Millisecond)
	if n.at(f.conn).wants == 0 {
		t.Fatal("nothing is asked for")
	}
	for i := 300; i < 600; i++ {
		n.AddHead(r.now, rigPiece(i, 40_000))
		r.take(n)
	}
	if n.tracks[0].find(key(5).Position) != nil {
		t.Fatal("the window did not move")
	}
	if w := n.at(f.conn).wants; w != 0 {
		t.Errorf("%d blocks are waited for", w)
	}
}

func TestAnEntryWithAnAbsurdTimeUpsetsNothing(t *testing.T) {
	r := newRig(t, 0)
	n := r.alone(2, Config{})
	n.Play(r.now, "v0", 1, -maxNumber, r.now)
	r.take(n)
	for i, pts := range []event.Ticks{maxNumber, -maxNumber} {
		h := rigPiece(10+i, 40_000)
		h.Entry.PTS = pts
		n.AddHead(r.now, h)
		r.take(n)
		if slack, _ := n.tracks[0].slack(r.now, &h.Entry); i == 0 && slack < time.Minute {
			t.Errorf("slack %v", slack)
		}
	}
	r.run(r.now + 2*time.Second)
}

func TestALaneWithChildrenMovesOnlyNearerToTheSource(t *testing.T) {
	r := newRig(t, 0)
	n, above := r.parent(10e6) // depth 1
	r.fake(n, 9, Hello{Up: 1000}).send(&Subscribe{R: "v0", Lanes: AllLanes})
	f := r.fake(n, 1, Hello{Up: 1000})
	f.feeds(0)
	r.run(r.now + 5*time.Second)
	asked := heard[*Subscribe](f)
	if len(asked) == 0 {
		// It is not better than the present parent: make it the only one.
		above.send(&Drain{})
		r.run(r.now + time.Second)
		asked = heard[*Subscribe](f)
	}
	if len(asked) == 0 {
		t.Fatal("it is not asked")
	}
	f.feeds(9) // it has lost its way meanwhile
	f.send(&Grant{R: "v0", Lanes: AllLanes})
	for l := range allLanes {
		if n.tracks[0].lanes[l].parent == n.at(f.conn) {
			t.Errorf("lane %d: the parent has depth 9, this node 1", l)
		}
	}
}

// What hangs on another child of the seed cannot hang on this node, however deep it is.
func TestALaneWithChildrenMovesToAnotherBranch(t *testing.T) {
	for _, branch := range []uint8{0, 7} { // none, and another than the node's own
		r := newRig(t, 0)
		n, above := r.parent(10e6)
		r.fake(n, 9, Hello{Up: 1000}).send(&Subscribe{R: "v0", Lanes: AllLanes})
		if n.tracks[0].tag == branch {
			n.tracks[0].tag++
		}
		other := r.fake(n, 1, Hello{Up: 1000})
		st := &State{R: "v0", Spare: 100, Open: AllLanes}
		for l := range st.Depth {
			st.Depth[l], st.Branch[l] = 5, branch
		}
		r.run(r.now + 2*branchTime)
		other.send(st)
		r.run(r.now + 2*time.Second)
		other.got = nil
		above.send(&Grant{R: "v0"}) // it takes its lanes back
		r.run(r.now + lostTime/2)
		if asked := len(heard[*Subscribe](other)) > 0; asked != (branch != 0) {
			t.Errorf("branch %d: asked: %v", branch, asked)
		}
	}
}

// Who has no children in a lane can run in no circle.
func TestALaneWithoutChildrenMovesAnywhere(t *testing.T) {
	r := newRig(t, 0)
	n, above := r.parent(10e6)
	f := r.fake(n, 1, Hello{Up: 1000})
	f.feeds(9)
	r.run(r.now + time.Second)
	f.got = nil
	above.send(&Grant{R: "v0"})
	r.run(r.now + lostTime/2)
	if len(heard[*Subscribe](f)) == 0 {
		t.Error("it is not asked, though nobody is below")
	}
	f.send(&Grant{R: "v0", Lanes: AllLanes})
	if d := n.tracks[0].depth[0]; d != 10 {
		t.Errorf("its depth is %d", d)
	}
}
