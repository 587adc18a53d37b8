package analytics

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shoalcast/shoal/analytics/store"
	"github.com/shoalcast/shoal/bus"
)

// builder makes batches of reports.
type builder struct {
	s    *Sink
	seen *seen
	out  chan *full
	free chan *store.Rows

	mu   sync.Mutex
	redo *plan       // to be made again, exactly
	from bus.Place   // where the next plan begins
	to   bus.Place   // the last report that was looked at
	rows *store.Rows // nil: none begun
	row  store.Row   // that is being added
	due  *time.Timer // when the rows are handed on, full or not

	begun  time.Time // when the first of rows came
	looked int       // how many there were when it was last due

	seq atomic.Uint64 // of to, for whoever looks at progress
}

// full is a batch that is to be inserted.
type full struct {
	plan  plan
	rows  *store.Rows
	again bool // its plan is recorded
}

const (
	// batches is how many exist: one that fills, one that is inserted.
	batches = 2
	// backlog is how old a report is that shows that there is one, and longestWait how long a batch may fill then.
	backlog     = 5 * time.Second
	longestWait = 2 * time.Second
)

func newBuilder(s *Sink, known *seen) *builder {
	b := &builder{s: s, seen: known, out: make(chan *full), free: make(chan *store.Rows, batches), due: time.NewTimer(time.Hour)}
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

// run hands on what waited for long enough.
func (b *builder) run(ctx context.Context) error {
	defer b.due.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-b.due.C:
		}
		b.mu.Lock()
		var err error
		switch {
		case b.rows == nil || b.redo != nil: // what is made again ends where it did, however long that takes
		case b.fills():
			b.due.Reset(b.s.o.Wait)
		default:
			err = b.close(ctx)
		}
		b.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

// fills reports whether the batch should wait on: while there is a backlog a greater one costs ClickHouse less, and nobody
// waits to see it.
func (b *builder) fills() bool {
	grown := b.rows.Len() > b.looked
	b.looked = b.rows.Len()
	return grown && time.Since(b.to.At) > backlog && time.Since(b.begun) < longestWait
}

// add takes the next report. It waits where the store is slower than the bus.
func (b *builder) add(ctx context.Context, r *bus.Reported) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.begin(ctx); err != nil {
		return err
	}
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

// begin sees to it that there are rows to add to.
func (b *builder) begin(ctx context.Context) error {
	if b.rows != nil {
		return nil
	}
	select {
	case b.rows = <-b.free:
		b.begun, b.looked = time.Now(), 0
		b.due.Reset(b.s.o.Wait)
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (b *builder) take(r *bus.Reported) {
	m := b.s.o.Metrics
	b.to = r.Place
	b.seq.Store(r.Place.Seq)
	row := &b.row
	*row = store.Row{Report: r.Report, Received: r.Place.At, Seq: r.Place.Seq}
	row.Clamped = judge(&row.Report, row.Received)
	day, first := b.seen.first(row.Session, row.N, row.Received, dayOf(time.UnixMilli(row.At)))
	if !first {
		m.repeated.Inc()
		return
	}
	row.Day = day.time()
	if row.Clamped {
		m.clamped.Inc()
	}
	b.rows.Add(row)
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
