package analytics

import (
	"time"

	"github.com/shoalcast/shoal/event"
)

const (
	// A report may wait for as long as this for its way to be free, and a device's clock be as much ahead.
	oldest   = 10 * time.Minute
	earliest = 5 * time.Second

	longestInterval = int64(time.Minute / time.Millisecond)
	mostBytes       = int64(1) << 32 // of one kind in one report
)

// judge puts right what no honest device says, by the time at which the bus had the report, and says whether it had to: a clock
// that is wrong, and sums that nobody can have seen in so short a time.
func judge(r *event.Report, received time.Time) (clamped bool) {
	at := time.UnixMilli(r.At)
	if at.Before(received.Add(-oldest)) || at.After(received.Add(earliest)) {
		r.At, clamped = received.UnixMilli(), true
	}
	clamp := func(n *int64, most int64) {
		if *n > most {
			*n, clamped = most, true
		}
	}
	clamp(&r.Interval, longestInterval)
	for _, ms := range []*int64{&r.Wanted, &r.Played, &r.DryMs} {
		clamp(ms, r.Interval)
	}
	for _, bytes := range []*int64{&r.PeerBytes, &r.SeedBytes, &r.EdgeBytes, &r.OriginBytes, &r.Duplicate, &r.Given} {
		clamp(bytes, mostBytes)
	}
	return clamped
}
