package analytics

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/shoalcast/shoal/analytics/store"
	"github.com/shoalcast/shoal/bus"
)

// builder makes batches of reports.
type builder struct {
	s    *Sink
	seen *seen
	in   chan *bus.Reported
	out  chan *full
	free chan *store.Rows

	redo *plan     // to be made again, exactly
	from bus.Place // where the next plan begins
	to   bus.Place // the last report that was looked at
	rows *store.Rows

	seq atomic.Uint64 // of to, for whoever looks at progress
}

// full is a batch that is to be inserted.
type full struct {
	plan  plan
	rows  *store.Rows
	again bool // its plan is recorded
}

// batches is how many exist: one that fills, one that waits, one that is inserted.
const batches = 3

func newBuilder(s *Sink, known *seen) *builder {
	b := &builder{s: s, seen: known, in: make(chan *bus.Reported, waiting), out: make(chan *full), free: make(chan *store.Rows, batches)}
	for range batches {
		b.free <- &store.Rows{}
	}
	return b
}

// give takes a batch's memory back.
func (b *builder) give(r *store.Rows) {
	r.Reset()
	b.free <- r
}

func (b *builder) run(ctx context.Context) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case r := <-b.in:
			if b.rows == nil {
				if err := b.begin(ctx); err != nil {
					return err
				}
				timer.Reset(b.s.o.Wait)
			}
			if err := b.add(ctx, r); err != nil {
				return err
			}
		case <-timer.C:
			// What is made again ends where it did, however long that takes.
			if b.rows == nil || b.redo != nil {
				continue
			}
			if err := b.close(ctx); err != nil {
				return err
			}
		}
	}
}

func (b *builder) begin(ctx context.Context) error {
	select {
	case b.rows = <-b.free:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (b *builder) add(ctx context.Context, r *bus.Reported) error {
	if b.redo != nil {
		inside, after := b.redo.covers(r.Place)
		if inside {
			b.take(r)
		}
		if !after {
			return nil
		}
		if err := b.close(ctx); err != nil || inside {
			return err
		}
		if err := b.begin(ctx); err != nil {
			return err
		}
	}
	b.take(r)
	if b.rows.Len() >= b.s.o.Rows {
		return b.close(ctx)
	}
	return nil
}

func (b *builder) take(r *bus.Reported) {
	m := b.s.o.Metrics
	b.to = r.Place
	b.seq.Store(r.Place.Seq)
	row := store.Row{Report: r.Report, Received: r.Place.At, Seq: r.Place.Seq}
	row.Clamped = judge(&row.Report, row.Received)
	day, first := b.seen.first(row.Session, uint32(row.N), row.Received, dayOf(time.UnixMilli(row.At)))
	if !first {
		m.repeated.Inc()
		return
	}
	row.Day = day.time()
	if row.Clamped {
		m.clamped.Inc()
	}
	b.rows.Add(&row)
}

// close hands the batch on.
func (b *builder) close(ctx context.Context) error {
	f := &full{rows: b.rows, plan: plan{From: b.from, To: b.to, Rows: b.rows.Len()}}
	if b.redo != nil {
		f.plan, f.again, b.redo = *b.redo, true, nil
	}
	b.from, b.rows = f.plan.To, nil
	select {
	case b.out <- f:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
