package swarm

import (
	"slices"
	"time"

	"github.com/shoalcast/shoal/event"
)

// leftWindow is how long what is here of a rendition that is no longer wanted is kept for
// others: as long as a live window is.
const leftWindow = 30 * time.Second

// Want says whether a rendition is to be received from now on, and reports whether it is:
// nothing more can be wanted than a node keeps state of. What is here of one that is no
// longer wanted is still given to who asks, for a live window; its lanes are given back,
// and its children told others to go to. What a seed is fed by its caller stays as it is.
func (n *Node) Want(now Time, r event.Rendition, on bool) bool {
	n.begin()
	t := n.known(r)
	if t == nil && on && len(n.tracks) < maxTracks {
		t = n.track(r)
	}
	if t == nil || t.source {
		return false
	}
	switch {
	case on && !t.wanted:
		t.wanted, t.left = true, 0
		t.headsAt, n.maintainAt = now, now
	case !on && t.wanted:
		n.forgetLeft(never) // of those that were left, the newest is kept
		t.left = now
		n.leave(now, t)
	}
	return t.wanted
}

// leave takes back all that was asked of others in a rendition, and hands over its children.
func (n *Node) leave(now Time, t *track) {
	t.wanted = false
	for _, p := range t.open {
		for i := range p.asks {
			if by := p.asks[i].by; by != nil {
				n.cancel(by, p, i)
			}
		}
		p.abandon()
	}
	t.open, t.asked = nil, nil
	t.due, t.headsAt = never, never
	t.follows, t.playing, t.began, t.headMisses = false, false, 0, 0

	var above []*neighbour
	for l := range t.lanes {
		above = append(above, t.lanes[l].parent, t.lanes[l].next)
		t.orphan(now, l)
		t.lanes[l] = lane{}
		t.depth[l], t.branch[l] = NoDepth, 0
	}
	for _, nb := range n.conns {
		if slices.Contains(above, nb) {
			n.subscribe(nb, t, false)
		}
	}
	n.tellStates(now) // children look for others at once
	for len(t.children) > 0 {
		nb := t.children[0]
		n.give(nb, t, 0)
		n.send(nb, &Grant{R: t.r})
		if hints := n.hints(nb, 8); len(hints) > 0 {
			n.send(nb, &Peers{Hints: hints})
		}
	}
}

// forgetLeft lets go of what nobody can play live any more of renditions that were left.
func (n *Node) forgetLeft(now Time) {
	for _, t := range n.tracks {
		if t.left != 0 && !t.wanted && now-t.left > leftWindow {
			t.pieces, t.left = nil, 0
		}
	}
}
