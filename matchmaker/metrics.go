package matchmaker

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Metrics is what an operator sees of the matchmaker.
type Metrics struct {
	// Requests counts by transport (http, udp, websocket), kind (announce, scrape; over
	// WebSockets connect and answer, too) and result: ok, unknown (a torrent of somebody
	// else), refused (a page of another site), limited or malformed.
	Requests *prometheus.CounterVec
	Torrents prometheus.Gauge
	Peers    prometheus.Gauge
	// Sockets are the WebSockets that are open, and Forwarded what went from one to
	// another, by kind: offer or answer.
	Sockets   prometheus.Gauge
	Forwarded *prometheus.CounterVec
	// Evicted counts peers that made room for others, Expired those that fell silent.
	Evicted prometheus.Counter
	Expired prometheus.Counter
	// Facts counts by result: kept, dropped (the queue was full) and failed.
	Facts *prometheus.CounterVec
}

// NewMetrics registers the matchmaker's metrics; a nil registerer keeps them private.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	f := promauto.With(reg)
	gauge := func(name, help string) prometheus.Gauge {
		return f.NewGauge(prometheus.GaugeOpts{Name: "shoal_matchmaker_" + name, Help: help})
	}
	counter := func(name, help string) prometheus.Counter {
		return f.NewCounter(prometheus.CounterOpts{Name: "shoal_matchmaker_" + name, Help: help})
	}
	return &Metrics{
		Requests: f.NewCounterVec(prometheus.CounterOpts{
			Name: "shoal_matchmaker_requests_total", Help: "What peers asked the tracker, by what became of it.",
		}, []string{"transport", "kind", "result"}),
		Torrents: gauge("torrents", "Torrents that have peers."),
		Peers:    gauge("peers", "Peers in all torrents."),
		Sockets:  gauge("sockets", "WebSockets that are open."),
		Forwarded: f.NewCounterVec(prometheus.CounterOpts{
			Name: "shoal_matchmaker_forwarded_total", Help: "What was passed on between WebSockets.",
		}, []string{"kind"}),
		Evicted: counter("evicted_peers_total", "Peers that made room for others."),
		Expired: counter("expired_peers_total", "Peers that fell silent."),
		Facts: f.NewCounterVec(prometheus.CounterOpts{
			Name: "shoal_matchmaker_facts_total", Help: "Facts about peers, by what became of them.",
		}, []string{"result"}),
	}
}
