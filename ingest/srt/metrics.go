package srt

import "github.com/prometheus/client_golang/prometheus"

// Metrics are counted by Servers and pulls. NewMetrics makes them all. Counts are sums
// over all connections, those that have ended included; the figures of one go to its
// Handler (StatsHandler).
type Metrics struct {
	Connections   prometheus.Gauge   // open connections
	Bytes         prometheus.Counter // received
	Lost          prometheus.Counter // packets missed, which may have come later
	Retransmitted prometheus.Counter // packets received that were sent again
	Dropped       prometheus.Counter // packets given up
	RTT           prometheus.Observer
	// Ended counts connections that ended, by cause: one of the Cause constants.
	Ended *prometheus.CounterVec
}

// Values of the label "cause" of Metrics.Ended.
const (
	CauseDone    = "done"    // the peer ended the publish
	CauseRefused = "refused" // the publish was refused
	CauseRate    = "rate"    // byte rate exceeded
	CauseTimeout = "timeout" // setup or idle time exceeded
	CauseLost    = "lost"    // the peer fell silent
	CauseSink    = "sink"    // what receives the stream failed or was too slow
	CauseFull    = "full"    // no room for the connection
	CauseStopped = "stopped" // the server shut down
)

// NewMetrics makes the metrics and registers them; a nil r leaves them unregistered.
func NewMetrics(r prometheus.Registerer) *Metrics {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	rtt := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "shoal_srt_rtt_seconds", Help: "Round-trip times of SRT connections, each asked every second.",
		Buckets: []float64{.001, .005, .01, .025, .05, .1, .2, .4, .8, 1.6},
	})
	m := &Metrics{
		Connections:   gauge("shoal_srt_connections", "Open SRT connections."),
		Bytes:         counter("shoal_srt_received_bytes_total", "Bytes received by SRT."),
		Lost:          counter("shoal_srt_lost_packets_total", "SRT packets missed, most of which were sent again."),
		Retransmitted: counter("shoal_srt_retransmitted_packets_total", "SRT packets received that were sent again."),
		Dropped:       counter("shoal_srt_dropped_packets_total", "SRT packets given up because they did not come in time."),
		RTT:           rtt,
		Ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shoal_srt_ended_total", Help: "SRT connections that ended or were refused, by cause.",
		}, []string{"cause"}),
	}
	if r != nil {
		r.MustRegister(m.Connections, m.Bytes, m.Lost, m.Retransmitted, m.Dropped, rtt, m.Ended)
	}
	return m
}
