package peer

import (
	"bytes"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/swarm"
)

// desk takes reports in an origin's place.
type desk struct {
	t     *testing.T
	mu    sync.Mutex
	asked int
	took  []event.Report
}

// collecting has an origin want reports and take them, once status says so.
func collecting(t *testing.T, o *testOrigin, status func(asked int) int) *desk {
	d := &desk{t: t}
	o.do(func() {
		o.telemetry = true
		o.hook = func(w http.ResponseWriter, r *http.Request, _ int) bool {
			if r.URL.Path != "/api/v1/telemetry" {
				return false
			}
			d.take(w, r, status)
			return true
		}
	})
	return d
}

func (d *desk) take(w http.ResponseWriter, r *http.Request, status func(int) int) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the viewer has gone
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	code := status(d.asked)
	d.asked++
	if code == http.StatusAccepted {
		for line := range bytes.Lines(body) {
			report, err := event.DecodeReport(bytes.TrimSpace(line))
			if err != nil {
				d.t.Errorf("%s: %v", line, err)
			}
			d.took = append(d.took, report)
		}
	}
	if kind, ua := r.Header.Get("Content-Type"), r.Header.Get("User-Agent"); r.Method != http.MethodPost || kind != "text/plain" || ua != "" {
		d.t.Errorf("%s with type %q of %q", r.Method, kind, ua)
	}
	w.WriteHeader(code)
}

func (d *desk) reports() []event.Report {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.took
}

func always(status int) func(int) int { return func(int) int { return status } }

// teller is a viewer who reports often.
func teller(t *testing.T, o *testOrigin, length time.Duration) *session {
	s := viewer(t, o, length)
	s.Telemetry, s.timing.report = true, 100*time.Millisecond
	return s
}

func TestAViewerReportsWhatItSawUntilItLeaves(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, "telling")
	d := collecting(t, o, always(http.StatusAccepted))
	o.begin(mustMedia(t, small))
	defer o.play(60)()
	s := teller(t, o, 3*time.Second)
	sum := s.mustWatch(t)

	got := d.reports()
	if len(got) < 8 {
		t.Fatalf("%d reports, want one every 100 ms", len(got))
	}
	var bytes, pieces, played, wanted, starts int64
	for i, r := range got {
		bytes, pieces, played, wanted = bytes+r.OriginBytes, pieces+r.Verified, played+r.Played, wanted+r.Wanted
		if r.Start > 0 {
			starts++
		}
		if r.N != int64(i) || r.Stream != o.id || r.Session != got[0].Session || r.Reporter != event.ByWatch || r.Consent != "edge" || r.Rendition != "v0" {
			t.Errorf("report %d: %+v", i, r)
		}
		if r.Here95 > 2_000 || r.Slack > 5_000 || r.Slack < -2_000 || r.Delay > 5_000 || r.Interval > 2_000 {
			t.Errorf("report %d cannot be: %+v", i, r)
		}
	}
	if last := got[len(got)-1]; last.State != event.Quit || last.Event != event.OnState {
		t.Errorf("the last report is %+v", last)
	}
	if bytes != sum.Bytes.Origin || pieces == 0 || pieces > sum.PiecesVerified {
		t.Errorf("reported %d bytes and %d pieces; there were %d and %d", bytes, pieces, sum.Bytes.Origin, sum.PiecesVerified)
	}
	if starts != 1 || played == 0 || played > wanted {
		t.Errorf("it started %d times, and played %d ms of %d", starts, played, wanted)
	}
}

func TestReportsThatAServerCannotTakeAreSentAgainInOrder(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, "telling again")
	d := collecting(t, o, func(asked int) int {
		if asked == 0 {
			return http.StatusServiceUnavailable
		}
		return http.StatusAccepted
	})
	o.begin(mustMedia(t, small))
	defer o.play(60)()
	teller(t, o, 2*time.Second).mustWatch(t)
	for i, r := range d.reports() {
		if r.N != int64(i) {
			t.Fatalf("report %d is number %d", i, r.N)
		}
	}
	if len(d.reports()) < 8 {
		t.Errorf("%d reports came", len(d.reports()))
	}
}

func TestWhatAServerWillNeverTakeKeepsNobodyFromWatching(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, "not told")
	collecting(t, o, always(http.StatusBadRequest))
	o.begin(mustMedia(t, small))
	defer o.play(60)()
	teller(t, o, 2*time.Second).mustWatch(t)
}

func TestNothingIsReportedWithoutTheConsentOfBothSides(t *testing.T) {
	t.Parallel()
	for what, change := range map[string]func(*testOrigin, *session){
		"the viewer": func(_ *testOrigin, s *session) { s.Telemetry = false },
		"the server": func(o *testOrigin, _ *session) { o.do(func() { o.telemetry = false }) },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			o := newOrigin(t, "silent for "+what)
			d := collecting(t, o, always(http.StatusAccepted))
			o.begin(mustMedia(t, small))
			defer o.play(60)()
			s := teller(t, o, 2*time.Second)
			change(o, s)
			s.mustWatch(t)
			if d.asked > 0 {
				t.Errorf("%d requests, although %s wants none", d.asked, what)
			}
		})
	}
}

func TestNeighboursAreToldByWhatTheyGaveAndSwapsByWhoTookWhosePlace(t *testing.T) {
	id := func(b byte) swarm.PeerID { return swarm.PeerID{12: b, 13: b, 14: b, 15: b} }
	var n neighbours
	n.look([]swarm.Peer{{Conn: 1, ID: id(1), Granted: 5, Received: 1_000}, {Conn: 2, ID: id(2), Missed: 2}, {Conn: 3}}, time.Second, 4)
	got := n.look([]swarm.Peer{
		{Conn: 1, ID: id(1), Received: 1_500},
		{Conn: 2, ID: id(2), Role: swarm.Seed, Granted: 3, Received: 4_000, RTT: 12 * time.Millisecond, Missed: 5},
		{Conn: 3}, // did not say who it is
		{Conn: 4, ID: id(4), Granted: 2, Received: 100},
		{Conn: 5, ID: id(5), Received: 1},
		{Conn: 6, ID: id(6)},
	}, 2*time.Second, 4)
	want := []event.Neighbour{
		{ID: "02020202", Kind: "seed", RTT: 12, Goodput: 16, Late: 3},
		{ID: "01010101", Kind: "peer", Goodput: 2},
		{ID: "04040404", Kind: "peer"},
		{ID: "05050505", Kind: "peer"},
	}
	if len(got) != len(want) {
		t.Fatalf("%+v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("neighbour %d is %+v, want %+v", i, got[i], want[i])
		}
	}
	if n.swaps != 1 {
		t.Errorf("%d swaps, want 1", n.swaps)
	}
}
