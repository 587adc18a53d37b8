package peer

import "time"

// Clock tells the server's time. It was set once, by a question to the server whose
// round trip was halved, and has gone on by the machine's monotonic clock since: what
// the viewer's wall clock says, or how it jumps, changes nothing.
type Clock struct {
	now    func() time.Time
	start  time.Time // by now, when server was true
	server time.Time
}

// A clockReading is one answer to "what time is it there?".
type clockReading struct {
	asked, answered time.Time // by the viewer's clock
	server          time.Time // what the server said
}

func (r clockReading) roundTrip() time.Duration { return r.answered.Sub(r.asked) }

// newClock sets a clock by the reading with the shortest round trip, which bounds its
// error to half of that. now is the viewer's clock; only differences of it are used,
// and those are monotonic when it is time.Now.
func newClock(now func() time.Time, readings ...clockReading) *Clock {
	best := readings[0]
	for _, r := range readings[1:] {
		if r.roundTrip() < best.roundTrip() {
			best = r
		}
	}
	return &Clock{now: now, start: best.answered, server: best.server.Add(best.roundTrip() / 2).Round(0)}
}

// Now returns the server's time.
func (c *Clock) Now() time.Time { return c.server.Add(c.now().Sub(c.start)) }
