package dash

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"
)

// span is a time range, and how charts divide it.
type span struct {
	from, to time.Time
	step     time.Duration
}

const (
	// settles is how long it takes until the reports of a moment are in ClickHouse, as a rule: what is younger looks like a fall.
	settles = 5 * time.Second
	// fine is what the finest roll-up sums up.
	fine = 10 * time.Second
	// maxPoints bounds the points of a chart.
	maxPoints = 400
	// longest is the longest range: sums of minutes are kept for a year.
	longest = 370 * 24 * time.Hour
)

// ranges are those that have a name: back from now.
var ranges = map[string]time.Duration{
	"15m": 15 * time.Minute, "1h": time.Hour, "6h": 6 * time.Hour, "24h": 24 * time.Hour, "7d": 7 * 24 * time.Hour,
}

// steps are the widths of a chart's points.
var steps = []time.Duration{
	fine, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour,
}

// spanOf reads a range: by its name, or from and to in Unix seconds. Its points are no finer than at most so many sums allow.
func spanOf(q url.Values, now time.Time, sums int) (span, error) {
	s := span{to: now.Add(-settles).UTC().Truncate(fine)}
	switch name := q.Get("range"); {
	case name == "" && (q.Has("from") || q.Has("to")):
		from, err1 := strconv.ParseInt(q.Get("from"), 10, 64)
		to, err2 := strconv.ParseInt(q.Get("to"), 10, 64)
		if err1 != nil || err2 != nil || from < 0 || to > 1<<32-1 {
			return span{}, errors.New("from and to are Unix seconds: give both, or a range such as 1h")
		}
		s.from = time.Unix(from, 0).UTC()
		if end := time.Unix(to, 0).UTC(); end.Before(s.to) {
			s.to = end
		}
	case name == "":
		s.from = s.to.Add(-ranges["1h"])
	case ranges[name] == 0:
		return span{}, errors.New("there is no such range: 15m, 1h, 6h, 24h and 7d are, and from and to in Unix seconds")
	default:
		s.from = s.to.Add(-ranges[name])
	}
	if !s.from.Before(s.to) {
		return span{}, errors.New("the range ends before it begins: give from a moment that is before to, and in the past")
	}
	if s.to.Sub(s.from) > longest {
		return span{}, fmt.Errorf("the range is longer than %d days: choose a shorter one", longest/(24*time.Hour))
	}
	of := s.rollup(sums).of
	for _, s.step = range steps {
		if s.step >= of && s.to.Sub(s.from) < (maxPoints-1)*s.step {
			break
		}
	}
	s.from = s.from.Truncate(s.step)
	return s, nil
}

// rollup is the finest one that has the range in at most so many sums, and none that is coarser than the chart's points.
func (s span) rollup(most int) rollup {
	found := rollups[0]
	for _, r := range rollups[1:] {
		if s.to.Sub(s.from) <= time.Duration(most)*found.of || s.step > 0 && r.of > s.step {
			break
		}
		found = r
	}
	return found
}
