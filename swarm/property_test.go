package swarm

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/shoalcast/shoal/event"
)

// anyMessage draws what a hostile peer may send: mostly sensible, often not.
func anyMessage(t *rapid.T) Message {
	k := Key{
		rapid.SampledFrom([]event.Rendition{"v0", "v0", "v0", "v1", "x"}).Draw(t, "r"),
		event.Position{Epoch: event.Epoch(rapid.SampledFrom([]int64{1, 1, 1, 1, 2, 0, -1, maxNumber}).Draw(t, "epoch"))},
	}
	k.N = rapid.OneOf(rapid.Uint64Range(0, 40), rapid.Uint64Range(0, 2000), rapid.Uint64()).Draw(t, "n")
	var m Mask
	for range rapid.IntRange(0, 4).Draw(t, "bits") {
		m.Set(rapid.OneOf(rapid.IntRange(0, 3), rapid.IntRange(0, MaxBlocks-1)).Draw(t, "bit"))
	}
	count := rapid.OneOf(rapid.IntRange(0, 70), rapid.IntRange(-5, 2000)).Draw(t, "count")
	lanes := LaneMask(rapid.OneOf(rapid.Just(uint32(AllLanes)), rapid.Uint32Range(0, uint32(AllLanes)), rapid.Uint32()).Draw(t, "lanes"))
	h := rigPiece(int(k.N%40), 40_000)
	switch rapid.IntRange(0, 19).Draw(t, "kind") {
	case 0, 1, 2:
		b := block(h, int(uint(count)%3))
		if rapid.IntRange(0, 9).Draw(t, "false") == 0 {
			b.Data[0]++
		}
		return b
	case 3:
		return &Block{Key: k, Index: count, Data: make([]byte, rapid.SampledFrom([]int{0, 1, 7232, event.BlockSize, event.BlockSize + 1}).Draw(t, "size"))}
	case 4, 5:
		h.Sig[0] = rapid.SampledFrom([]byte{0, 0, 0, 0, 2, 1}).Draw(t, "sig")
		return h
	case 6:
		return &Have{k, count}
	case 7:
		return &Want{k, m}
	case 8:
		return &Cancel{k, m}
	case 9:
		return &Deny{k, m}
	case 10:
		return &GetHeads{k, count}
	case 11:
		return &Subscribe{R: k.R, Lanes: lanes, Urgent: count%2 == 0}
	case 12:
		return &Grant{R: k.R, Lanes: lanes}
	case 13:
		s := &State{R: k.R, Spare: uint16(count), Open: AllLanes}
		for l := range s.Depth {
			s.Depth[l] = rapid.SampledFrom([]uint8{0, 1, 2, 31, 32, 254, NoDepth}).Draw(t, "depth")
		}
		return s
	case 14:
		return &Credit{rapid.Uint64().Draw(t, "credit")}
	case 15:
		return &Peers{make([]Hint, min(max(count, 0), 40))}
	case 16:
		return rapid.SampledFrom([]Message{&Drain{}, &GetRecords{}, &GetInit{}, &Bye{}, &Ping{1}, &Pong{1}, &Records{make([][]byte, 3)}}).Draw(t, "small")
	case 17:
		return &Init{Total: count, Offset: count / 2, Data: make([]byte, 9)}
	case 18:
		return &Signal{From: PeerID{99, 1}, To: PeerID{99, byte(count)}}
	}
	return &Hello{Version: 1, Stream: rigStream, ID: PeerID{99, byte(count)}, Role: Role(uint(count) % 5), Up: uint32(count)}
}

// bounded fails when a node holds on to more than it should.
func (n *rigNode) bounded(t failer) {
	if n.most > 700 {
		t.Fatalf("%d effects of one call", n.most)
	}
	if len(n.conns) > 2*n.t.MaxConns || len(n.Node.inits.want) > maxInits || len(n.tracks) > maxTracks {
		t.Fatalf("%d connections, %d init segments wanted, %d renditions", len(n.conns), len(n.Node.inits.want), len(n.tracks))
	}
	for _, nb := range n.conns {
		if len(nb.held) > maxHeldBlocks || nb.heldSize > maxHeld || len(nb.waiting) > maxWaiting || len(nb.queue) > maxQueue || nb.wants < 0 || nb.wants > maxWants {
			t.Fatalf("held %d, waiting %d, queued %d, wants %d", len(nb.held), len(nb.waiting), len(nb.queue), nb.wants)
		}
		if nb.gone || n.at(nb.conn) != nb {
			t.Fatalf("a neighbour that is gone is still listed")
		}
	}
	for _, tr := range n.tracks {
		if len(tr.asked) > maxClaims*headAsks || len(tr.pieces) > 2*1024 || len(tr.open) > len(tr.pieces) {
			t.Fatalf("%d runs of heads asked for, %d pieces, %d open", len(tr.asked), len(tr.pieces), len(tr.open))
		}
		for l := range tr.lanes {
			if p := tr.lanes[l].parent; p != nil && (p.gone || !p.track(tr).granted.Has(l)) {
				t.Fatalf("lane %d hangs on somebody who is gone or has not granted it", l)
			}
		}
	}
}

func TestNoSequenceOfMessagesBreaksANode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRig(t, time.Millisecond)
		seed, n, child := r.seed(Unlimited), r.viewer(10e6), r.viewer(10e6)
		r.honest(40_000)
		r.connect(seed, n)
		r.connect(n, child)
		n.AddInit(r.now, event.Root{}, make([]byte, 100_000))
		r.run(time.Second)
		foes := []*fake{r.fake(n, 1, Hello{Up: 1000}), r.fake(n, 2, Hello{Up: 50_000, Role: Seed}), r.fake(seed, 3, Hello{Up: 50_000})}
		id := byte(10)
		for i := range rapid.IntRange(1, 60).Draw(t, "steps") {
			f := rapid.IntRange(0, len(foes)-1).Draw(t, "foe")
			if foes[f].dropped {
				id++
				foes[f] = r.fake(foes[f].n, id, Hello{Up: 1000, Role: Role(f % 2)})
			}
			before := len(foes[f].got)
			foes[f].send(anyMessage(t))
			if foes[f].dropped {
				before = len(foes[f].got)
			}
			r.run(r.now + time.Duration(rapid.SampledFrom([]int{0, 0, 0, 5, 60, 700}).Draw(t, "ms"))*time.Millisecond)
			if foes[f].dropped && len(foes[f].got) > before && before == 0 {
				t.Fatalf("something was sent on a connection that had ended")
			}
			if i%4 == 0 {
				h := rigPiece(i/4, 40_000)
				seed.Add(r.now, h, rigData(h), FromOrigin)
				r.take(seed)
			}
			for _, x := range r.nodes {
				x.bounded(t)
			}
		}
		for i, why := range n.banned {
			t.Fatalf("node %d, which is honest, was banned for %s", i, why)
		}
	})
}

// circle returns a lane whose parents, followed from a node, come back to it.
func (r *rig) circle(from *rigNode) int {
	for l := range allLanes {
		n := from
		for range len(r.nodes) + 1 {
			if n.cfg.Role == Seed || n.closed {
				break
			}
			p := n.tracks[0].lanes[l].parent
			if p == nil {
				break
			}
			end, ok := n.peers[p.conn]
			if !ok {
				break
			}
			if n = r.nodes[end.node]; n == from {
				return l
			}
		}
	}
	return -1
}

func TestWhoeverIsConnectedReceivesInAnySwarmWhateverComesAndGoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRig(t, time.Duration(rapid.IntRange(1, 60).Draw(t, "delay"))*time.Millisecond)
		seed := r.seed(Unlimited)
		r.honest(30_000)
		alive := []*rigNode{seed}
		join := func() {
			n := r.viewer(rapid.SampledFrom([]int64{0, 2e6, 5e6, 20e6}).Draw(t, "up"))
			links := rapid.SliceOfNDistinct(rapid.IntRange(0, len(alive)-1), 1, 4, rapid.ID[int]).Draw(t, "links")
			if links[0] != 0 && n.cfg.Up == 0 || rapid.IntRange(0, 2).Draw(t, "to the seed") == 0 {
				links[0] = 0
			}
			for i, to := range links {
				if i == 0 || to != links[0] {
					r.connect(n, alive[to])
				}
			}
			alive = append(alive, n)
		}
		for range rapid.IntRange(2, 8).Draw(t, "viewers") {
			join()
		}
		circles := map[int]int{}
		steps := rapid.IntRange(10, 25).Draw(t, "steps")
		for i := range steps + 25 {
			if i < steps {
				switch rapid.IntRange(0, 5).Draw(t, "event") {
				case 0:
					if len(alive) < 12 {
						join()
					}
				case 1:
					if len(alive) > 3 {
						k := rapid.IntRange(1, len(alive)-1).Draw(t, "dies")
						r.kill(alive[k])
						alive = append(alive[:k:k], alive[k+1:]...)
					}
				}
			}
			if i == steps { // whoever lost all others finds the seed again, as a tracker would have it
				for _, n := range alive[1:] {
					connected := false
					for _, end := range n.peers {
						connected = connected || end.node == seed.i
					}
					if !connected {
						r.connect(n, seed)
					}
				}
			}
			r.play(i, i+1, 30_000, seed)
			for _, n := range alive {
				n.bounded(t)
				if l := r.circle(n); l >= 0 {
					if circles[n.i]++; circles[n.i] > 15 {
						t.Fatalf("lane %d runs in a circle through node %d for 3 s", l, n.i)
					}
				} else {
					circles[n.i] = 0
				}
			}
		}
		r.run(r.now + 3*time.Second)
		for _, n := range alive[1:] {
			if late, missing := r.lateness(n, seed, steps+10, steps+25); missing > 0 {
				t.Fatalf("node %d lacks %d of the last 15 pieces; late %v", n.i, missing, late)
			}
			if len(n.banned) > 0 {
				t.Fatalf("node %d banned %v", n.i, n.banned)
			}
		}
	})
}
