package swarm

import (
	"testing"
	"time"

	"github.com/shoalcast/shoal/event"
)

func TestViewersFeedEachOther(t *testing.T) {
	r := newRig(t, 5*time.Millisecond)
	seed := r.seed(Unlimited)
	nodes := []*rigNode{seed}
	for range 10 {
		nodes = append(nodes, r.viewer(10e6))
	}
	r.mesh(nodes...)
	r.run(2 * time.Second)
	r.play(0, 60, 50_000, seed)
	r.run(r.now + 2*time.Second)
	var sum [sources]int64
	for _, n := range nodes[1:] {
		late, missing := r.lateness(n, seed, 20, 60)
		if missing > 0 || late[len(late)*95/100] > 150*time.Millisecond {
			t.Errorf("node %d: %d pieces missing; lateness %v", n.i, missing, late)
		}
		for i, b := range n.stats.Received {
			sum[i] += b
		}
		if n.stats.Rejected > 0 {
			t.Errorf("node %d: %d rejected", n.i, n.stats.Rejected)
		}
	}
	if share := float64(sum[FromPeer]) / float64(sum[FromPeer]+sum[FromSeed]); share < 0.8 {
		t.Errorf("only %.0f %% of bytes came from peers", share*100)
	}
}

func TestABlockIsForwardedBeforeItsPieceIsWhole(t *testing.T) {
	r := newRig(t, 0)
	n := r.viewer(10e6)
	parent, child := r.fake(n, 1, Hello{Role: Seed, Up: 10_000}), r.fake(n, 2, Hello{Up: 1000})
	parent.feeds(0)
	r.run(time.Second)
	parent.send(&Grant{R: "v0", Lanes: AllLanes})
	child.send(&Subscribe{R: "v0", Lanes: AllLanes})
	if g := heard[*Grant](child); len(g) != 1 || g[0].Lanes != AllLanes {
		t.Fatalf("granted %v", g)
	}
	h := rigPiece(0, 60_000)
	parent.send(h, block(h, 2))
	if heads := child.got; len(heads) != 2 || heads[0] != Message(h) {
		t.Fatalf("the child was sent %v, not the head and the block", heads)
	}
	if b := heard[*Block](child); len(b) != 1 || b[0].Index != 2 || len(n.pieces) > 0 {
		t.Errorf("forwarded %v", b)
	}
	if b := heard[*Block](parent); len(b) > 0 {
		t.Error("a block went back to where it came from")
	}
}

func TestWhoGivesNothingStillPlays(t *testing.T) {
	r := newRig(t, 5*time.Millisecond)
	seed, leaf := r.seed(Unlimited), r.viewer(0)
	nodes := []*rigNode{seed, leaf}
	for range 4 {
		nodes = append(nodes, r.viewer(10e6))
	}
	r.mesh(nodes...)
	r.run(2 * time.Second)
	r.play(0, 40, 50_000, seed)
	r.run(r.now + 2*time.Second)
	if _, missing := r.lateness(leaf, seed, 10, 40); missing > 0 {
		t.Errorf("it lacks %d pieces", missing)
	}
	if leaf.stats.Sent > 0 {
		t.Errorf("it gave %d bytes", leaf.stats.Sent)
	}
}

func TestALateJoinerKnowsTheNewestKeyframeByTheHeadsAlone(t *testing.T) {
	r := newRig(t, 5*time.Millisecond)
	seed, other := r.seed(Unlimited), r.viewer(10e6)
	r.mesh(seed, other)
	r.play(0, 43, 50_000, seed)
	late := r.viewer(10e6)
	r.connect(late, other)
	r.connect(late, seed)
	r.play(43, 60, 50_000, seed)
	r.run(r.now + time.Second)
	if got, want := late.tracks[0].from, key(40).Position; got != want {
		t.Errorf("it begins at %s, the newest keyframe was %s", got, want)
	}
	if _, missing := r.lateness(late, seed, 40, 60); missing > 0 {
		t.Errorf("it lacks %d pieces", missing)
	}
	for i := range 40 {
		if late.pieces[key(i)] != nil {
			t.Errorf("piece %d was fetched though it lies before", i)
		}
	}
}

func TestPiecesOfAnySizeArrive(t *testing.T) {
	for _, size := range []int{1, event.BlockSize, event.BlockSize + 1, event.MaxPiece} {
		r := newRig(t, 5*time.Millisecond)
		seed, a, b := r.seed(Unlimited), r.viewer(Unlimited), r.viewer(Unlimited)
		r.mesh(seed, a, b)
		r.run(2 * time.Second)
		r.play(0, 10, size, seed)
		r.run(r.now + 3*time.Second)
		for _, n := range []*rigNode{a, b} {
			if late, missing := r.lateness(n, seed, 0, 10); missing > 0 || late[9] > time.Second {
				t.Errorf("pieces of %d bytes: %d missing, the rest %v late", size, missing, late)
			}
			for _, p := range n.pieces {
				if sum := p.Bytes[FromPeer] + p.Bytes[FromSeed]; sum != int64(size) {
					t.Errorf("a piece of %d bytes counts %v", size, p.Bytes)
				}
			}
		}
	}
}

func TestGapsPassLikePieces(t *testing.T) {
	r := newRig(t, 5*time.Millisecond)
	seed, a := r.seed(Unlimited), r.viewer(10e6)
	r.mesh(seed, a)
	r.play(0, 10, 50_000, seed)
	gap := rigPiece(10, 0)
	gap.Entry.Gap = true
	seed.Add(r.now, gap, nil, FromOrigin)
	r.take(seed)
	r.play(11, 20, 50_000, seed)
	r.run(r.now + time.Second)
	if p := a.pieces[gap.Key()]; p == nil || len(p.Blocks) > 0 {
		t.Errorf("the gap arrived as %v", p)
	}
	if _, missing := r.lateness(a, seed, 11, 20); missing > 0 {
		t.Errorf("%d pieces after it are missing", missing)
	}
}

func TestANewEpochFollowsWithoutLossOfTheOldOnesEnd(t *testing.T) {
	r := newRig(t, 5*time.Millisecond)
	seed, a, b := r.seed(Unlimited), r.viewer(10e6), r.viewer(10e6)
	r.mesh(seed, a, b)
	r.play(0, 18, 50_000, seed)
	// The last heads of the epoch are lost on every link.
	r.spoil = func(_, _ int, m Message) Message {
		if h, ok := m.(*Head); ok && h.Entry.Epoch == 1 && h.Entry.N >= 18 && r.now < 5*time.Second {
			return nil
		}
		return m
	}
	r.play(18, 20, 50_000, seed)
	for i := range 10 {
		h := rigPiece(i, 50_000)
		h.Entry.Epoch, h.Entry.MSN = 2, uint64(10+i/5)
		seed.Add(r.now, h, rigData(h), FromOrigin)
		r.take(seed)
		r.run(r.now + 200*time.Millisecond)
	}
	r.run(r.now + 2*time.Second)
	for _, n := range []*rigNode{a, b} {
		if _, missing := r.lateness(n, seed, 5, 20); missing > 0 {
			t.Errorf("node %d lacks %d pieces of the old epoch", n.i, missing)
		}
		for i := range 10 {
			if n.pieces[Key{"v0", event.Position{Epoch: 2, N: uint64(i)}}] == nil {
				t.Errorf("node %d lacks piece %d of the new epoch", n.i, i)
			}
		}
	}
}

func TestRenditionsThatAreWantedArriveAndOthersDoNotFromTheFirstPieceOn(t *testing.T) {
	r := newRig(t, 5*time.Millisecond)
	seed := r.seed(Unlimited)
	both := r.add(Config{Up: 10e6, Wants: []event.Rendition{"v0", "v1"}})
	one := r.add(Config{Up: 10e6, Wants: []event.Rendition{"v1"}})
	r.mesh(seed, both, one)
	for i := range 40 {
		for _, name := range []event.Rendition{"v0", "v1"} {
			if name == "v1" && i < 10 {
				continue // it appears later
			}
			h := rigPiece(i, 40_000)
			h.Entry.R = name
			seed.Add(r.now, h, rigData(h), FromOrigin)
			r.take(seed)
		}
		r.run(r.now + 200*time.Millisecond)
	}
	r.run(r.now + time.Second)
	for i := 15; i < 40; i++ {
		k := Key{"v1", key(i).Position}
		if both.pieces[key(i)] == nil || both.pieces[k] == nil || one.pieces[k] == nil || one.pieces[key(i)] != nil {
			t.Errorf("piece %d: both %v %v, one %v %v", i, both.pieces[key(i)] != nil, both.pieces[k] != nil, one.pieces[key(i)] != nil, one.pieces[k] != nil)
		}
	}
}

func TestAnInitSegmentReachesThoseBehindAPeerThatHadNoneYet(t *testing.T) {
	r := newRig(t, 20*time.Millisecond)
	seed, near, far := r.seed(Unlimited), r.viewer(10e6), r.viewer(10e6)
	r.connect(seed, near)
	r.connect(near, far)
	r.run(2 * time.Second)
	root := event.Root{9}
	seed.AddInit(r.now, root, make([]byte, 100_000))
	for i := range 4 { // only the first says which
		h := rigPiece(i, 20_000)
		if i == 0 {
			h.Entry.Init = root
		}
		seed.Add(r.now, h, rigData(h), FromOrigin)
		r.take(seed)
		r.run(r.now + 200*time.Millisecond)
	}
	for _, n := range []*rigNode{near, far} {
		if len(n.segs) != 1 || n.segs[0].Root != root || len(n.segs[0].Data) != 100_000 {
			t.Errorf("node %d has %d init segments", n.i, len(n.segs))
		}
	}
}

func TestBytesThatCameTwiceAreCounted(t *testing.T) {
	r := newRig(t, 0)
	n := r.viewer(10e6)
	a, s := r.fake(n, 1, Hello{Up: 1000}), r.fake(n, 2, Hello{Up: 1000, Role: Seed})
	h := rigPiece(0, 40_000)
	a.send(h, block(h, 0))
	s.send(block(h, 0), block(h, 1))
	a.send(block(h, 2))
	p := n.pieces[key(0)]
	if p == nil || p.Duplicate != event.BlockSize || p.Bytes[FromSeed] != event.BlockSize || p.Bytes[FromPeer]+p.Bytes[FromSeed] != 40_000 {
		t.Errorf("%+v", p)
	}
}

func TestMovingForwardLetsGoOfWhatLiesBehind(t *testing.T) {
	r := newRig(t, 0)
	n := r.viewer(10e6)
	f := r.fake(n, 1, Hello{Up: 1000})
	for i := range 20 {
		f.send(rigPiece(i, 30_000), &Have{key(i), 1})
	}
	n.Follow(r.now, "v0", key(0).Position)
	r.take(n)
	r.run(r.now + 100*time.Millisecond)
	if len(heard[*Want](f)) == 0 || n.at(f.conn).wants == 0 {
		t.Fatal("nothing is asked for")
	}
	n.Follow(r.now, "v0", key(18).Position)
	r.take(n)
	if wants := n.at(f.conn).wants; wants > 4 || len(n.tracks[0].open) != 2 {
		t.Errorf("%d blocks are still waited for, %d pieces open", wants, len(n.tracks[0].open))
	}
	r.run(r.now + 400*time.Millisecond)
	asked := map[uint64]bool{}
	for _, w := range heard[*Want](f) {
		asked[w.N] = true
	}
	if !asked[18] || !asked[19] || len(asked) != 2 {
		t.Errorf("asked for %v", asked)
	}
}

// Whoever joins in the middle of a segment and hears of the next one before it has heard
// all of this one gets the rest of this one too.
func TestHeadsOfTheSegmentBeforeMayComeAfterTheNextOnes(t *testing.T) {
	r := newRig(t, 0)
	n := r.viewer(10e6)
	f := r.fake(n, 1, Hello{Up: 1000})
	n.Follow(r.now, "v0", key(2).Position)
	for _, i := range []int{4, 5, 2, 3} {
		h := rigPiece(i, 20_000)
		f.send(h, block(h, 0), block(h, 1))
	}
	for i := 2; i <= 5; i++ {
		if n.pieces[key(i)] == nil {
			t.Errorf("piece %d never came to be whole", i)
		}
	}
}
