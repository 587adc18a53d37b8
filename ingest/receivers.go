package ingest

import (
	"maps"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/srt"
)

// Receivers has the newest figures of the connection that each stream is published by,
// for Prometheus: as many as there are connections, and those that ended are gone.
type Receivers struct {
	mu  sync.Mutex
	now map[event.StreamName]srt.Stats
}

func (r *Receivers) set(name event.StreamName, s srt.Stats) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now == nil {
		r.now = map[event.StreamName]srt.Stats{}
	}
	r.now[name] = s
}

func (r *Receivers) forget(name event.StreamName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.now, name)
}

// figure is something that is told of each connection. Counters begin anew with each.
type figure struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(srt.Stats) float64
}

func figureOf(name, help string, kind prometheus.ValueType, value func(srt.Stats) float64) figure {
	return figure{prometheus.NewDesc("shoal_srt_connection_"+name, help, []string{"stream"}, nil), kind, value}
}

var figures = []figure{
	figureOf("rtt_seconds", "Round-trip time to the stream's SRT publisher.",
		prometheus.GaugeValue, func(s srt.Stats) float64 { return s.RTT.Seconds() }),
	figureOf("receive_buffer_bytes", "Bytes that wait for their time in the receive buffer of the stream's SRT connection.",
		prometheus.GaugeValue, func(s srt.Stats) float64 { return float64(s.Buffered) }),
	figureOf("received_bytes_total", "Bytes that came by the stream's SRT connection, headers of packets included.",
		prometheus.CounterValue, func(s srt.Stats) float64 { return float64(s.Bytes) }),
	figureOf("lost_packets_total", "Packets missed by the stream's SRT connection, most of which were sent again.",
		prometheus.CounterValue, func(s srt.Stats) float64 { return float64(s.Lost) }),
	figureOf("retransmitted_packets_total", "Packets received by the stream's SRT connection that were sent again.",
		prometheus.CounterValue, func(s srt.Stats) float64 { return float64(s.Retransmitted) }),
	figureOf("dropped_packets_total", "Packets given up by the stream's SRT connection: they did not come in time.",
		prometheus.CounterValue, func(s srt.Stats) float64 { return float64(s.Dropped) }),
}

// Describe implements prometheus.Collector.
func (r *Receivers) Describe(out chan<- *prometheus.Desc) {
	for _, f := range figures {
		out <- f.desc
	}
}

// Collect implements prometheus.Collector.
func (r *Receivers) Collect(out chan<- prometheus.Metric) {
	r.mu.Lock()
	now := maps.Clone(r.now)
	r.mu.Unlock()
	for name, s := range now {
		for _, f := range figures {
			out <- prometheus.MustNewConstMetric(f.desc, f.kind, f.value(s), string(name))
		}
	}
}
