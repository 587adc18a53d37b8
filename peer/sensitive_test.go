package peer

import (
	"testing"
	"time"
)

// present counts who is in any swarm.
func (m *meeting) present() (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, room := range m.rooms {
		n += len(room)
	}
	return n
}

func TestOfASensitiveStreamNoPeerLearnsTheViewersAddress(t *testing.T) {
	t.Parallel()
	o, m := newOrigin(t, "alice"), &meeting{}
	o.sensitive = true
	o.begin(mustMedia(t, large))
	o.publish(10)
	o.seed(t, m, false)
	o.play(30)
	s := swarmer(t, o, m, 2*time.Second)
	wait := s.begin(t)
	eventually(t, "it plays", func() bool { return s.first() < 1e9 })
	if n := m.present(); n != 1 {
		t.Errorf("%d are in the swarm, the seed alone should be", n)
	}
	sum, err := wait()
	if err != nil {
		t.Fatal(err)
	}
	if size := mustMatch(t, o, s); sum.Bytes.Origin != size || sum.Stalls > 0 {
		t.Errorf("%+v", sum)
	}
}

func TestAViewerLeavesTheSwarmOfAStreamThatBecomesSensitive(t *testing.T) {
	t.Parallel()
	o, m := newOrigin(t, "alice"), &meeting{}
	o.begin(mustMedia(t, large))
	o.publish(10)
	seed := o.seed(t, m, false)
	o.play(60)
	s := swarmer(t, o, m, 5*time.Second)
	wait := s.begin(t)
	eventually(t, "it plays from the swarm", func() bool { return s.latest().Bytes.Seed > 0 })
	o.do(func() { o.sensitive = true })
	seed.stop() // as the seed of such a stream does
	eventually(t, "the viewer has left, too", func() bool { return m.present() == 0 })
	sum, err := wait()
	if err != nil {
		t.Fatal(err)
	}
	if mustMatch(t, o, s); sum.Bytes.Origin == 0 {
		t.Errorf("%+v", sum)
	}
}
