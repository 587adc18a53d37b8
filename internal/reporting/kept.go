package reporting

import "github.com/shoalcast/shoal/event"

// maxKept is a minute of reports: who was away for longer tells of the newest.
const maxKept = 12

// Kept are reports that are not known to be received, in order. The zero value is empty;
// it is not safe for concurrent use.
type Kept struct {
	Dropped int // how many had to be let go of
	reports []event.Report
}

// Add keeps a report; the oldest is let go of where there are too many.
func (k *Kept) Add(r event.Report) {
	if k.reports = append(k.reports, r); len(k.reports) > maxKept {
		k.Drop(1)
	}
}

// First returns the oldest, at most so many.
func (k *Kept) First(most int) []event.Report { return k.reports[:min(most, len(k.reports))] }

// Received lets go of the oldest so many: they arrived.
func (k *Kept) Received(n int) { k.reports = k.reports[n:] }

// Drop lets go of the oldest so many, which nobody has.
func (k *Kept) Drop(n int) {
	k.Received(n)
	k.Dropped += n
}
