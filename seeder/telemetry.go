package seeder

import (
	"context"
	"sync"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/internal/reporting"
)

// seen is what the seed has to report of one stream.
type seen struct {
	mu       sync.Mutex
	arrivals reporting.Arrivals
	given    int64 // bytes of blocks, since it was reported last
	peers    int   // connected
}

// pieces takes note of items that were just shown. Those signed before since were
// replayed from the bus and tell nothing.
func (s *seen) pieces(now, since time.Time, items []*item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, it := range items {
		issued := time.UnixMilli(it.entry.Issued)
		switch {
		case issued.Before(since) || it.entry.Gap:
		case it.data == nil:
			s.arrivals.Missed()
		default:
			s.arrivals.Add(reporting.Arrival{Signed: issued.Sub(time.UnixMilli(it.entry.At)), Here: now.Sub(issued)})
		}
	}
}

// swarm takes note of what was given since the last time, and to how many connections.
func (s *seen) swarm(given int64, peers int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.given += given
	s.peers = peers
}

// take fills a report in and begins anew.
func (s *seen) take(r *event.Report) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.arrivals.Take(r)
	r.Given, r.Peers = s.given, int64(s.peers)
	s.given = 0
}

// visit is one stretch in which a stream was live, as the seed reports it.
type visit struct {
	stream  *stream
	session string
	n       int64
	last    time.Time
	over    bool
	kept    reporting.Kept
}

// report reports each live stream until ctx ends.
func (s *Service) report(ctx context.Context) {
	visits := map[event.StreamID]*visit{}
	for wait := reporting.Jitter(); ; wait = reporting.Every {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
		now := time.Now()
		for _, st := range s.known() {
			v := visits[st.id]
			switch {
			case st.isLive() && (v == nil || v.over):
				v = &visit{stream: st, session: reporting.NewSession(), last: now.Add(-wait)}
				visits[st.id] = v
				v.add(now, s.opts.Region, event.OnState, event.Playing)
			case st.isLive():
				v.add(now, s.opts.Region, event.OnInterval, event.Playing)
			case v != nil && !v.over:
				v.add(now, s.opts.Region, event.OnState, event.Waiting)
				v.over = true
			}
		}
		s.send(ctx, visits)
	}
}

// add makes a report.
func (v *visit) add(now time.Time, region string, why event.ReportEvent, state event.PlayState) {
	r := event.Report{
		Stream: v.stream.id, Session: v.session, N: v.n, At: now.UnixMilli(), Event: why, State: state,
		Reporter: event.BySeed, Interval: now.Sub(v.last).Milliseconds(), Region: region,
	}
	if all := v.stream.all(); len(all) == 1 {
		r.Rendition = all[0].name
	}
	v.stream.seen.take(&r)
	v.n++
	v.last = now
	v.kept.Add(r)
}

// send publishes what is kept, as far as the bus takes it, and lets go of visits that are over.
func (s *Service) send(ctx context.Context, visits map[event.StreamID]*visit) {
	for id, v := range visits {
		for next := v.kept.First(1); len(next) > 0; next = v.kept.First(1) {
			if err := s.opts.Bus.PublishReport(ctx, &next[0]); err != nil {
				s.opts.Log.Debug("reports wait for the bus", keyStream, id, keyErr, err)
				return
			}
			v.kept.Received(1)
		}
		if v.over || !s.Has(id) {
			delete(visits, id)
		}
	}
}
