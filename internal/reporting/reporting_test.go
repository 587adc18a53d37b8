package reporting

import (
	"regexp"
	"testing"
	"time"

	"github.com/shoalcast/shoal/event"
)

func TestPiecesAreReportedByHowSoonTheyCameEachOnce(t *testing.T) {
	var a Arrivals
	for i := range 20 {
		ms := time.Duration(i+1) * time.Millisecond
		a.Add(Arrival{Signed: 20*time.Millisecond + ms, Here: 90*time.Millisecond + ms, Due: true, Slack: 250*time.Millisecond - 15*ms})
	}
	a.Missed()
	var r event.Report
	a.Take(&r)
	if want := (event.Report{
		Verified: 20, Late: 5, Slack: 100, LeastSlack: -35, Signed50: 30, Signed95: 39, Here50: 100, Here95: 109,
	}); r.Verified != want.Verified || r.Late != want.Late || r.Slack != want.Slack || r.LeastSlack != want.LeastSlack ||
		r.Signed50 != want.Signed50 || r.Signed95 != want.Signed95 || r.Here50 != want.Here50 || r.Here95 != want.Here95 {
		t.Errorf("%+v, want %+v", r, want)
	}
	a.Take(&r)
	if r.Verified != 0 || r.Late != 0 || r.Slack != 0 || r.Here95 != 0 {
		t.Errorf("told again: %+v", r)
	}
}

func TestAClockThatIsOffTellsOfNoTimeBelowZero(t *testing.T) {
	var a Arrivals
	a.Add(Arrival{Signed: -time.Second, Here: -time.Second})
	r := event.Report{}
	if a.Take(&r); r.Signed50 != 0 || r.Here95 != 0 || r.Late != 0 {
		t.Errorf("%+v", r)
	}
}

func TestNoMoreIsKeptThanAMinuteBrings(t *testing.T) {
	var a Arrivals
	var k Kept
	for n := range int64(1000) {
		a.Add(Arrival{})
		k.Add(event.Report{N: n})
	}
	if len(a.came) != maxArrivals {
		t.Errorf("%d pieces are kept", len(a.came))
	}
	if first := k.First(100); len(first) != maxKept || first[0].N != 1000-maxKept || k.Dropped != 1000-maxKept {
		t.Errorf("%d reports from %d on are kept, %d dropped", len(first), first[0].N, k.Dropped)
	}
	k.Received(2)
	if first := k.First(1); len(first) != 1 || first[0].N != 1002-maxKept {
		t.Errorf("after two were received, the first is %d", first[0].N)
	}
}

func TestEachVisitHasANameOfItsOwn(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		name := NewSession()
		if !regexp.MustCompile(`^[a-z2-7]{26}$`).MatchString(name) || seen[name] {
			t.Errorf("%q", name)
		}
		seen[name] = true
		if j := Jitter(); j < 0 || j >= Every {
			t.Errorf("jitter %v", j)
		}
	}
}

func TestAReportIsDueEveryFewSecondsAndAtEachChange(t *testing.T) {
	at := func(ms int) time.Time { return time.Unix(1_700_000_000, 0).Add(time.Duration(ms) * time.Millisecond) }
	s := NewSchedule(at(0), 5*time.Second, 2*time.Second, event.Starting)
	for _, c := range []struct {
		ms    int
		state event.PlayState
		want  event.ReportEvent
	}{
		{1_000, event.Starting, ""},
		{1_500, event.Playing, event.OnState},
		{2_000, event.Stalled, ""}, // too soon
		{2_500, event.Stalled, event.OnState},
		{7_400, event.Stalled, ""},
		{7_500, event.Stalled, event.OnInterval},
		{9_000, event.Waiting, event.OnState},
		{60_000, event.Waiting, ""}, // nothing happens
		{61_000, event.Playing, event.OnState},
	} {
		if got, _ := s.Due(at(c.ms), c.state); got != c.want {
			t.Errorf("after %d ms in state %s: %q, want %q", c.ms, c.state, got, c.want)
		}
	}
}
