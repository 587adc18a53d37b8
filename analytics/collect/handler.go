package collect

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/shoalcast/shoal/internal/limit"
)

// Handler serves POST /api/v1/telemetry: lines with a report each, which it answers with
// 202 once all are on the bus. A report that comes again is no harm: whoever counts
// looks at its session and number. Who sent it is nobody's business: an address bounds
// requests for some seconds, and is neither kept nor logged.
type Handler struct {
	opts     Options
	rates    *limit.Rates
	requests *prometheus.CounterVec
	reports  prometheus.Counter
}

// New returns a handler.
func New(opts Options) *Handler {
	opts = opts.withDefaults()
	f := promauto.With(opts.Reg)
	return &Handler{
		opts:  opts,
		rates: limit.NewRates(opts.AddressRate, int(opts.AddressRate*burst), maxAddresses),
		requests: f.NewCounterVec(prometheus.CounterOpts{
			Name: "shoal_telemetry_requests_total",
			Help: "Requests with reports by result: accepted, malformed, unknown_stream, oversized, type, crowded (too many from one address), failed (the bus did not take them), method.",
		}, []string{"result"}),
		reports: f.NewCounter(prometheus.CounterOpts{
			Name: "shoal_telemetry_http_reports_total", Help: "Reports that came over HTTP and are on the bus.",
		}),
	}
}

// ServeHTTP takes reports from any site: nothing speaks for a viewer here.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Access-Control-Allow-Origin", "*")
	header.Set("Cache-Control", "no-store")
	if r.Method == http.MethodOptions {
		header.Set("Access-Control-Allow-Methods", http.MethodPost)
		header.Set("Access-Control-Allow-Headers", "Content-Type")
		header.Set("Access-Control-Max-Age", "86400")
		w.WriteHeader(http.StatusNoContent)
		return
	}
	no := h.take(w, r)
	if no == nil {
		h.requests.WithLabelValues(accepted).Inc()
		w.WriteHeader(http.StatusAccepted)
		return
	}
	h.requests.WithLabelValues(no.result).Inc()
	switch no.result {
	case method:
		header.Set("Allow", "POST, OPTIONS")
	case crowded, failed:
		header.Set("Retry-After", "30")
	}
	header.Set("Content-Type", "application/json")
	w.WriteHeader(no.status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": no.sentence}) // whoever asked may have left
}

// take brings a request's reports to the bus, or says why not.
func (h *Handler) take(w http.ResponseWriter, r *http.Request) *refusal {
	if r.Method != http.MethodPost {
		return &refusal{http.StatusMethodNotAllowed, method, "reports are sent with POST"}
	}
	if from, free := limit.Remote(r.RemoteAddr); !free && !h.rates.Allow(from, time.Now()) {
		return &refusal{http.StatusTooManyRequests, crowded, fmt.Sprintf("more than %v requests a second came from this address", h.opts.AddressRate)}
	}
	all, no := read(w, r, h.opts.Known)
	if no != nil {
		return no
	}
	for _, one := range all {
		if err := h.opts.Bus.PublishReportLine(r.Context(), one.stream, one.session, one.line); err != nil {
			h.opts.Log.Warn("reports are not taken for now", "err", err)
			return &refusal{http.StatusServiceUnavailable, failed, "reports cannot be kept for now: send them again later"}
		}
		h.reports.Inc()
	}
	return nil
}
