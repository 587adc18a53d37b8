package sim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/shoalcast/shoal/swarm/sim"
)

// small is a case that a test can afford: the usual one with fewer viewers for a
// shorter time, who have somewhat more uplink, since a few viewers match worse.
func small(peers int) sim.Options {
	o := sim.Defaults()
	o.Peers, o.Ramp, o.For, o.Uplink, o.Target = peers, 4*time.Second, 10*time.Second, 2.5, 900*time.Millisecond
	return o
}

func run(t *testing.T, o sim.Options, scheme sim.Scheme) *sim.Result {
	t.Helper()
	r, err := sim.Run(t.Context(), o, scheme)
	if err != nil {
		t.Fatal(err)
	}
	if r.FalsePlayed > 0 || r.FalseSent > 0 {
		t.Errorf("%d false blocks were played, %d sent on", r.FalsePlayed, r.FalseSent)
	}
	t.Logf("offload %.3f, stalled %.4f (%d), delay %v, arrival %v, startup %v, control %.3f, duplicate %.3f, dropped %v",
		r.Offload, r.Stalled, r.Stalls, r.Delay, r.Arrival, r.Startup, r.Control, r.Duplicate, r.Dropped)
	return r
}

// bounds that a case must keep.
type bounds struct {
	offload float64 // at least
	stalled float64 // at most
	p95     int     // of the delay, ms, at most
}

func (b bounds) hold(t *testing.T, r *sim.Result) {
	t.Helper()
	if r.Offload < b.offload || r.Stalled > b.stalled || r.Delay.P95 > b.p95 {
		t.Errorf("offload %.3f, stalled %.4f, delay p95 %d ms; want at least %.3f, at most %.4f and %d ms",
			r.Offload, r.Stalled, r.Delay.P95, b.offload, b.stalled, b.p95)
	}
	if r.Never > 0 {
		t.Errorf("%d viewers saw nothing for 10 s and more", r.Never)
	}
}

// What makes the stream or the swarm unusual must not make viewers wait.
func TestViewersFeedEachOther(t *testing.T) {
	for _, c := range []struct {
		what   string
		change func(*sim.Options)
		peers  int
		bounds bounds
	}{
		{"the usual case", func(*sim.Options) {}, 100, bounds{0.6, 0.001, 1300}},
		{"a radio of 64 kbit/s", func(o *sim.Options) { o.Bitrate, o.Uplink, o.Downlink = 64_000, 15, 30 }, 60, bounds{0.5, 0.002, 1300}},
		{"20 Mbit/s", func(o *sim.Options) { o.Bitrate = 20_000_000; o.For = 6 * time.Second }, 30, bounds{0.5, 0.005, 1500}},
		{"a keyframe every 10 s", func(o *sim.Options) { o.GOP = 10 * time.Second }, 60, bounds{0.4, 0.005, 1500}},
		{"5 % of pieces lost before they were signed", func(o *sim.Options) { o.Gaps = 0.05 }, 60, bounds{0.5, 0.005, 1500}},
		{"half give nothing", func(o *sim.Options) { o.FreeRiders = 0.5 }, 60, bounds{0.3, 0.005, 1500}},
		{"nobody gives anything", func(o *sim.Options) { o.FreeRiders = 1 }, 40, bounds{0, 0.005, 1300}},
		{"a crowd that comes at once", func(o *sim.Options) { o.Flash = true; o.Ramp = 8 * time.Second; o.For = 6 * time.Second }, 100, bounds{0.5, 0.005, 1500}},
		{"a fifth leave a minute", func(o *sim.Options) { o.Churn = 0.2 }, 60, bounds{0.5, 0.005, 1500}},
		{"1 % of packets lost", func(o *sim.Options) { o.Loss = 0.01 }, 60, bounds{0.4, 0.005, 1500}},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			o := small(c.peers)
			c.change(&o)
			c.bounds.hold(t, run(t, o, sim.Ours))
		})
	}
}

func TestLiarsAreBannedAndNobodyElse(t *testing.T) {
	t.Parallel()
	o := small(100)
	o.Liars, o.Lossy = 0.1, 0.1
	r := run(t, o, sim.Ours)
	bounds{0.3, 0.01, 2500}.hold(t, r)
	if r.FalseBlocks == 0 || r.LiarsBanned == 0 {
		t.Errorf("%d false blocks came and liars were banned %d times: nobody lied", r.FalseBlocks, r.LiarsBanned)
	}
	if r.WorstLiar > 2 {
		t.Errorf("one peer judged %d false blocks or heads of one liar, more than 2", r.WorstLiar)
	}
	if r.HonestBanned > 0.001 {
		t.Errorf("honest peers were banned in %.4f of connections", r.HonestBanned)
	}
}

func TestFaultsAreOvercome(t *testing.T) {
	for _, c := range []struct {
		what   string
		change func(*sim.Options)
		bounds bounds
	}{
		{"the viewers that give most die", func(o *sim.Options) { o.KillBest, o.KillBestAt = 5, 8*time.Second }, bounds{0.4, 0.005, 1500}},
		{"one of two seeds dies", func(o *sim.Options) { o.Seeds, o.KillSeeds, o.KillSeedsAt = 2, 1, 8*time.Second }, bounds{0.4, 0.005, 1500}},
		{"the last seed dies: the origin feeds the first", func(o *sim.Options) { o.KillSeeds, o.KillSeedsAt = 1, 8*time.Second }, bounds{0, 0.01, 2500}},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			o := small(80)
			c.change(&o)
			c.bounds.hold(t, run(t, o, sim.Ours))
		})
	}
}

// Whose network is down for 3 s stalls for about that long, and is back at live soon.
func TestACutNetworkHeals(t *testing.T) {
	t.Parallel()
	o := small(60)
	o.Churn, o.Cut, o.CutAt, o.CutFor, o.For = 0, 0.3, 6*time.Second, 3*time.Second, 20*time.Second
	cut := run(t, o, sim.Ours)
	if cut.Stalls == 0 || cut.Stalled > 0.3*4/20 {
		t.Errorf("%d stalls, %.3f of the time", cut.Stalls, cut.Stalled)
	}
	if cut.Delay.P50 > 1300 || cut.Never > 0 {
		t.Errorf("the delay is %d ms in the middle; %d saw nothing", cut.Delay.P50, cut.Never)
	}
	if cut.Offload < 0.3 {
		t.Errorf("offload is %.3f after the cut", cut.Offload)
	}
}

// The same options give the same figures, on one processor or many.
func TestRunsRepeat(t *testing.T) {
	t.Parallel()
	table := func(workers int, random uint64) string {
		o := small(200) // from here on more than one goroutine works
		o.Workers, o.Random, o.Ramp, o.For, o.Liars = workers, random, 2*time.Second, 2*time.Second, 0.05
		var b bytes.Buffer
		var results []*sim.Result
		for _, s := range []sim.Scheme{sim.Ours, sim.Pull, sim.HTTP, sim.Tree} {
			results = append(results, run(t, o, s))
		}
		if err := sim.WriteTable(&b, &o, results); err != nil {
			t.Fatal(err)
		}
		if err := json.NewEncoder(&b).Encode(results); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	one := table(1, 1)
	if table(4, 1) != one {
		t.Error("on four processors the figures are others than on one")
	}
	if table(1, 2) == one {
		t.Error("the seed changes nothing")
	}
}

func TestBaselinesAreWhatTheyAre(t *testing.T) {
	t.Parallel()
	o := small(100)
	http, pull, long, tree := run(t, o, sim.HTTP), run(t, o, sim.Pull), run(t, o, sim.PullLong), run(t, o, sim.Tree)
	if http.Offload != 0 || http.Stalled > 0.001 || http.Arrival.P50 > 150 {
		t.Errorf("over HTTP: offload %.3f, stalled %.4f, arrival %v", http.Offload, http.Stalled, http.Arrival)
	}
	if pull.Offload < 0.1 || pull.FromSeeds == 0 {
		t.Errorf("pulling: offload %.3f, %d bytes from seeds", pull.Offload, pull.FromSeeds)
	}
	if long.Delay.P50 < 3000 {
		t.Errorf("pulling pieces of 1 s: delay %v", long.Delay)
	}
	if tree.Arrival.P95 >= pull.Arrival.P95 {
		t.Errorf("with full knowledge pieces arrive within %v, without within %v", tree.Arrival, pull.Arrival)
	}
}

func TestARunCanBeEnded(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	o := small(20)
	o.Progress = func(at, _ time.Duration) {
		if at >= time.Second {
			cancel()
		}
	}
	if _, err := sim.Run(ctx, o, sim.Ours); err == nil {
		t.Error("a cancelled run says nothing")
	}
}

func TestBadOptionsAreRefused(t *testing.T) {
	t.Parallel()
	for what, change := range map[string]func(*sim.Options){
		"no peers":        func(o *sim.Options) { o.Peers = 0 },
		"too many":        func(o *sim.Options) { o.Peers = 1_000_000 },
		"not a share":     func(o *sim.Options) { o.FreeRiders = 20 },
		"huge pieces":     func(o *sim.Options) { o.Bitrate = 200_000_000 },
		"no time":         func(o *sim.Options) { o.For = 0 },
		"short pieces":    func(o *sim.Options) { o.Piece = time.Millisecond },
		"a GOP too short": func(o *sim.Options) { o.GOP = time.Millisecond },
	} {
		o := sim.Defaults()
		change(&o)
		if _, err := sim.Run(t.Context(), o, sim.Ours); err == nil {
			t.Errorf("%s: accepted", what)
		}
	}
}
