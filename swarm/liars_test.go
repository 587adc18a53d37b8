package swarm

import (
	"slices"
	"testing"
	"time"

	"github.com/shoalcast/shoal/event"
)

// falsify makes a node spoil each block that it sends.
func (r *rig) falsify(liar int) {
	r.spoil = func(from, _ int, m Message) Message {
		if b, ok := m.(*Block); ok && from == liar {
			data := slices.Clone(b.Data)
			data[len(data)/2]++
			return &Block{Key: b.Key, Index: b.Index, Data: data}
		}
		return m
	}
}

func TestWhoSendsFalseBlocksIsBannedByWhoSawThemAndNobodyElseGetsThem(t *testing.T) {
	r := newRig(t, 5*time.Millisecond)
	seed, liar := r.seed(Unlimited), r.viewer(50e6)
	nodes := []*rigNode{seed, liar}
	for range 6 {
		nodes = append(nodes, r.viewer(10e6))
	}
	r.falsify(liar.i)
	r.honest(50_000, liar.i)
	r.mesh(nodes...)
	r.play(0, 50, 50_000, seed)
	r.run(r.now + 2*time.Second)
	seen := 0
	for _, n := range nodes[2:] {
		if n.stats.Rejected > 1 {
			t.Errorf("node %d took %d false blocks of one liar", n.i, n.stats.Rejected)
		}
		seen += int(n.stats.Rejected)
		for i, why := range n.banned {
			if i != liar.i || why != LiedBlock {
				t.Errorf("node %d banned node %d for %s", n.i, i, why)
			}
		}
		if n.stats.Rejected == 1 && len(n.banned) == 0 {
			t.Errorf("node %d saw a false block and banned nobody", n.i)
		}
		if _, missing := r.lateness(n, seed, 10, 50); missing > 0 {
			t.Errorf("node %d lacks %d pieces", n.i, missing)
		}
	}
	if seen == 0 {
		t.Error("nobody was lied to: the test shows nothing")
	}
}

func TestAFalseHeadBansItsSender(t *testing.T) {
	r := newRig(t, 0)
	n := r.viewer(10e6)
	f := r.fake(n, 1, Hello{Up: 1000})
	h := rigPiece(0, 1000)
	h.Sig[0] = 1
	f.send(h)
	if !f.dropped || !f.why.Bans() || len(n.heads) > 0 {
		t.Errorf("dropped %v for %s, heads %v", f.dropped, f.why, n.heads)
	}
}

func TestHeadsOfAnotherStreamBanTheirSender(t *testing.T) {
	r := newRig(t, 0)
	n := r.viewer(10e6)
	f := r.fake(n, 1, Hello{Up: 1000})
	h := rigPiece(0, 1000)
	h.Entry.Stream = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	f.send(h)
	if !f.dropped || f.why != LiedHead || len(n.heads) > 0 {
		t.Errorf("dropped %v for %s, heads %v", f.dropped, f.why, n.heads)
	}
}

func TestWhoComesFromAnotherStreamIsSentAway(t *testing.T) {
	r := newRig(t, 0)
	f := r.fake(r.viewer(10e6), 1, Hello{Stream: "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"})
	if !f.dropped || f.why != WrongStream || f.why.Bans() {
		t.Errorf("dropped %v for %s", f.dropped, f.why)
	}
}

func TestOldEntriesAreToleratedAFewTimesAndBanNobody(t *testing.T) {
	r := newRig(t, 0)
	n := r.viewer(10e6)
	f := r.fake(n, 1, Hello{Up: 1000})
	old := rigPiece(0, 1000)
	old.Sig[0] = 2
	for range 10 {
		f.send(old)
	}
	if f.dropped {
		t.Fatalf("ten old entries ended the connection for %s", f.why)
	}
	for range 200 {
		f.send(old)
	}
	if !f.dropped || f.why != Flooding || f.why.Bans() {
		t.Errorf("dropped %v for %s after 210 old entries at once", f.dropped, f.why)
	}
}

func TestABlockOfAWrongLengthOrPlaceIsFalse(t *testing.T) {
	for name, b := range map[string]*Block{
		"too short":      {Key: key(0), Index: 0, Data: make([]byte, 9)},
		"behind the end": {Key: key(0), Index: 3, Data: make([]byte, 100)},
	} {
		r := newRig(t, 0)
		n := r.viewer(10e6)
		f := r.fake(n, 1, Hello{Up: 1000})
		f.send(rigPiece(0, 40_000), b)
		if !f.dropped || f.why != LiedBlock {
			t.Errorf("%s: dropped %v for %s", name, f.dropped, f.why)
		}
	}
}

// A viewer with a genuine seed and a neighbour that announces far more than there is.
func TestAnnouncingPiecesThatDoNotExistHoldsNobodyUp(t *testing.T) {
	for name, claim := range map[string]Have{
		"far ahead in the epoch": {Key{"v0", event.Position{Epoch: 1, N: 1 << 52}}, MaxRun},
		"of an epoch to come":    {Key{"v0", event.Position{Epoch: 1 << 52, N: 5}}, 1},
		"a little ahead":         {key(600), MaxRun},
	} {
		r := newRig(t, 5*time.Millisecond)
		seed, n := r.seed(Unlimited), r.viewer(10e6)
		// Heads are not pushed here, so that they must be asked for.
		r.spoil = func(from, to int, m Message) Message {
			if s, ok := m.(*Subscribe); ok && from == n.i {
				s = &Subscribe{R: s.R, Lanes: s.Lanes &^ (1 << HeadLane)}
				return s
			}
			return m
		}
		f := r.fake(n, 1, Hello{Up: 1000})
		r.connect(seed, n)
		r.play(0, 10, 50_000, seed)
		f.send(&claim)
		r.play(10, 50, 50_000, seed)
		r.run(r.now + 2*time.Second)
		if late, missing := r.lateness(n, seed, 20, 50); missing > 0 || late[len(late)-1] > time.Second {
			t.Errorf("%s: %d pieces missing, the rest up to %v late", name, missing, late)
		}
		if len(n.banned) > 0 {
			t.Errorf("%s: banned %v", name, n.banned)
		}
	}
}

func TestWhoAnnouncesAndDoesNotDeliverIsLeftAlone(t *testing.T) {
	r := newRig(t, 5*time.Millisecond)
	seed, n := r.seed(Unlimited), r.viewer(10e6)
	liar := r.fake(n, 1, Hello{Up: 1000})
	r.connect(seed, n)
	for i := range 50 {
		liar.send(&Have{Key: key(i), Count: 1})
		r.play(i, i+1, 50_000, seed)
	}
	r.run(r.now + 2*time.Second)
	if late, missing := r.lateness(n, seed, 10, 50); missing > 0 || late[len(late)*95/100] > time.Second {
		t.Errorf("%d pieces missing, the rest %v late", missing, late)
	}
	if len(heard[*Want](liar)) > 20*lateMost {
		t.Error("it is asked again and again")
	}
}

func TestBlocksThatCameBeforeTheirHeadAreJudgedWhenItComes(t *testing.T) {
	r := newRig(t, 0)
	n := r.viewer(10e6)
	good, bad := r.fake(n, 1, Hello{Up: 1000}), r.fake(n, 2, Hello{Up: 1000})
	h := rigPiece(0, 40_000)
	lie := block(h, 1)
	lie.Data[7]++
	good.send(block(h, 0))
	bad.send(lie)
	if good.dropped || bad.dropped {
		t.Fatal("judged without a head")
	}
	good.send(h)
	if good.dropped || !bad.dropped || bad.why != LiedBlock {
		t.Errorf("good dropped %v, bad dropped %v for %s", good.dropped, bad.dropped, bad.why)
	}
	good.send(block(h, 1), block(h, 2))
	if n.pieces[key(0)] == nil {
		t.Error("the piece is not whole")
	}
}

func TestWhatTheOriginSaysIsVerifiedToo(t *testing.T) {
	r := newRig(t, 0)
	n := r.viewer(10e6)
	f := r.fake(n, 1, Hello{Up: 1000})
	h := rigPiece(0, 40_000)
	f.send(h)
	lie := rigData(h)
	lie[20_000]++
	n.Fetched(r.now, h.Key(), 0, lie) // nothing was asked for: it is verified all the same
	r.take(n)
	if n.pieces[h.Key()] != nil || n.stats.Rejected != 1 || f.dropped {
		t.Errorf("rejected %d, dropped %v, pieces %v", n.stats.Rejected, f.dropped, n.pieces)
	}
	n.Fetched(r.now, h.Key(), 0, rigData(h))
	r.take(n)
	if p := n.pieces[h.Key()]; p == nil || p.Bytes[FromOrigin] != h.Entry.Size || p.Rejected != 1 {
		t.Errorf("after the true bytes: %+v", p)
	}
}
