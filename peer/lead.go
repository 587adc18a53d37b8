package peer

import (
	"slices"
	"time"
)

// The time that a viewer in a swarm leaves itself, from when a piece usually arrives until
// it is played. In its first part lanes bring the piece; what they miss is asked of peers
// then, later of seeds too, and at last of the origin, which must have time to answer.
const (
	laneTime  = 150 * time.Millisecond // for lanes and peers, while nothing is measured
	seedSlack = 100 * time.Millisecond // for seeds, before the origin
	leastLead = 300 * time.Millisecond
	mostLead  = 800 * time.Millisecond
	// leadSamples is how many pieces it takes to judge the lanes by what was measured.
	leadSamples = 10
)

// originSlack returns the slack under which the origin is asked, by the round trip to it:
// a request on a standing connection takes one, and the answer is sent in two or three.
func originSlack(trip time.Duration, known bool) time.Duration {
	if !known {
		return 250 * time.Millisecond
	}
	return min(max(100*time.Millisecond+3*trip, 150*time.Millisecond), 400*time.Millisecond)
}

// leadOf returns how far behind the pieces' usual arrival to play: the slack that the
// origin and the seeds need, and for the lanes three times the median of what pieces
// took lately from their head to their last block.
func leadOf(toOrigin time.Duration, late []time.Duration) time.Duration {
	lanes := laneTime
	if len(late) >= leadSamples {
		lanes = 3 * slices.Sorted(slices.Values(late))[len(late)/2]
	}
	return min(max(toOrigin+seedSlack+lanes, leastLead), mostLead)
}
