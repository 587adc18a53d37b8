package transcoder

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Metrics is what an operator sees of the transcoder.
type Metrics struct {
	Encoders prometheus.Gauge
	Pieces   prometheus.Counter
	Dropped  prometheus.Counter // pieces of the source that were not encoded, as the encoder was behind
	Failures prometheus.Counter
	Delay    prometheus.Histogram // seconds from a piece of the source to that of a rendition
}

// NewMetrics registers the transcoder's metrics; a nil registerer keeps them private.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	f := promauto.With(reg)
	return &Metrics{
		Encoders: f.NewGauge(prometheus.GaugeOpts{Name: "shoal_transcoder_encoders", Help: "Encoders that run: one for each live stream that has a ladder."}),
		Pieces:   f.NewCounter(prometheus.CounterOpts{Name: "shoal_transcoder_pieces_total", Help: "Pieces of renditions that were made."}),
		Dropped: f.NewCounter(prometheus.CounterOpts{
			Name: "shoal_transcoder_dropped_pieces_total", Help: "Pieces of sources that were not encoded because their encoder was behind.",
		}),
		Failures: f.NewCounter(prometheus.CounterOpts{Name: "shoal_transcoder_failures_total", Help: "Encoders that ended before their stream did."}),
		Delay: f.NewHistogram(prometheus.HistogramOpts{
			Name: "shoal_transcoder_delay_seconds", Help: "From a piece of the source to that of a rendition.",
			Buckets: []float64{.02, .05, .1, .15, .2, .3, .5, 1, 2, 4},
		}),
	}
}
