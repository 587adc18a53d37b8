package swarm

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/shoalcast/shoal/event"
)

func TestTheUplinkBudgetIsHeld(t *testing.T) {
	r := newRig(t, 5*time.Millisecond)
	n := r.source(40)
	var greedy []*fake
	for i := range 5 {
		f := r.fake(n, byte(i), Hello{Up: 1000})
		f.send(&Credit{Limit: 1 << 40})
		greedy = append(greedy, f)
	}
	n.SetUp(r.now, 2e6)
	r.take(n)
	start := n.stats.Sent
	for range 100 {
		for i, f := range greedy { // more than the budget, all the time
			for k := range 2 {
				f.send(&Want{key((i*7 + k) % 40), mask(0, 1)})
			}
		}
		r.run(r.now + 100*time.Millisecond)
	}
	if got := float64(n.stats.Sent-start) * 8 / 10; got > 2e6*1.05 || got < 2e6*0.95 {
		t.Errorf("%.0f bit/s went out on a budget of 2 Mbit/s", got)
	}
	for i, f := range greedy {
		if len(heard[*Block](f)) == 0 {
			t.Errorf("nothing for neighbour %d", i)
		}
	}
}

// parent is a viewer that feeds others: it has one itself.
func (r *rig) parent(up int64) (*rigNode, *fake) {
	n := r.viewer(up)
	above := r.fake(n, 200, Hello{Role: Seed, Up: 100_000})
	above.feeds(0)
	r.run(r.now + time.Second)
	above.send(&Grant{R: "v0", Lanes: AllLanes})
	for i := range 3 {
		h := rigPiece(i, 50_000) // 2 Mbit/s
		above.send(h)
		for k := range h.Blocks() {
			above.send(block(h, k))
		}
	}
	return n, above
}

func TestMoreChildrenThanTheUplinkBearsAreRefusedWithOthersToAsk(t *testing.T) {
	r := newRig(t, 0)
	n, _ := r.parent(5e6)
	able := r.fake(n, 100, Hello{Up: 50_000})
	able.feeds(1)
	var lanes []int
	for i := range 4 {
		f := r.fake(n, byte(i), Hello{Up: 1000})
		f.send(&Subscribe{R: "v0", Lanes: AllLanes})
		g := heard[*Grant](&fake{got: slices.Clone(f.got)})
		lanes = append(lanes, g[0].Lanes.Len())
		if hints := heard[*Peers](f); g[0].Lanes != AllLanes && (len(hints) == 0 || !slices.ContainsFunc(hints[0].Hints, func(h Hint) bool { return h.ID == PeerID{99, 100} })) {
			t.Errorf("child %d is refused lanes and told of nobody else: %v", i, hints)
		}
	}
	if lanes[0] != allLanes || lanes[1] < Lanes || lanes[2] > Lanes/2 || lanes[3] > Lanes/2 {
		t.Errorf("lanes granted: %v of a budget of 5 Mbit/s for a stream of 2", lanes)
	}
	if used := n.used(); used > 5e6 {
		t.Errorf("%.0f bit/s are promised", used)
	}
}

func TestAShrinkingUplinkHandsChildrenOver(t *testing.T) {
	r := newRig(t, 0)
	n, _ := r.parent(20e6)
	able := r.fake(n, 100, Hello{Up: 50_000})
	able.feeds(1)
	poor, rich := r.fake(n, 1, Hello{Up: 500}), r.fake(n, 2, Hello{Up: 20_000})
	for _, f := range []*fake{poor, rich} {
		f.send(&Subscribe{R: "v0", Lanes: AllLanes})
		f.got = nil
	}
	n.SetUp(r.now, 3e6)
	r.take(n)
	hinted := len(heard[*Peers](&fake{got: slices.Clone(poor.got)})) > 0
	if g := heard[*Grant](poor); len(g) != 1 || g[0].Lanes != 0 || !hinted {
		t.Errorf("who gives least was told %v, hinted %v", g, hinted)
	}
	if g := heard[*Grant](rich); len(g) != 0 {
		t.Errorf("who gives most was told %v", g)
	}
}

func TestDrainingHandsOverWithoutAGap(t *testing.T) {
	r := newRig(t, 10*time.Millisecond)
	seed := r.seed(Unlimited)
	nodes := []*rigNode{seed}
	for range 6 {
		nodes = append(nodes, r.viewer(20e6))
	}
	r.mesh(nodes...)
	r.run(2 * time.Second)
	r.play(0, 30, 50_000, seed)
	leaving := busiest(nodes[1:])
	leaving.Drain(r.now)
	r.take(leaving)
	r.play(30, 40, 50_000, seed)
	r.kill(leaving)
	r.play(40, 60, 50_000, seed)
	r.run(r.now + time.Second)
	for _, n := range nodes[1:] {
		if n == leaving {
			continue
		}
		if late, missing := r.lateness(n, seed, 25, 60); missing > 0 || late[len(late)-1] > 250*time.Millisecond {
			t.Errorf("node %d: %d missing, worst %v", n.i, missing, late[len(late)-1])
		}
	}
}

func busiest(nodes []*rigNode) *rigNode {
	return slices.MaxFunc(nodes, func(a, b *rigNode) int { return a.Stats().Children - b.Stats().Children })
}

func TestWhoDrainsTakesNobodyNewAndNamesOthers(t *testing.T) {
	r := newRig(t, 0)
	n, _ := r.parent(20e6)
	able, child := r.fake(n, 100, Hello{Up: 50_000}), r.fake(n, 1, Hello{Up: 500})
	n.Drain(r.now)
	r.take(n)
	if len(heard[*Peers](&fake{got: slices.Clone(child.got)})) == 0 || len(heard[*Drain](child)) != 1 {
		t.Error("neighbours are not told")
	}
	able.send(&Subscribe{R: "v0", Lanes: AllLanes})
	if g := heard[*Grant](able); len(g) != 1 || g[0].Lanes != 0 {
		t.Errorf("granted %v while leaving", g)
	}
}

func TestASeedFeedsFewCopiesAndMoreToALargerSwarm(t *testing.T) {
	r := newRig(t, 0)
	seed := r.seed(Unlimited)
	join := func(ids ...byte) {
		for _, id := range ids {
			r.fake(seed, id, Hello{Up: 1000}).send(&Subscribe{R: "v0", Lanes: AllLanes})
		}
	}
	copies := func(want int) {
		t.Helper()
		for l := range Lanes { // heads go to all who ask
			if got := seed.tracks[0].kids[l]; got != want {
				t.Errorf("lane %d goes to %d, not %d", l, got, want)
			}
		}
	}
	join(1, 2, 3)
	copies(1)
	seed.SetSwarm(2 * DefaultTuning().CopiesPer)
	join(4, 5, 6)
	copies(3)
	if f := r.fake(seed, 7, Hello{Up: 1}); true {
		f.send(&Subscribe{R: "v0", Lanes: AllLanes, Urgent: true})
		if g := heard[*Grant](f); g[0].Lanes != AllLanes {
			t.Errorf("who has nobody else was granted %d lanes", g[0].Lanes.Len())
		}
	}
}

func TestFirstCopiesGoToWhoGivesMostOn(t *testing.T) {
	r := newRig(t, 0)
	seed := r.seed(Unlimited)
	poor := r.fake(seed, 1, Hello{Up: 1000})
	poor.send(&Subscribe{R: "v0", Lanes: AllLanes})
	r.run(3 * time.Second)
	poor.got = nil
	rich := r.fake(seed, 2, Hello{Up: 50_000})
	rich.send(&Subscribe{R: "v0", Lanes: AllLanes})
	if g := heard[*Grant](rich); g[0].Lanes.Len() < Lanes/2 {
		t.Errorf("%d lanes for who gives most", g[0].Lanes.Len())
	}
	if p := heard[*Peers](poor); len(p) == 0 || p[0].Hints[0].ID != (PeerID{99, 2}) {
		t.Errorf("who lost its lanes is told %v", p)
	}
}

func TestHintsAreDialledButNoStormOfThem(t *testing.T) {
	r := newRig(t, 0)
	n := r.viewer(10e6)
	a, b := r.fake(n, 1, Hello{Up: 1}), r.fake(n, 2, Hello{Up: 1})
	addr := netip.MustParseAddrPort("10.0.0.1:6881")
	a.send(&Peers{[]Hint{{ID: PeerID{5}, Addr: addr}, {ID: PeerID{99, 2}}, {ID: n.cfg.ID}}})
	if len(n.dials) != 1 || n.dials[0].Addr != addr || len(n.ways) != 1 || n.ways[0].via != a.conn {
		t.Errorf("to dial: %v", n.dials)
	}
	for i := range 60 {
		b.send(&Peers{[]Hint{{ID: PeerID{6, byte(i)}, Addr: addr}}})
	}
	if len(n.dials) > 40 {
		t.Errorf("%d dialled", len(n.dials))
	}
	seed := r.seed(Unlimited)
	f := r.fake(seed, 1, Hello{Up: 1})
	f.send(&Peers{[]Hint{{ID: PeerID{5}, Addr: addr}}})
	if len(seed.dials) > 0 {
		t.Error("a seed dials")
	}
}

// A block waits until the budget allows it, and then goes to whom it was promised first.
func TestWhatWaitsLongestGoesFirst(t *testing.T) {
	r := newRig(t, 0)
	n := r.source(3)
	n.SetUp(r.now, 4*8*event.BlockSize) // four blocks a second
	r.take(n)
	a, b, c := r.fake(n, 1, Hello{Up: 1}), r.fake(n, 2, Hello{Up: 1}), r.fake(n, 3, Hello{Up: 1})
	c.send(&Want{key(2), mask(0)}) // goes at once
	a.send(&Want{key(0), mask(0)})
	r.run(r.now + 10*time.Millisecond)
	b.send(&Want{key(1), mask(0)})
	r.run(r.now + 340*time.Millisecond)
	if x, y := len(heard[*Block](a)), len(heard[*Block](b)); x != 1 || y > 0 {
		t.Errorf("%d to the first, %d to the second", x, y)
	}
}

func TestOneNewcomerIsNotManyMessagesToTheOthers(t *testing.T) {
	r := newRig(t, 0)
	seed := r.seed(Unlimited)
	poor := r.fake(seed, 1, Hello{Up: 1000})
	poor.send(&Subscribe{R: "v0", Lanes: AllLanes})
	r.run(3 * time.Second)
	poor.got = nil
	r.fake(seed, 2, Hello{Up: 50_000}).send(&Subscribe{R: "v0", Lanes: AllLanes})
	if len(poor.got) > 3 {
		t.Errorf("it is told %d things", len(poor.got))
	}
}

func TestEffectsAreHandedOverOnce(t *testing.T) {
	r := newRig(t, 0)
	n := r.source(1)
	n.Connected(r.now, 1, Info{})
	if len(n.Effects().Send) == 0 {
		t.Fatal("no Hello")
	}
	n.SetSwarm(9)
	if e := n.Effects(); len(e.Send) > 0 {
		t.Errorf("handed over again: %v", e.Send)
	}
}
