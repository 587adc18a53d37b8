package reporting

import (
	"time"

	"github.com/shoalcast/shoal/event"
)

// leastBetween is how much time lies between two reports at least, whatever happens.
const leastBetween = time.Second

// Schedule says when a report is due: every few seconds, and at each change of state.
type Schedule struct {
	every      time.Duration
	next, last time.Time
	told       event.PlayState
}

// NewSchedule begins at now with a state that was there before. The first report by time
// alone is due after part of every.
func NewSchedule(now time.Time, every, part time.Duration, state event.PlayState) *Schedule {
	return &Schedule{every: every, next: now.Add(part), told: state}
}

// Due reports whether a report is due at now, and why. It counts as made.
func (s *Schedule) Due(now time.Time, state event.PlayState) (event.ReportEvent, bool) {
	changed := state != s.told
	if now.Sub(s.last) < min(leastBetween, s.every) || !changed && (now.Before(s.next) || rests(state)) {
		return "", false
	}
	s.told, s.last, s.next = state, now, now.Add(s.every)
	if changed {
		return event.OnState, true
	}
	return event.OnInterval, true
}

// rests reports whether nothing happens in a state until it changes.
func rests(s event.PlayState) bool {
	return s == event.Waiting || s == event.Ended || s == event.Failed || s == event.Quit
}
