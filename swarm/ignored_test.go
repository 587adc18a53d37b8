package swarm

import "testing"

func TestAFloodOfFramesThatAreNoMessagesEndsTheConnection(t *testing.T) {
	r := newRig(t, 0)
	n := r.viewer(10e6)
	f := r.fake(n, 1, Hello{Up: 1})
	for range 5000 {
		n.Ignored(r.now, f.conn)
		r.take(n)
	}
	if n.stats.Dropped[Flooding] != 1 || len(n.conns) != 0 {
		t.Errorf("dropped %v, %d connections left", n.stats.Dropped, len(n.conns))
	}
}
