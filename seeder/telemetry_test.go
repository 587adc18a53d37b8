package seeder

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/bus/bustest"
	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/internal/reporting"
)

func TestASeedReportsEachLiveStreamAndNothingElse(t *testing.T) {
	perform(t, func(o *Options) { o.Telemetry, o.Region = true, "eu-west" }, func(s *stage) {
		const signing = 30 * time.Millisecond // after a piece's last byte
		for n := range uint64(100) {          // 20 s
			p := s.piece(n)
			time.Sleep(time.Until(p.Received.Add(signing))) // virtual
			e := s.sign(p)[0]
			s.bus.entries <- e
			time.Sleep(7 * time.Millisecond)
			s.bus.pieces <- p
		}
		s.fact(event.EpochEnded{Epoch: s.epoch, Reason: "test"})
		time.Sleep(time.Minute)
		synctest.Wait()
		got := s.bus.reports
		if len(got) < 4 {
			t.Fatalf("%d reports in 20 s", len(got))
		}
		var pieces int64
		for i, r := range got {
			pieces += r.Verified
			if err := r.Check(); err != nil {
				t.Error(err)
			}
			if r.Stream != s.id || r.Session != got[0].Session || r.N != int64(i) || r.Reporter != event.BySeed || r.Region != "eu-west" || r.Rendition != "v0" {
				t.Errorf("report %d: %+v", i, r)
			}
			if r.Interval < 0 || r.Interval > reporting.Every.Milliseconds() {
				t.Errorf("report %d tells of %d ms", i, r.Interval)
			}
			if r.Verified > 0 && (r.Signed50 != 230 || r.Signed95 != 230 || r.Here50 != 7 || r.Here95 != 7) {
				t.Errorf("signed after %d and %d ms, here after %d and %d; want 230 and 7", r.Signed50, r.Signed95, r.Here50, r.Here95)
			}
		}
		if last := got[len(got)-1]; pieces != 100 || last.State != event.Waiting || last.Event != event.OnState {
			t.Errorf("%d pieces were reported, want 100; the last report: %+v", pieces, last)
		}
	})
}

func TestPiecesWhoseBytesDoNotComeAreReportedAsLate(t *testing.T) {
	perform(t, func(o *Options) { o.Telemetry = true }, func(s *stage) {
		for n := range uint64(50) {
			p := s.piece(n)
			time.Sleep(time.Until(p.Received))
			if n%10 != 5 {
				s.bus.pieces <- p
			}
			s.bus.entries <- s.sign(p)[0]
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		var late, pieces int64
		for _, r := range s.bus.reports {
			late, pieces = late+r.Late, pieces+r.Verified
		}
		if late != 5 || pieces != 45 {
			t.Errorf("%d late and %d here, want 5 and 45", late, pieces)
		}
	})
}

func TestReportsWaitForABusThatIsFull(t *testing.T) {
	perform(t, func(o *Options) { o.Telemetry = true }, func(s *stage) {
		s.bus.full.Store(true)
		for n := range uint64(60) {
			time.Sleep(200 * time.Millisecond)
			s.send(n)
		}
		s.bus.full.Store(false)
		time.Sleep(reporting.Every)
		synctest.Wait()
		var pieces int64
		for i, r := range s.bus.reports {
			if pieces += r.Verified; r.N != int64(i) {
				t.Errorf("report %d is number %d", i, r.N)
			}
		}
		if pieces != 60 {
			t.Errorf("%d pieces were reported, want 60", pieces)
		}
	})
}

func TestASeedThatIsNotAskedToReportsNothing(t *testing.T) {
	perform(t, nil, func(s *stage) {
		for n := range uint64(60) {
			time.Sleep(200 * time.Millisecond)
			s.send(n)
		}
		synctest.Wait()
		if len(s.bus.reports) > 0 {
			t.Errorf("reported %+v", s.bus.reports)
		}
	})
}

func TestTheManifestSaysWhetherReportsAreWanted(t *testing.T) {
	b := bustest.Start(t)
	p := publish(t, b, "live", false)
	for _, wanted := range []bool{true, false} {
		o := startOrigin(t, b, func(o *Options) { o.Telemetry = wanted })
		a := o.get("/live/live/manifest.json")
		if doc := o.manifestOf(p, ""); doc.Telemetry != wanted || strings.Contains(string(a.body), "telemetry") != wanted {
			t.Errorf("wanted: %v; the manifest says %s", wanted, a.body)
		}
		if !o.Has(p.id) || o.Has("k2k2k2k2k2k2k2k2k2k2k2k2k2k2k2k2") {
			t.Error("it does not know its own streams from others")
		}
	}
}

var _ follower = (*bus.Bus)(nil)
