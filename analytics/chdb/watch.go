package chdb

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// watch measures the child.
type watch struct {
	pid    atomic.Int64 // 0 while none runs
	starts prometheus.Counter
}

func newWatch(reg prometheus.Registerer) *watch {
	w := &watch{starts: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "shoal_chdb_starts_total", Help: "How often the process of the embedded ClickHouse was started.",
	})}
	if reg != nil {
		reg.MustRegister(w.starts, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "shoal_chdb_resident_bytes", Help: "Memory of the process of the embedded ClickHouse; 0 while none runs.",
		}, w.resident))
	}
	return w
}

func (w *watch) began(pid int) {
	w.starts.Inc()
	w.pid.Store(int64(pid))
}

func (w *watch) ended() { w.pid.Store(0) }

// resident reads what the kernel says; other systems do not say it so.
func (w *watch) resident() float64 {
	pid := w.pid.Load()
	if pid == 0 {
		return 0
	}
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	return float64(residentPages(string(statm)) * int64(os.Getpagesize()))
}

func residentPages(statm string) int64 {
	fields := strings.Fields(statm)
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages
}
