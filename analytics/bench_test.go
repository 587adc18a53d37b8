package analytics_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/shoalcast/shoal/analytics"
	"github.com/shoalcast/shoal/analytics/store"
	"github.com/shoalcast/shoal/bus/bustest"
)

// nowhere takes all and keeps nothing.
type nowhere struct {
	left int
	done chan struct{}
}

func (n *nowhere) Insert(_ context.Context, rows *store.Rows, _ string) error {
	if n.left -= rows.Len(); n.left == 0 {
		close(n.done)
	}
	return nil
}

func (*nowhere) Recent(context.Context, time.Time, time.Time, func(string, uint32, time.Time)) error {
	return nil
}

// What a sink takes by itself, of reports that wait on the bus.
func BenchmarkSink(b *testing.B) {
	const reports, hands = 200_000, 64
	bus := bustest.Start(b)
	var all sync.WaitGroup
	for hand := range hands {
		all.Go(func() {
			for i := hand; i < reports; i += hands {
				check(b, bus.PublishReport(b.Context(), report(fmt.Sprintf("session%013d", i%10_000), int64(i/10_000))))
			}
		})
	}
	all.Wait()
	for i := 0; b.Loop(); i++ {
		s := &nowhere{left: reports, done: make(chan struct{})}
		stop := begin(b, analytics.SinkOptions{Bus: bus, Store: s, Name: fmt.Sprintf("bench-%d", i), Settle: time.Millisecond})
		<-s.done
		stop()
	}
	b.ReportMetric(float64(reports*b.N)/b.Elapsed().Seconds(), "reports/s")
}
