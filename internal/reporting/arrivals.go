package reporting

import (
	"math"
	"slices"
	"time"

	"github.com/shoalcast/shoal/event"
)

// maxArrivals is as many as a minute brings.
const maxArrivals = 400

// Arrival is one piece that came, verified.
type Arrival struct {
	Signed time.Duration // from ingest's having its first sample to its entry
	Here   time.Duration // from its entry to its being here, by the server's clock
	Due    bool          // something played, so that Slack is known
	Slack  time.Duration // until it was needed; negative where it came too late
}

// Arrivals are the pieces that came since they were reported last. The zero value is empty;
// it is not safe for concurrent use.
type Arrivals struct {
	came   []Arrival
	pieces int64
	late   int64
}

// Add takes note of a piece.
func (a *Arrivals) Add(one Arrival) {
	a.pieces++
	if one.Due && one.Slack < 0 {
		a.late++
	}
	if a.came = append(a.came, one); len(a.came) > maxArrivals {
		a.came = slices.Delete(a.came, 0, 1)
	}
}

// Missed takes note of a piece that did not come in time, and is not here yet.
func (a *Arrivals) Missed() { a.late++ }

// Take fills a report in and begins anew.
func (a *Arrivals) Take(r *event.Report) {
	var slack, signed, here []int64
	for _, one := range a.came {
		signed = append(signed, max(0, one.Signed.Milliseconds()))
		here = append(here, max(0, one.Here.Milliseconds()))
		if one.Due {
			slack = append(slack, -one.Slack.Milliseconds())
		}
	}
	r.Verified, r.Late = a.pieces, a.late
	r.Slack, r.LeastSlack = -quantile(slack, 0.5), -quantile(slack, 0.95)
	r.Signed50, r.Signed95 = quantile(signed, 0.5), quantile(signed, 0.95)
	r.Here50, r.Here95 = quantile(here, 0.5), quantile(here, 0.95)
	a.came, a.pieces, a.late = a.came[:0], 0, 0
}

// quantile returns the smallest value that p of the values (0 < p ≤ 1) do not exceed, 0
// where there are none. It sorts them.
func quantile(values []int64, p float64) int64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[int(math.Ceil(p*float64(len(values))))-1]
}
