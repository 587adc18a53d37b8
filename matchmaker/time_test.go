package matchmaker_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/matchmaker"
)

// notebook is a bus in virtual time: what a real one does with facts is tested with a
// real one.
type notebook struct {
	mu    sync.Mutex
	facts []event.PeerFact
	stuck chan struct{} // appends wait for it, if it is not nil
	fn    func(event.PeerFact) error
}

func (n *notebook) AppendPeerFact(ctx context.Context, _, _ string, f event.PeerFact) error {
	if n.stuck != nil {
		select {
		case <-n.stuck:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.facts = append(n.facts, f)
	return nil
}

func (n *notebook) FollowPeers(ctx context.Context, _ string, caughtUp func(), fn func(event.PeerFact) error) error {
	n.fn = fn
	caughtUp()
	<-ctx.Done()
	return ctx.Err()
}

func (n *notebook) kinds() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []event.PeerKind
	for _, f := range n.facts {
		out = append(out, f.Kind)
	}
	n.facts = nil
	return fmt.Sprint(out)
}

func TestPeersThatFallSilentAreForgottenAfterTwoIntervals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := matchmaker.New(matchmaker.Options{})
		stop := run(t, s)
		defer stop()
		announce(t, s, "192.0.2.1:1", form(hash(1), 1, 6881))
		announce(t, s, "192.0.2.2:1", form(hash(1), 2, 6881))
		time.Sleep(2 * time.Minute)
		announce(t, s, "192.0.2.2:1", form(hash(1), 2, 6881))
		time.Sleep(119 * time.Second)
		if n := s.SwarmSize(hash(1)); n != 2 {
			t.Errorf("before two intervals are over there are %d", n)
		}
		time.Sleep(10 * time.Second)
		if n := s.SwarmSize(hash(1)); n != 1 {
			t.Errorf("after two intervals there are %d", n)
		}
	})
}

func TestAFactIsKeptOfWhatChangesAndElseOncePerHalfInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &notebook{}
		s := matchmaker.New(matchmaker.Options{Bus: n})
		stop := run(t, s)
		defer stop()
		for _, c := range []struct {
			what  string
			after time.Duration
			id    byte
			more  []string
			want  string
		}{
			{"it comes", 0, 1, nil, "[joined]"},
			{"it asks again at once", time.Second, 1, nil, "[]"},
			{"it asks again", 58 * time.Second, 1, nil, "[]"},
			{"half an interval has gone", time.Second, 1, nil, "[measured]"},
			{"it asks again", 59 * time.Second, 1, nil, "[]"},
			{"it has all", 0, 1, []string{"left", "0"}, "[joined]"},
			{"it has a new id", 0, 2, []string{"left", "0"}, "[joined]"},
			{"an old id says goodbye", 0, 1, []string{"event", "stopped"}, "[]"},
			{"it goes", 0, 2, []string{"event", "stopped"}, "[left]"},
			{"it says goodbye again", 0, 2, []string{"event", "stopped"}, "[]"},
		} {
			time.Sleep(c.after)
			announce(t, s, "192.0.2.1:1", form(hash(1), c.id, 6881, c.more...))
			synctest.Wait()
			if got := n.kinds(); got != c.want {
				t.Errorf("%s: facts %s, want %s", c.what, got, c.want)
			}
		}
	})
}

// What comes back from the bus is older than what the tracker knows by then: who has
// left is not to appear again, if only for a moment.
func TestATrackerIsNotToldByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &notebook{}
		s := matchmaker.New(matchmaker.Options{Bus: n})
		stop := run(t, s)
		defer stop()
		announce(t, s, "192.0.2.1:1", form(hash(1), 1, 6881))
		announce(t, s, "192.0.2.1:1", form(hash(1), 1, 6881, "event", "stopped"))
		synctest.Wait()
		if len(n.facts) != 2 {
			t.Fatalf("%d facts are kept", len(n.facts))
		}
		check(t, n.fn(n.facts[0]))
		if s.SwarmSize(hash(1)) != 0 {
			t.Error("who has left is back")
		}
		n.facts[0].Instance = "another tracker"
		check(t, n.fn(n.facts[0]))
		if s.SwarmSize(hash(1)) != 1 {
			t.Error("what another tracker learnt is not known")
		}
	})
}

// dropped reads how many facts were dropped, as an operator would.
func dropped(t *testing.T, reg *prometheus.Registry) float64 {
	t.Helper()
	all, err := reg.Gather()
	check(t, err)
	for _, family := range all {
		for _, m := range family.GetMetric() {
			if family.GetName() == "shoal_matchmaker_facts_total" && m.GetLabel()[0].GetValue() == "dropped" {
				return m.GetCounter().GetValue()
			}
		}
	}
	t.Fatal("no metric says it")
	return 0
}

func TestABusThatIsAwayHoldsNobodyUpAndTheNewestFactsAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &notebook{stuck: make(chan struct{})}
		reg := prometheus.NewRegistry()
		s := matchmaker.New(matchmaker.Options{Bus: n, Queue: 10, Metrics: matchmaker.NewMetrics(reg)})
		stop := run(t, s)
		defer stop()
		announce(t, s, "192.0.2.0:1", form(hash(1), 0, 6881))
		synctest.Wait() // the first is being appended
		for i := range 100 {
			announce(t, s, fmt.Sprintf("192.0.2.%d:1", i+1), form(hash(1), byte(i+1), 6881))
		}
		if got := dropped(t, reg); got != 90 || s.SwarmSize(hash(1)) != 101 {
			t.Errorf("%v facts are dropped, and %d peers known", got, s.SwarmSize(hash(1)))
		}
		close(n.stuck)
		synctest.Wait()
		if len(n.facts) != 11 || n.facts[10].Peer[0] != 100 || n.facts[1].Peer[0] != 91 {
			t.Errorf("kept are %d facts", len(n.facts))
		}
	})
}
