package swarm

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"
)

// recorder is a verifier for which a head with a key id is genuine once the record of that
// one byte is known.
type recorder struct {
	rigVerifier
	known []string
}

func (v *recorder) OpenHead(h *Head) error {
	if h.KeyID[0] != 0 && !slices.Contains(v.known, string(h.KeyID[:1])) {
		return ErrNeedRecords
	}
	return v.rigVerifier.OpenHead(h)
}

func (v *recorder) AddRecord(env []byte) (bool, error) {
	switch {
	case len(env) != 1:
		return false, errors.New("no record")
	case slices.Contains(v.known, string(env)):
		return false, nil
	}
	v.known = append(v.known, string(env))
	return true, nil
}

func (v *recorder) Records() [][]byte {
	var out [][]byte
	for _, k := range v.known {
		out = append(out, []byte(k))
	}
	return out
}

func TestARecordReachesAllAndTheTalkEnds(t *testing.T) {
	r := newRig(t, 5*time.Millisecond)
	seed := r.seed(Unlimited)
	nodes := []*rigNode{seed}
	for range 6 {
		nodes = append(nodes, r.viewer(10e6))
	}
	for _, n := range nodes {
		n.cfg.Verifier = &recorder{}
	}
	for i := range 6 { // a chain, and its end knows the beginning
		r.connect(nodes[i], nodes[i+1])
	}
	r.connect(nodes[0], nodes[6])
	r.connect(nodes[2], nodes[5])
	r.run(time.Second)
	told := 0
	r.spoil = func(_, _ int, m Message) Message {
		if _, ok := m.(*Records); ok {
			told++
		}
		return m
	}
	if err := seed.AddRecord(r.now, []byte{7}); err != nil {
		t.Fatal(err)
	}
	r.take(seed)
	r.run(r.now + 5*time.Second)
	for _, n := range nodes {
		if len(n.cfg.Verifier.Records()) != 1 {
			t.Errorf("node %d does not know it", n.i)
		}
	}
	if told > len(nodes)*len(nodes) {
		t.Errorf("it was told %d times among %d", told, len(nodes))
	}
}

func TestHeadsWaitForTheirRecordsAndBlameNobody(t *testing.T) {
	r := newRig(t, 0)
	n := r.viewer(10e6)
	n.cfg.Verifier = &recorder{}
	f := r.fake(n, 1, Hello{Up: 1000})
	for i := range 2 * maxWaiting {
		h := rigPiece(i, 1000)
		h.KeyID[0] = 7
		f.send(h)
		r.run(r.now + 20*time.Millisecond)
	}
	if f.dropped || len(n.heads) > 0 || len(n.at(f.conn).waiting) > maxWaiting {
		t.Fatalf("dropped %v, %d heads, %d wait", f.dropped, len(n.heads), len(n.at(f.conn).waiting))
	}
	if asked := len(heard[*GetRecords](f)); asked != 1 {
		t.Errorf("records are asked for %d times", asked)
	}
	f.send(&Records{Envelopes: [][]byte{{7}}})
	if f.dropped || len(n.heads) != maxWaiting {
		t.Errorf("dropped %v, %d heads", f.dropped, len(n.heads))
	}
}

func TestRecordsThatCannotBeJudgedCostTheirSenderOnly(t *testing.T) {
	r := newRig(t, 0)
	n := r.viewer(10e6)
	n.cfg.Verifier = &recorder{}
	f, other := r.fake(n, 1, Hello{Up: 1000}), r.fake(n, 2, Hello{Up: 1000})
	other.got = nil
	f.send(&Records{Envelopes: [][]byte{bytes.Repeat([]byte{1}, 9)}})
	if f.dropped {
		t.Error("dropped for one")
	}
	for i := 0; i < 100 && !f.dropped; i++ {
		f.send(&Records{Envelopes: [][]byte{bytes.Repeat([]byte{1}, 9)}})
	}
	if !f.dropped || f.why.Bans() || len(other.got) > 0 {
		t.Errorf("dropped %v for %s, others were told %v", f.dropped, f.why, other.got)
	}
}
