package ingest

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/shoalcast/shoal/ingest/rtmp"
	"github.com/shoalcast/shoal/ingest/srt"
)

// Metrics is what an operator sees of the ingest.
type Metrics struct {
	Publishers prometheus.Gauge
	Pieces     prometheus.Counter
	Bytes      prometheus.Counter
	Warnings   prometheus.Counter
	Refused    prometheus.Counter
	RTMP       *rtmp.Metrics
	SRT        *srt.Metrics
	Receivers  *Receivers
}

// NewMetrics registers the ingest's metrics; a nil registerer keeps them private.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	f := promauto.With(reg)
	receivers := &Receivers{}
	if reg != nil {
		reg.MustRegister(receivers)
	}
	return &Metrics{
		Publishers: f.NewGauge(prometheus.GaugeOpts{Name: "shoal_ingest_publishers", Help: "Publishers connected and admitted."}),
		Pieces:     f.NewCounter(prometheus.CounterOpts{Name: "shoal_ingest_pieces_total", Help: "Pieces published on the bus."}),
		Bytes:      f.NewCounter(prometheus.CounterOpts{Name: "shoal_ingest_bytes_total", Help: "Bytes of the pieces published."}),
		Warnings:   f.NewCounter(prometheus.CounterOpts{Name: "shoal_ingest_warnings_total", Help: "Irregularities mended in what publishers sent."}),
		Refused:    f.NewCounter(prometheus.CounterOpts{Name: "shoal_ingest_refused_total", Help: "Publish attempts refused."}),
		RTMP:       rtmp.NewMetrics(reg),
		SRT:        srt.NewMetrics(reg),
		Receivers:  receivers,
	}
}
