package manifest

// Freshness is how a stream's advertised newest entry compares with the time.
type Freshness int

// Fresh is as it should be. Stale means that nothing new was advertised for longer
// than the creator allows: frozen, cut off, or simply between two publishes. It changes
// what a viewer is told and where it asks next; it is nobody's proven fault.
const (
	Fresh Freshness = iota
	Stale
)

// FreshAt judges the newest entry advertised, issued at the given Unix ms in a session
// that allows freshMS, at the server's time nowMS: fetched once and continued by a
// monotonic clock, never the viewer's own. An entry from further in the future than
// Skew is no proof of freshness.
func FreshAt(issued, freshMS, nowMS int64) Freshness {
	if age := nowMS - issued; age > freshMS || age < -Skew.Milliseconds() {
		return Stale
	}
	return Fresh
}
