package swarm

import (
	"slices"
	"testing"
	"time"

	"github.com/shoalcast/shoal/event"
)

// pieceOf makes piece n of another rendition of the rig's stream.
func pieceOf(r event.Rendition, n, size int) *Head {
	h := rigPiece(n, size)
	h.Entry.R = r
	return h
}

// playTwo gives pieces of both renditions to a seed, one of each every 200 ms.
func playTwo(r *rig, seed *rigNode, from, to int) {
	for i := from; i < to; i++ {
		for _, name := range []event.Rendition{"v0", "v1"} {
			h := pieceOf(name, i, 60_000)
			seed.Add(r.now, h, rigData(h), FromOrigin)
			r.take(seed)
		}
		r.run(r.now + 200*time.Millisecond)
	}
}

// holds counts the pieces of a rendition that came to a node with numbers from first on.
func holds(n *rigNode, name event.Rendition, first uint64) int {
	count := 0
	for k := range n.pieces {
		if k.R == name && k.N >= first {
			count++
		}
	}
	return count
}

// ladder is a seed with two renditions and viewers of the first, of which the first viewer
// switches to the second after 20 pieces.
func ladder(t *testing.T) (r *rig, seed *rigNode, viewers []*rigNode) {
	r = newRig(t, 20*time.Millisecond)
	seed = r.add(Config{Role: Seed, Up: Unlimited})
	for range 3 {
		viewers = append(viewers, r.add(Config{Up: 20e6, Wants: []event.Rendition{"v0"}, Others: []event.Rendition{"v1"}}))
	}
	for i, n := range viewers {
		r.connect(seed, n)
		for _, o := range viewers[:i] {
			r.connect(n, o)
		}
	}
	playTwo(r, seed, 0, 20)
	if !viewers[0].Want(r.now, "v1", true) {
		t.Fatal("a known rendition cannot be wanted")
	}
	r.take(viewers[0])
	playTwo(r, seed, 20, 30)
	viewers[0].Want(r.now, "v0", false)
	r.take(viewers[0])
	return r, seed, viewers
}

func TestAViewerSwitchesRenditionWithoutMissingAPieceOfTheNewOne(t *testing.T) {
	r, seed, viewers := ladder(t)
	playTwo(r, seed, 30, 50)
	r.run(r.now + time.Second)
	v := viewers[0]
	if got := holds(v, "v1", 22); got != 28 {
		t.Errorf("%d pieces of the rendition that is wanted from piece 22 on, of 28", got)
	}
	if got := holds(v, "v0", 32); got != 0 {
		t.Errorf("%d pieces came of the rendition that was left", got)
	}
	if got := v.known("v1"); slices.ContainsFunc(got.lanes[:], func(l lane) bool { return l.parent == nil }) {
		t.Error("a lane of the rendition that is wanted has no parent")
	}
	for _, o := range viewers[1:] {
		if got := holds(o, "v0", 0); got < 49 {
			t.Errorf("a viewer who stayed has %d pieces of 50", got)
		}
	}
	if v.Stats().Unasked > 400_000 {
		t.Errorf("%d bytes came for nothing", v.Stats().Unasked)
	}
}

func TestTheLanesOfARenditionThatWasLeftAreGivenBack(t *testing.T) {
	r, seed, viewers := ladder(t)
	r.run(r.now + 100*time.Millisecond)
	v := viewers[0]
	for _, n := range append(viewers[1:], seed) {
		for _, nb := range n.conns {
			if tr := n.known("v0"); nb.id == v.cfg.ID && nb.track(tr).gives != 0 {
				t.Errorf("node %d still pushes lanes %b", n.i, nb.track(tr).gives)
			}
		}
	}
	if left := v.known("v0"); len(left.children) != 0 || left.kids != (kids{}) {
		t.Error("children are left")
	}
	for _, n := range viewers[1:] {
		for l, ln := range n.known("v0").lanes {
			if ln.parent != nil && ln.parent.id == v.cfg.ID {
				t.Errorf("node %d waits for lane %d of who left it", n.i, l)
			}
		}
	}
}

func TestWhatIsHeldOfARenditionThatWasLeftIsServedForAWindow(t *testing.T) {
	r, _, viewers := ladder(t)
	v := viewers[0]
	late := r.fake(v, 1, Hello{Up: 1000})
	if !slices.ContainsFunc(heard[*Have](late), func(h *Have) bool { return h.R == "v0" }) {
		t.Fatal("a newcomer is not told what is here of the rendition that was left")
	}
	want := &Want{Key: pieceOf("v0", 25, 60_000).Key(), Blocks: mask(0)}
	late.send(want)
	r.run(r.now + 100*time.Millisecond)
	if len(heard[*Block](late)) != 1 {
		t.Error("a block of the rendition that was left is not given")
	}
	r.run(r.now + leftWindow + 2*time.Second)
	if got := len(v.known("v0").pieces); got != 0 {
		t.Errorf("%d pieces are kept of what nobody plays live any more", got)
	}
}

func TestARenditionThatIsWantedAgainComesAgain(t *testing.T) {
	r, seed, viewers := ladder(t)
	v := viewers[0]
	playTwo(r, seed, 30, 40)
	v.Want(r.now, "v0", true)
	v.Follow(r.now, "v0", event.Position{Epoch: pieceOf("v0", 40, 1).Entry.Epoch, N: 40})
	r.take(v)
	playTwo(r, seed, 40, 50)
	r.run(r.now + time.Second)
	if got := holds(v, "v0", 40); got != 10 {
		t.Errorf("%d pieces of 10", got)
	}
}

func TestNoMoreRenditionsAreWantedThanStateIsKeptOf(t *testing.T) {
	n := New(Config{Stream: rigStream, Verifier: rigVerifier{}})
	for i := range maxTracks {
		if !n.Want(0, event.Rendition('a'+rune(i)), true) {
			t.Fatalf("rendition %d cannot be wanted", i)
		}
	}
	if n.Want(0, "zz", true) {
		t.Error("one more is wanted")
	}
	if n.Want(0, "zy", false) {
		t.Error("one that was never wanted is")
	}
}

func TestOfRenditionsThatWereLeftTheNewestIsKept(t *testing.T) {
	r, seed, viewers := ladder(t)
	playTwo(r, seed, 30, 40)
	v := viewers[0]
	v.Want(r.now, "v1", false)
	r.take(v)
	if len(v.known("v0").pieces) != 0 || len(v.known("v1").pieces) == 0 {
		t.Errorf("%d pieces of the one left first, %d of the one left last", len(v.known("v0").pieces), len(v.known("v1").pieces))
	}
}
