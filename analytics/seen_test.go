package analytics

import (
	"testing"
	"time"
)

func TestAVisitIsCountedOnTheDayOnWhichItBegan(t *testing.T) {
	s := newSeen()
	evening := time.Date(2026, 11, 28, 23, 50, 0, 0, time.UTC)
	for _, c := range []struct {
		session string
		n       int64
		after   time.Duration
		want    string
	}{
		{"late", 0, 0, "2026-11-28"},
		{"late", 1, 11 * time.Minute, "2026-11-28"}, // past midnight
		{"young", 0, 11 * time.Minute, "2026-11-29"},
		{"late", 3, 13 * time.Minute, "2026-11-28"},
		{"late", 2, 13 * time.Minute, "2026-11-28"}, // it was held up
		{"late", 4, 20 * time.Minute, "2026-11-28"},
		{"late", 5, 30 * time.Minute, "2026-11-28"}, // the map that it was in has been turned
		{"silent", 9, 24 * time.Hour, "2026-11-29"},
	} {
		at := evening.Add(c.after)
		day, first := s.first(c.session, c.n, at, dayOf(at))
		if got := day.time().Format(time.DateOnly); got != c.want || !first {
			t.Errorf("report %d of %s: %s, first %v", c.n, c.session, got, first)
		}
	}
}

func TestAScreenThatRunsForDaysIsAVisitOfEveryOther(t *testing.T) {
	s := newSeen()
	days := map[string]int{}
	for minute := range 5 * 24 * 60 {
		at := time.Date(2026, 11, 28, 12, minute, 0, 0, time.UTC)
		day, _ := s.first("screen", int64(minute), at, dayOf(at))
		days[day.time().Format(time.DateOnly)]++
	}
	if len(days) != 3 || days["2026-11-28"] != 36*60 || days["2026-11-30"] != 48*60 || days["2026-12-02"] != 36*60 {
		t.Errorf("the days have %v reports", days)
	}
}
