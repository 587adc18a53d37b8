package swarm

import (
	"slices"
	"testing"
	"time"

	"github.com/shoalcast/shoal/event"
)

// crowd is a seed or two and viewers, all connected, after a few seconds of the stream.
func crowd(t *testing.T, seeds, viewers int) (*rig, []*rigNode, []*rigNode) {
	t.Helper()
	r := newRig(t, 10*time.Millisecond)
	var s, v []*rigNode
	for range seeds {
		s = append(s, r.seed(Unlimited))
	}
	for range viewers {
		v = append(v, r.viewer(20e6))
	}
	r.mesh(append(slices.Clone(s), v...)...)
	r.run(2 * time.Second)
	r.play(0, 30, 50_000, s...)
	return r, s, v
}

func (r *rig) all(from, to int, worst Time, by *rigNode, nodes ...*rigNode) {
	for _, n := range nodes {
		if n.closed {
			continue
		}
		if late, missing := r.lateness(n, by, from, to); missing > 0 || late[len(late)-1] > worst {
			r.t.Errorf("node %d: %d pieces missing, the rest up to %v late", n.i, missing, late[max(0, len(late)-3):])
		}
		if len(n.banned) > 0 {
			r.t.Errorf("node %d banned %v", n.i, n.banned)
		}
	}
}

func TestNothingIsLostWhenTheBestParentDies(t *testing.T) {
	r, seeds, viewers := crowd(t, 1, 8)
	r.kill(busiest(viewers))
	r.play(30, 60, 50_000, seeds...)
	r.run(r.now + 2*time.Second)
	r.all(5, 60, time.Second, seeds[0], viewers...)
}

func TestNothingIsLostWhenTheBestParentFallsSilent(t *testing.T) {
	r, seeds, viewers := crowd(t, 1, 8)
	dead := busiest(viewers)
	r.spoil = func(from, _ int, m Message) Message {
		if from == dead.i {
			return nil // it is there and says nothing
		}
		return m
	}
	r.play(30, 70, 50_000, seeds...)
	r.run(r.now + 2*time.Second)
	r.all(5, 70, 1500*time.Millisecond, seeds[0], slices.DeleteFunc(slices.Clone(viewers), func(n *rigNode) bool { return n == dead })...)
}

func TestASecondSeedGoesOnForADeadOne(t *testing.T) {
	r, seeds, viewers := crowd(t, 2, 8)
	r.kill(seeds[0])
	r.play(30, 60, 50_000, seeds...)
	r.run(r.now + 2*time.Second)
	r.all(5, 60, time.Second, seeds[1], viewers...)
}

func TestWhenAllSeedsDiePeersFinishTheWindowAndFallBack(t *testing.T) {
	r, seeds, viewers := crowd(t, 1, 6)
	for i := 30; i < 32; i++ { // the last pieces reach one peer alone
		h := rigPiece(i, 50_000)
		viewers[0].Add(r.now, h, rigData(h), FromOrigin)
		r.take(viewers[0])
		seeds[0].whole[h.Key()] = r.now
	}
	r.kill(seeds[0])
	r.run(r.now + 3*time.Second)
	r.all(5, 32, 2*time.Second, seeds[0], viewers[1:]...)
	// What nobody has is asked of the origin, in time for the player.
	n := viewers[1]
	n.Play(r.now, "v0", 1, 0, r.now-30*200*time.Millisecond)
	r.take(n)
	for i := 40; i < 44; i++ {
		n.AddHead(r.now, rigPiece(i, 50_000))
		r.take(n)
	}
	n.fetch = nil
	begin := r.now
	r.run(begin + time.Second)
	if len(n.fetch) != 0 {
		t.Errorf("%v before the piece is 2 s away: %v", r.now-begin, n.fetch)
	}
	r.run(begin + 2600*time.Millisecond)
	if len(n.fetch) != 4 {
		t.Errorf("%d of 4 pieces are asked of the origin", len(n.fetch))
	}
}

func TestACutOfThreeSecondsLosesNothing(t *testing.T) {
	r, seeds, viewers := crowd(t, 1, 8)
	cut := viewers[:4]
	heal := r.now + 3*time.Second
	side := func(i int) bool { return slices.ContainsFunc(cut, func(n *rigNode) bool { return n.i == i }) }
	r.lag = func(from, to int) Time {
		if side(from) != side(to) && r.now < heal {
			return heal - r.now + r.delay // held up, as TCP does
		}
		return r.delay
	}
	r.play(30, 70, 50_000, seeds...)
	r.run(r.now + 2*time.Second)
	r.all(5, 70, 5*time.Second, seeds[0], viewers...)
	for _, n := range viewers {
		if late, _ := r.lateness(n, seeds[0], 50, 70); late[len(late)-1] > time.Second {
			t.Errorf("node %d is %v late long after", n.i, late[len(late)-1])
		}
	}
}

func TestSlowAndUnevenNeighboursAreNotBannedNorSentAway(t *testing.T) {
	r := newRig(t, 10*time.Millisecond)
	seed := r.seed(Unlimited)
	nodes := []*rigNode{seed}
	for range 7 {
		nodes = append(nodes, r.add(Config{Up: 5e6, Wants: []event.Rendition{"v0"}, NoOrigin: true}))
	}
	chance := newRandom(7)
	r.lag = func(from, to int) Time {
		lag := 20 * time.Millisecond
		if from == 3 || to == 3 {
			lag = 300 * time.Millisecond
		}
		if chance.below(20) == 0 { // lost and sent again
			lag += 250 * time.Millisecond
		}
		return lag
	}
	r.mesh(nodes...)
	r.run(2 * time.Second)
	r.play(0, 100, 50_000, seed)
	r.run(r.now + 3*time.Second)
	r.all(10, 100, 3*time.Second, seed, nodes[1:]...)
	for _, n := range nodes {
		if len(n.drops) > 0 {
			t.Errorf("node %d dropped %v", n.i, n.drops)
		}
	}
}

func TestOfTwoConnectionsToOnePeerBothSidesKeepTheSame(t *testing.T) {
	for _, both := range []bool{false, true} { // dialled by both, or twice by one
		for order := range 24 {
			r := newRig(t, 10*time.Millisecond)
			a, b := r.viewer(10e6), r.viewer(10e6)
			slow := newRandom(uint32(order + 1))
			r.lag = func(int, int) Time { return time.Duration(1+slow.below(200)) * time.Millisecond }
			r.connect(a, b)
			r.run(r.now + time.Duration(order)*10*time.Millisecond)
			if both {
				r.connect(b, a)
			} else {
				r.connect(a, b)
			}
			r.run(5 * time.Second)
			if len(a.peers) != 1 || len(b.peers) != 1 {
				t.Errorf("dialled by both %v, order %d: %d and %d connections are left", both, order, len(a.peers), len(b.peers))
			}
		}
	}
}

func TestNobodyPushesAnotherOutByItsName(t *testing.T) {
	for _, id := range []byte{0, 255} { // on either side of the victim's
		r := newRig(t, 0)
		n := r.viewer(10e6)
		n.cfg.ID = PeerID{id}
		victim := r.fake(n, 1, Hello{Up: 1000})
		n.at(victim.conn).info.Outbound = true
		r.run(20 * time.Second)
		victim.send(&Ping{1})
		r.fake(n, 1, Hello{Up: 1000})
		if victim.dropped {
			t.Errorf("the first is dropped for %s", victim.why)
		}
	}
}

func TestSilenceEndsAConnectionAndBansNobody(t *testing.T) {
	r := newRig(t, 0)
	n := r.viewer(10e6)
	f := r.fake(n, 1, Hello{Up: 1000})
	r.run(silence + 2*time.Second)
	if !f.dropped || f.why != Silent || f.why.Bans() {
		t.Errorf("dropped %v for %s", f.dropped, f.why)
	}
}

func TestWhoIsAskedForMuchOverALongWayIsNotSentAwayForTakingItsTime(t *testing.T) {
	r := newRig(t, 41*time.Millisecond)
	seed := r.seed(Unlimited)
	r.connect(seed, r.viewer(20e6)) // it has the first copies
	r.play(0, 25, 60_000, seed)
	late := r.viewer(20e6)
	late.Follow(r.now, "v0", key(0).Position)
	r.take(late)
	r.connect(late, seed)
	r.play(25, 50, 60_000, seed)
	r.run(r.now + 3*time.Second)
	if _, missing := r.lateness(late, seed, 0, 50); missing > 0 || len(late.drops) > 0 {
		t.Errorf("%d pieces are missing, dropped %v", missing, late.drops)
	}
	if late.stats.Duplicate > late.stats.Received[FromSeed]/10 {
		t.Errorf("%d of %d bytes came twice", late.stats.Duplicate, late.stats.Received[FromSeed])
	}
}
