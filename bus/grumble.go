package bus

import "time"

const (
	firstGrumble = time.Second
	maxGrumble   = 5 * time.Minute
)

// grumble spaces out the warnings of a trouble that lasts: the first is due at once,
// each later one after twice the time, up to 5 minutes.
type grumble struct {
	next time.Time
	wait time.Duration
}

// due reports whether the trouble met at now is worth a warning.
func (g *grumble) due(now time.Time) bool {
	if now.Before(g.next) {
		return false
	}
	g.wait = min(max(2*g.wait, firstGrumble), maxGrumble)
	g.next = now.Add(g.wait)
	return true
}
