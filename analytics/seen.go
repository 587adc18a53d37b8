package analytics

import "time"

// seen remembers which reports came, by session and number, of those that came lately: a report that was
// sent again, or replayed, is told from a new one.
type seen struct {
	now, before map[string]*visit // of this stretch of time, and of the one before
	turned      time.Time
}

// visit is a session: the greatest number that came, and which of the 64 before it did.
type visit struct {
	top  uint32
	mask uint64 // bit i: top - i
}

const (
	// remembered is how long a session that is silent is remembered, at least. Reports are kept by devices for a minute.
	remembered   = 15 * time.Minute
	mostSessions = 400_000 // in each of both maps, some 100 bytes each
)

func newSeen() *seen {
	return &seen{now: map[string]*visit{}, before: map[string]*visit{}}
}

// first reports whether a report comes for the first time, and remembers it. Time is the bus's.
func (s *seen) first(session string, n uint32, at time.Time) bool {
	if at.Sub(s.turned) > remembered || len(s.now) >= mostSessions {
		s.before, s.now, s.turned = s.now, map[string]*visit{}, at
	}
	v := s.now[session]
	if v == nil {
		if v = s.before[session]; v == nil {
			v = &visit{top: n}
		}
		s.now[session] = v
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
		return true
	case v.top-n >= 64:
		return false // so old that nobody knows: better lost than twice
	}
	bit := uint64(1) << (v.top - n)
	if v.mask&bit != 0 {
		return false
	}
	v.mask |= bit
	return true
}
