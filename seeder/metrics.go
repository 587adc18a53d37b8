package seeder

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Metrics are the collectors of an origin.
type Metrics struct {
	// Pieces counts pieces by result: verified, rejected (bytes that are not what any
	// entry signed), gap (signed as missing), lost (signed, but their bytes never came)
	// and evicted (no entry came for them in time).
	Pieces *prometheus.CounterVec
	// Entries counts entries by result: verified, rejected, fork.
	Entries *prometheus.CounterVec
	// Bytes counts response bodies by kind: piece, segment, init, playlist, manifest,
	// archive.
	Bytes *prometheus.CounterVec
	// Held is how many requests wait for something new; Refused counts those turned
	// away because too many did.
	Held    prometheus.Gauge
	Refused prometheus.Counter
	// Render is how long it takes to write a playlist, in seconds.
	Render prometheus.Histogram
	// Release is the time from the last byte of a piece at ingest until requests that
	// waited for it are released, in seconds.
	Release prometheus.Histogram
	// WindowBytes is the size of all windows together.
	WindowBytes prometheus.Gauge
	// Archived counts close records by what became of their files: archived, missed
	// (the bytes were gone) and rejected (not what was signed, or no room).
	Archived *prometheus.CounterVec
	// ArchiveBytes and ArchiveFiles are the size of the archive.
	ArchiveBytes, ArchiveFiles prometheus.Gauge
	// Swarms is how many swarms are seeded, Peers how many connections each has; Given
	// counts bytes of blocks that went out, Dropped connections ended from here, by reason.
	Swarms  prometheus.Gauge
	Peers   *prometheus.GaugeVec
	Given   prometheus.Counter
	Dropped *prometheus.CounterVec
}

// NewMetrics creates the collectors and registers them with reg, unless it is nil.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	f := promauto.With(reg)
	vec := func(name, help, label string) *prometheus.CounterVec {
		return f.NewCounterVec(prometheus.CounterOpts{Name: "shoal_origin_" + name, Help: help}, []string{label})
	}
	return &Metrics{
		Pieces:  vec("pieces_total", "Pieces by what became of them.", "result"),
		Entries: vec("entries_total", "Signed entries by what became of them.", "result"),
		Bytes:   vec("sent_bytes_total", "Bytes of response bodies by kind.", "kind"),
		Held: f.NewGauge(prometheus.GaugeOpts{
			Name: "shoal_origin_held_requests", Help: "Requests that wait for something new.",
		}),
		Refused: f.NewCounter(prometheus.CounterOpts{
			Name: "shoal_origin_refused_requests_total", Help: "Requests refused because too many were held.",
		}),
		Render: f.NewHistogram(prometheus.HistogramOpts{
			Name: "shoal_origin_playlist_render_seconds", Help: "Time to write a playlist.",
			Buckets: prometheus.ExponentialBuckets(20e-6, 2, 12),
		}),
		Release: f.NewHistogram(prometheus.HistogramOpts{
			Name: "shoal_origin_release_seconds", Help: "Time from the last byte of a piece at ingest to its release to waiting requests.",
			Buckets: []float64{.001, .002, .003, .005, .0075, .01, .015, .02, .03, .045, .06, .1, .2, .5, 1, 2, 5, 15},
		}),
		WindowBytes: f.NewGauge(prometheus.GaugeOpts{
			Name: "shoal_origin_window_bytes", Help: "Bytes of the pieces that are served.",
		}),
		Archived: vec("archive_records_total", "Close records by what became of their files.", "result"),
		ArchiveBytes: f.NewGauge(prometheus.GaugeOpts{
			Name: "shoal_origin_archive_bytes", Help: "Bytes of the files in the archive.",
		}),
		ArchiveFiles: f.NewGauge(prometheus.GaugeOpts{
			Name: "shoal_origin_archive_files", Help: "Files in the archive.",
		}),
		Swarms: f.NewGauge(prometheus.GaugeOpts{Name: "shoal_seed_swarms", Help: "Swarms that are seeded."}),
		Peers: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "shoal_seed_peers", Help: "Connections of the seed by stream.",
		}, []string{"stream"}),
		Given: f.NewCounter(prometheus.CounterOpts{
			Name: "shoal_seed_sent_bytes_total", Help: "Bytes of blocks given to swarms.",
		}),
		Dropped: f.NewCounterVec(prometheus.CounterOpts{
			Name: "shoal_seed_dropped_total", Help: "Connections that the seed ended, by reason.",
		}, []string{"reason"}),
	}
}
