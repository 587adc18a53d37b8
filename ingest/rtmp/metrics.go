package rtmp

import "github.com/prometheus/client_golang/prometheus"

// Metrics are counted by a Server. NewMetrics makes them all.
type Metrics struct {
	Connections prometheus.Gauge   // open connections
	Publishers  prometheus.Gauge   // of them, publishing
	Bytes       prometheus.Counter // received from publishers
	Units       *prometheus.CounterVec
	// Ended counts connections and publishes that ended by a fault, by its cause:
	// one of the Cause constants.
	Ended *prometheus.CounterVec
}

// Values of the label "cause" of Metrics.Ended.
const (
	CauseRefused  = "refused"  // the publish was refused
	CauseProtocol = "protocol" // what was sent is not RTMP, or breaks its rules or limits
	CauseMedia    = "media"    // codec or tag that is not supported
	CauseRate     = "rate"     // byte or message rate exceeded
	CauseTimeout  = "timeout"  // handshake, setup or idle time exceeded
	CauseLost     = "lost"     // the connection broke
	CauseSink     = "sink"     // what receives the stream failed
	CauseFull     = "full"     // made room for another connection, or found none
)

// NewMetrics makes the metrics and registers them; a nil r leaves them unregistered.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		Connections: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "shoal_rtmp_connections", Help: "Open RTMP connections.",
		}),
		Publishers: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "shoal_rtmp_publishers", Help: "RTMP connections that publish.",
		}),
		Bytes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "shoal_rtmp_received_bytes_total", Help: "Bytes received from RTMP publishers.",
		}),
		Units: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shoal_rtmp_units_total", Help: "Access units received by RTMP, by kind of track.",
		}, []string{"kind"}),
		Ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shoal_rtmp_ended_total", Help: "RTMP connections that ended by a fault, by cause.",
		}, []string{"cause"}),
	}
	if r != nil {
		r.MustRegister(m.Connections, m.Publishers, m.Bytes, m.Units, m.Ended)
	}
	return m
}
