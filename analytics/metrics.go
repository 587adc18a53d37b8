package analytics

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Metrics are what a sink counts.
type Metrics struct {
	inserted, repeated, clamped, poison, failed prometheus.Counter
	behind, age                                 prometheus.Gauge
	took                                        prometheus.Histogram
}

// NewMetrics registers a sink's metrics; nil registers them nowhere.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	f := promauto.With(reg)
	counter := func(name, help string) prometheus.Counter {
		return f.NewCounter(prometheus.CounterOpts{Name: "shoal_analytics_" + name, Help: help})
	}
	return &Metrics{
		inserted: counter("reports_total", "Reports that ClickHouse has."),
		repeated: counter("repeated_total", "Reports that came again, by their session and number, and were not counted."),
		clamped:  counter("clamped_total", "Reports with a clock or sums that no honest device has, which were put right."),
		poison:   counter("unreadable_total", "Reports that could not be read; DEAD has the first of them."),
		failed:   counter("failed_inserts_total", "Inserts that failed, and were tried again."),
		behind:   f.NewGauge(prometheus.GaugeOpts{Name: "shoal_analytics_behind", Help: "Reports on the bus that were not yet looked at."}),
		age:      f.NewGauge(prometheus.GaugeOpts{Name: "shoal_analytics_age_seconds", Help: "Age of the newest report of the last batch when ClickHouse had it."}),
		took: f.NewHistogram(prometheus.HistogramOpts{
			Name: "shoal_analytics_insert_seconds", Help: "Time that a batch took to be inserted.", Buckets: prometheus.ExponentialBuckets(0.01, 2, 12),
		}),
	}
}
