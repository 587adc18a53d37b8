package collect

import (
	"cmp"
	"context"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/shoalcast/shoal/event"
)

// publisher is what the collector uses of the bus; *bus.Bus is one.
type publisher interface {
	PublishReportLine(ctx context.Context, id event.StreamID, session string, line []byte) error
}

// Options configures a Handler. Bus and Known must be set.
type Options struct {
	Bus publisher
	// Known says which streams are reported on: those of this installation. It is called
	// from many goroutines.
	Known func(event.StreamID) bool
	Log   *slog.Logger          // nil discards
	Reg   prometheus.Registerer // of the metrics; nil registers them nowhere
	// AddressRate bounds the requests from one address (IPv6: one /64) in a second, after a
	// burst of twenty times as many. Default 10: a device asks twice a minute, and a school
	// is one address. This machine itself is free of it.
	AddressRate float64
}

const (
	burst = 20 // seconds of AddressRate
	// maxAddresses bounds the addresses whose rates are known at once.
	maxAddresses = 1 << 16
	// maxBody and maxLines bound what one request brings: what a device kept while it was
	// away, and its last report.
	maxBody  = 32 << 10
	maxLines = 16
)

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.AddressRate = cmp.Or(o.AddressRate, 10)
	return o
}
