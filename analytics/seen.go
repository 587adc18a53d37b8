package analytics

import (
	"strings"
	"time"
)

// seen remembers which reports came, by session and number, of those that came lately: a report that was
// sent again, or replayed, is told from a new one.
type seen struct {
	now, before map[string]*visit // of this stretch of time, and of the one before
	turned      time.Time
}

// visit is a session: the greatest number that came, which of the 64 before it did, and its day.
type visit struct {
	top  uint32
	day  day
	mask uint64 // bit i: top - i
}

// day is one by UTC, counted from 1970.
type day int32

func dayOf(t time.Time) day { return day(t.Unix() / 86_400) }

func (d day) time() time.Time { return time.Unix(int64(d)*86_400, 0).UTC() }

const (
	// remembered is how long a session that is silent is remembered, at least. Reports are kept by devices for a minute.
	remembered   = 15 * time.Minute
	mostSessions = 400_000 // in each of both maps, some 100 bytes each
)

func newSeen() *seen {
	return &seen{now: map[string]*visit{}, before: map[string]*visit{}}
}

// first reports whether a report comes for the first time, and remembers it; at is by the bus. The visit's day is that on which it
// began; a visit that goes on after the day that follows begins anew. today is the report's own.
func (s *seen) first(session string, number int64, at time.Time, today day) (visitDay day, first bool) {
	if number < 0 || number >= 1<<32 {
		return today, false // no visit is as long
	}
	n := uint32(number)
	if at.Sub(s.turned) > remembered || len(s.now) >= mostSessions {
		s.before, s.now, s.turned = s.now, map[string]*visit{}, at
	}
	v := s.now[session]
	if v == nil {
		if v = s.before[session]; v == nil {
			v = &visit{top: n, day: today}
		}
		s.now[strings.Clone(session)] = v // it is a part of a report's line
	}
	if today > v.day+1 {
		v.day = today
	}
	switch {
	case n > v.top:
		if d := n - v.top; d < 64 {
			v.mask <<= d
		} else {
			v.mask = 0
		}
		v.top = n
		v.mask |= 1
		return v.day, true
	case v.top-n >= 64:
		return v.day, false // so old that nobody knows: better lost than twice
	}
	bit := uint64(1) << (v.top - n)
	if v.mask&bit != 0 {
		return v.day, false
	}
	v.mask |= bit
	return v.day, true
}
