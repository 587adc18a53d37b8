package matchmaker_test

import (
	"slices"
	"testing"

	"github.com/shoalcast/shoal/bus/bustest"
	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/matchmaker"
)

func TestATrackerThatStartsAgainKnowsItsPeers(t *testing.T) {
	server, _ := bustest.StartServer(t)
	stream := event.StreamID("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
	start := func(region string) (*matchmaker.Service, func()) {
		s := matchmaker.New(matchmaker.Options{
			Bus: bustest.Connect(t, server, "matchmaker"), Region: region,
			Stream: func(h [20]byte) (event.StreamID, bool) { return stream, h == hash(2) },
		})
		stop := run(t, s)
		until(t, "the tracker is ready", s.Ready)
		return s, stop
	}
	first, stop := start("local")
	second, _ := start("local") // beside it, in the same region
	for i := range byte(5) {
		announce(t, first, "192.0.2.1:5000", form(hash(1), i, 6881+int(i)))
	}
	announce(t, first, "[2001:db8::1]:5000", form(hash(2), 9, 6881, "left", "0"))
	announce(t, first, "192.0.2.1:5000", form(hash(1), 4, 6885, "event", "stopped"))
	size := func(s *matchmaker.Service, h [20]byte, n int) func() bool {
		return func() bool { return s.SwarmSize(h) == n }
	}
	until(t, "the other tracker knows them", func() bool { return size(second, hash(1), 4)() && size(second, hash(2), 1)() })
	stop()

	again, _ := start("local")
	if again.SwarmSize(hash(1)) != 4 || again.SwarmSize(hash(2)) != 1 {
		t.Errorf("it knows %d and %d peers", again.SwarmSize(hash(1)), again.SwarmSize(hash(2)))
	}
	got := announce(t, again, "192.0.2.2:5000", form(hash(1), 20, 1)).four(t)
	slices.Sort(got)
	if want := []string{"192.0.2.1:6881", "192.0.2.1:6882", "192.0.2.1:6883", "192.0.2.1:6884"}; !slices.Equal(got, want) {
		t.Errorf("it tells of %v, want %v", got, want)
	}
	if got := announce(t, again, "192.0.2.2:5000", form(hash(2), 20, 1)); got.Complete != 1 {
		t.Errorf("of the stream it tells %+v", got)
	}
	elsewhere, _ := start("eu-west")
	if n := elsewhere.SwarmSize(hash(1)); n != 0 {
		t.Errorf("a tracker of another region knows %d of them", n)
	}
}
