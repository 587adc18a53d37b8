package rtmp_test

import (
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/shoalcast/shoal/ingest/rtmp"
	"github.com/shoalcast/shoal/internal/rtmptest"
)

// Publishers that come and go leave no memory behind: a hundred of them by default, as
// many as fit ten minutes in a soak.
func TestMemoryIsFlatOverReconnects(t *testing.T) {
	h := open(t, rtmp.Limits{})
	rounds := 0
	round := func() {
		c := dial(t, h.publishURL("camera"), rtmptest.Options{})
		r := h.next()
		if rounds%2 == 0 {
			_ = c.Close()
		} else {
			_ = c.Abandon()
		}
		_ = r.wait(t)
		h.log.reset()
		rounds++
	}
	for range 20 {
		round()
	}
	before, goroutines := memory(), runtime.NumGoroutine()
	end := time.Now()
	if os.Getenv("SHOAL_SOAK") != "" {
		end = end.Add(10 * time.Minute)
	}
	pace := time.NewTicker(5 * time.Millisecond) // a closed connection keeps its port for a minute
	defer pace.Stop()
	for ; rounds < 120 || time.Now().Before(end); <-pace.C {
		round()
	}
	eventually(t, "goroutines end", func() bool { return runtime.NumGoroutine() <= goroutines })
	after := memory()
	t.Logf("%.1f MB, and %.1f MB after %d more reconnects", float64(before)/1e6, float64(after)/1e6, rounds-20)
	if after > before+2<<20 {
		t.Errorf("%d bytes became %d", before, after)
	}
}
