package sim_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shoalcast/shoal/swarm"
	"github.com/shoalcast/shoal/swarm/sim"
)

func TestAMatrixIsReadAndItsHolesFilled(t *testing.T) {
	m, err := sim.ReadMatrix(strings.NewReader("0 10 0 30\n20 0 0 50\n-1 40 0 0\n30 50 0 0\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		a, b int
		want time.Duration
		why  string
	}{
		{0, 1, 15 * time.Millisecond, "the mean of both directions"},
		{1, 2, 40 * time.Millisecond, "the one direction that is known"},
		{0, 2, 35 * time.Millisecond, "the middle of what the two have"},
		{0, 0, 0, "nothing to oneself"},
	} {
		if m.RTT(c.a, c.b) != c.want || m.RTT(c.b, c.a) != c.want {
			t.Errorf("%d to %d is %v, back %v; want %v, %s", c.a, c.b, m.RTT(c.a, c.b), m.RTT(c.b, c.a), c.want, c.why)
		}
	}
	for _, bad := range []string{"", "1\n", "0 1\n1 0 2\n", "0 x\n1 0\n", "0 1\n", "0 1e9\n1 0\n"} {
		if _, err := sim.ReadMatrix(strings.NewReader(bad)); err == nil {
			t.Errorf("%q is a matrix", bad)
		}
	}
}

func TestAGeneratedMatrixIsLikeTheInternet(t *testing.T) {
	m := sim.Generate(400, 1)
	var all []time.Duration
	for i := range m.Places() {
		for j := range i {
			all = append(all, m.RTT(i, j))
		}
	}
	slices.Sort(all)
	median, tail := all[len(all)/2], all[len(all)*99/100]
	if median < 60*time.Millisecond || median > 100*time.Millisecond || tail < 2*median {
		t.Errorf("the median is %v, the 99th percentile %v", median, tail)
	}
}

func TestTuningsAreSetByName(t *testing.T) {
	tuning := swarm.DefaultTuning()
	for name, value := range map[string]string{"neighbours": "17", "ByPiece": "true", "Patience": "99ms", "Spread": "0.25", "CreditMax": "1000"} {
		if err := sim.Tune(&tuning, name, value); err != nil {
			t.Error(err)
		}
	}
	if tuning.Neighbours != 17 || !tuning.ByPiece || tuning.Patience != 99*time.Millisecond || tuning.Spread != 0.25 || tuning.CreditMax != 1000 {
		t.Errorf("got %+v", tuning)
	}
	for name, value := range map[string]string{"Nothing": "1", "Neighbours": "many", "Patience": "5"} {
		if err := sim.Tune(&tuning, name, value); err == nil {
			t.Errorf("%s=%s is taken", name, value)
		}
	}
}
