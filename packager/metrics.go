package packager

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Metrics is what an operator sees of the packager.
type Metrics struct {
	Signed    prometheus.Counter
	Gaps      prometheus.Counter
	Conflicts prometheus.Counter
	Restarts  prometheus.Counter
	Skipped   prometheus.Counter // pieces of renditions left out, as nothing says where they belong
	// ArchiveFiles counts the archive files that were closed, by kind: window, epoch.
	ArchiveFiles *prometheus.CounterVec
	ArchiveLost  prometheus.Counter   // segments that no archive file holds
	Delay        prometheus.Histogram // seconds from a piece's last byte off the wire to its entry on the bus
}

// NewMetrics registers the packager's metrics; a nil registerer keeps them private.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	f := promauto.With(reg)
	return &Metrics{
		Signed:    f.NewCounter(prometheus.CounterOpts{Name: "shoal_packager_entries_total", Help: "Entries signed for pieces."}),
		Gaps:      f.NewCounter(prometheus.CounterOpts{Name: "shoal_packager_gaps_total", Help: "Entries signed for pieces that were lost."}),
		Conflicts: f.NewCounter(prometheus.CounterOpts{Name: "shoal_packager_conflicts_total", Help: "Entries that another packager recorded first."}),
		Restarts:  f.NewCounter(prometheus.CounterOpts{Name: "shoal_packager_restarts_total", Help: "Workers that failed and started again."}),
		Skipped: f.NewCounter(prometheus.CounterOpts{
			Name: "shoal_packager_skipped_total", Help: "Pieces of renditions left out because their segment was not begun, or their source not signed.",
		}),
		ArchiveFiles: f.NewCounterVec(prometheus.CounterOpts{
			Name: "shoal_packager_archive_files_total", Help: "Archive files that were closed, by kind.",
		}, []string{"kind"}),
		ArchiveLost: f.NewCounter(prometheus.CounterOpts{
			Name: "shoal_packager_archive_lost_segments_total", Help: "Segments left out of the archive because their pieces had gone.",
		}),
		Delay: f.NewHistogram(prometheus.HistogramOpts{
			Name: "shoal_packager_delay_seconds", Help: "From a piece's last byte off the wire to its entry on the bus.",
			Buckets: []float64{.001, .002, .005, .01, .015, .025, .06, .1, .25, 1, 5},
		}),
	}
}
