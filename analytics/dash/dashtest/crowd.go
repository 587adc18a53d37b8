package main

import (
	"context"
	"fmt"
	"math"
	"math/rand"
	"strings"
	"time"

	"github.com/shoalcast/shoal/analytics/store"
	"github.com/shoalcast/shoal/event"
)

// crowd are viewers who come and go, and the servers that feed them, in two streams.
type crowd struct {
	random  *rand.Rand
	now     time.Time // until which they have reported
	viewers []*viewer
	came    int
	seq     uint64
	rows    store.Rows
}

type viewer struct {
	event.Report // of which each is made
	until        time.Time
	n            int64
	speed        float64 // of its line, of what is needed
}

// history is how long they have been there, tick how often they report.
const (
	history = 2 * time.Hour
	tick    = 5 * time.Second
)

var (
	streams = []struct {
		id   event.StreamID
		name event.StreamName
	}{{"h4rb0urh4rb0urh4rb0urh4rb0urh4rb", "harbour"}, {"kitchenkitchenkitchenkitchenkitc", "kitchen"}}
	regions = []string{"eu-north", "eu-north", "eu-west", "eu-west", "us-east", "asia"}
	classes = []string{"chrome-desktop", "chrome-desktop", "chrome-phone", "firefox-desktop", "safari-phone", "edge-desktop"}
	choices = []string{"share", "share", "share", "download", "edge"}
)

func newCrowd(now time.Time) *crowd {
	return &crowd{random: rand.New(rand.NewSource(7)), now: now.Add(-history).Truncate(tick)}
}

// fill has them report all of history.
func (c *crowd) fill(ctx context.Context, s *store.Store) error {
	for _, one := range streams {
		if err := s.NameStream(ctx, one.id, one.name); err != nil {
			return err
		}
	}
	for time.Since(c.now) > tick {
		c.step()
		if c.rows.Len() > 50_000 {
			if err := c.flush(ctx, s); err != nil {
				return err
			}
		}
	}
	return c.flush(ctx, s)
}

// goOn has them go on until ctx ends.
func (c *crowd) goOn(ctx context.Context, s *store.Store) error {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			c.step()
			if err := c.flush(ctx, s); err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
}

func (c *crowd) flush(ctx context.Context, s *store.Store) error {
	err := s.Insert(ctx, &c.rows, fmt.Sprint(c.seq))
	c.rows.Reset()
	return err
}

// step has everybody who is there report once.
func (c *crowd) step() {
	c.now = c.now.Add(tick)
	phase := float64(c.now.Unix()%7200) / 7200
	want := int(26 + 18*math.Sin(2*math.Pi*phase) + 8*math.Sin(14*math.Pi*phase))
	for len(c.viewers) < want {
		c.join()
	}
	kept := c.viewers[:0]
	for _, v := range c.viewers {
		if c.report(v); c.now.Before(v.until) {
			kept = append(kept, v)
		}
	}
	c.viewers = kept
	c.serve()
}

func pick[T any](c *crowd, from []T) T { return from[c.random.Intn(len(from))] }

func (c *crowd) join() {
	c.came++
	stream := streams[0].id
	if c.came%3 == 0 {
		stream = streams[1].id
	}
	v := &viewer{until: c.now.Add(time.Duration(c.random.ExpFloat64() * float64(15*time.Minute))), speed: 0.8 + c.random.ExpFloat64()}
	v.Report = event.Report{
		Stream: stream, Session: strings.ReplaceAll(fmt.Sprintf("%8x%08x", c.random.Uint32(), c.came), " ", "0"), Reporter: event.ByPage, Event: event.OnInterval, Format: "h", Type: "ll",
		Interval: tick.Milliseconds(), Rendition: "v0", Region: pick(c, regions), Class: pick(c, classes), Consent: pick(c, choices), Bitrate: 2_400, Top: 2_400,
	}
	if v.speed < 1.1 {
		v.Rendition, v.Bitrate = "v1", 900
	}
	c.viewers = append(c.viewers, v)
}

// report has a viewer report. Those of a slow line stall at times, and everybody in a bad minute.
func (c *crowd) report(v *viewer) {
	r := v.Report
	r.N, r.At = v.n, c.now.UnixMilli()
	v.n++
	bad := c.now.Minute()%40 == 17 && r.Region == "eu-west"
	r.State, r.Wanted, r.Played, r.Verified, r.Peers = event.Playing, r.Interval, r.Interval, 25, int64(4+c.random.Intn(9))
	r.Delay, r.Buffer = 620+int64(c.random.Intn(160)), 380+int64(c.random.Intn(200))
	r.Here50, r.Here95, r.Slack, r.LeastSlack = 38+int64(c.random.Intn(20)), 110+int64(c.random.Intn(60)), 240, 60
	r.Measured = int64(float64(r.Bitrate) * (v.speed + 0.3))
	media := float64(r.Bitrate) * 125 * tick.Seconds()
	peers := 0.72 + 0.12*c.random.Float64()
	switch {
	case r.Consent == "edge":
		peers = 0
	case v.n == 1:
		peers = 0.1
	case bad:
		peers = 0.25
	}
	r.PeerBytes, r.SeedBytes = int64(media*peers), int64(media*(1-peers)*0.4)
	r.EdgeBytes, r.OriginBytes = int64(media*(1-peers)*0.45), int64(media*(1-peers)*0.15)
	if r.Consent == "share" {
		r.Given, r.Uplink = int64(media*(0.5+0.6*c.random.Float64())), 6_000
	}
	late := int64(0)
	if stalls := c.random.Float64(); v.n > 1 && (bad && stalls < 0.4 || v.speed < 0.95 && stalls < 0.03 || stalls < 0.0015) {
		r.State, r.Event, r.Stalls, r.Starved, r.Late = event.Stalled, event.OnState, 1, true, 3
		r.DryMs, r.Buffer, r.Delay = 300+int64(c.random.Intn(1_500)), 0, r.Delay+900
		r.Played -= r.DryMs
		r.OriginBytes, r.PeerBytes = r.OriginBytes+r.PeerBytes/2, r.PeerBytes/2
		late = 4 + int64(c.random.Intn(20))
	}
	r.Neighbours = []event.Neighbour{
		{ID: "1a2b3c4d", Kind: "peer", RTT: 14 + int64(c.random.Intn(8)), Goodput: 900, Late: late},
		{ID: "90ab12cd", Kind: "seed", RTT: 31, Goodput: 350},
		{ID: "ed6e0001", Kind: "edge", RTT: 9, Goodput: 420, Late: late / 3},
	}
	switch {
	case v.n == 1:
		r.Start, r.Wanted = 280+int64(c.random.ExpFloat64()*320), r.Interval-400
		if c.random.Float64() < 0.02 {
			r.Start, r.State, r.Played, r.Delay, v.until = 0, event.Quit, 0, 0, c.now
		}
	case !c.now.Before(v.until):
		r.State, r.Event = event.Quit, event.OnState
	}
	c.add(&r)
}

// serve has the seed of each stream report.
func (c *crowd) serve() {
	for i, s := range streams {
		c.add(&event.Report{
			Stream: s.id, Session: fmt.Sprintf("seed%012d", i), N: c.now.Unix(), At: c.now.UnixMilli(), Event: event.OnInterval, State: event.Playing, Reporter: event.BySeed,
			Interval: tick.Milliseconds(), Rendition: "v0", Signed50: 205 + int64(c.random.Intn(12)), Signed95: 230 + int64(c.random.Intn(30)),
			Here50: 4 + int64(c.random.Intn(4)), Here95: 11 + int64(c.random.Intn(9)), Given: 2e6, Peers: int64(len(c.viewers)),
		})
	}
}

func (c *crowd) add(r *event.Report) {
	c.seq++
	c.rows.Add(&store.Row{Report: *r, Received: c.now.Add(time.Duration(50+c.random.Intn(900)) * time.Millisecond), Seq: c.seq})
}
