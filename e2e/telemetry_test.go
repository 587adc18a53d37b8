package e2e

import (
	"net/http"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// reported is how many reports came over HTTP, and are on the bus.
func (i *instance) reported() int {
	i.t.Helper()
	_, body, _ := i.get("/metrics")
	found := regexp.MustCompile(`(?m)^shoal_telemetry_http_reports_total (\d+)$`).FindSubmatch(body)
	if found == nil {
		return 0
	}
	n, err := strconv.Atoi(string(found[1]))
	if err != nil {
		i.t.Fatal(err)
	}
	return n
}

func TestANativeViewerReportsUnlessItIsAskedNotTo(t *testing.T) {
	t.Parallel()
	i := up(t)
	s := i.addStream("concert")
	publish(t, s)
	i.live("concert")
	asked := viewing(t, exec.Command, s.Watch, "--http-only", "--telemetry=false")
	quiet := viewing(t, func(name string, args ...string) *exec.Cmd {
		c := exec.Command(name, args...)
		c.Env = append(c.Environ(), "DO_NOT_TRACK=1")
		return c
	}, s.Watch, "--http-only")
	asked.plays(30, "without telemetry")
	quiet.plays(1, "with DO_NOT_TRACK")
	asked.leave()
	quiet.leave()
	if n := i.reported(); n != 0 {
		t.Errorf("%d reports of viewers who want to send none", n)
	}
	v := viewing(t, exec.Command, s.Watch, "--http-only")
	v.plays(40, "with telemetry")
	v.leave()
	waitFor(t, 5*time.Second, "the reports of a viewer that left", func() bool { return i.reported() >= 3 }) // it started, played, and quit
}

func TestAnOperatorWhoWantsNoTelemetryGetsNone(t *testing.T) {
	t.Parallel()
	i := up(t, "--telemetry=false")
	s := i.addStream("concert")
	publish(t, s)
	i.live("concert")
	if _, body, _ := i.get("/live/concert/manifest.json"); strings.Contains(string(body), `"telemetry"`) {
		t.Errorf("the manifest asks for reports: %s", body)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, i.at.HTTP+"/api/v1/telemetry", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "text/plain")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("a report is answered with %s", res.Status)
	}
}
