package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/shoalcast/shoal/ingest/media"
	"github.com/shoalcast/shoal/internal/rtmptest"
)

const (
	peersViewers  = 30
	peersKbps     = 2000
	peersArrive   = 10 * time.Second // in which the viewers start
	peersSettle   = 10 * time.Second // before anything is measured
	peersLength   = 2 * time.Minute
	peersBaseline = 30 * time.Second // of the same over HTTP alone
)

// benchPeers lets viewers in processes of their own watch one stream, as peers and then
// over HTTP alone.
func benchPeers(ctx context.Context, r *report, o options) error {
	clip, err := rtmptest.Encode(ctx, rtmptest.Encoding{
		Video: media.H264, Audio: media.AAC, Width: 640, Height: 360, FPS: fps, Kbps: peersKbps, Duration: 10 * time.Second,
	})
	if err != nil {
		return err
	}
	loop, err := rtmptest.NewLoop(clip)
	if err != nil {
		return err
	}
	n := cmp.Or(o.viewers, peersViewers)
	ours, err := crowd(ctx, loop, n, o.orLength(peersLength))
	if err != nil {
		return err
	}
	plain, err := crowd(ctx, loop, n, min(o.orLength(peersLength), peersBaseline), "--http-only")
	if err != nil {
		return fmt.Errorf("over HTTP alone: %w", err)
	}
	ours.print("as peers")
	plain.print("over HTTP alone")
	title := fmt.Sprintf("%d viewers, %.2f Mbps, %s: ", n, ours.bitrate()/1e6, ours.length.Round(time.Second))
	r.add(fmt.Sprintf("%sseed egress, HTTP alone %.1f ×", title, plain.egress()),
		fmt.Sprintf("%.2f ×", ours.egress()), "≤ 3 ×", ours.egress() <= 3)
	r.add(title+"offload", fmt.Sprintf("%.1f %%", 100*ours.offload()), "≥ 90 %", ours.offload() >= 0.9)
	r.add(fmt.Sprintf("%sstalls, HTTP alone %d", title, plain.stalls), fmt.Sprint(ours.stalls), "0", ours.stalls == 0)
	added := ours.added(1)
	r.add(fmt.Sprintf("%sadded delay p95, worst viewer, HTTP alone %.0f ms", title, plain.added(1)),
		fmt.Sprintf("%.0f ms", added), "≤ 150 ms", added <= 150)
	r.note("the same, median viewer's p50 and p95", fmt.Sprintf("%.0f, %.0f ms", float64(middle(ours.p50))-ours.seedHas, ours.added(0.5)))
	r.note(fmt.Sprintf("a core's time: shoal up %.0f %%, HTTP alone %.0f %%", ours.seedCPU, plain.seedCPU), fmt.Sprintf("%.2f ×", ours.seedCPU/plain.seedCPU))
	r.note(fmt.Sprintf("a core's time: viewers %.0f %%, HTTP alone %.0f %%", ours.viewerCPU, plain.viewerCPU), fmt.Sprintf("%.2f ×", ours.viewerCPU/plain.viewerCPU))
	return nil
}

// seenCrowd is what was measured of a stream and its viewers in a stretch of time.
type seenCrowd struct {
	viewers             int
	length              time.Duration
	seed, origin        float64 // bytes that went out: blocks to the swarm, pieces by HTTP
	bodies              float64 // bytes of all of HTTP's answers
	peer, all           int64   // bytes that all viewers verified
	stalls, early       int64   // in that time, and before it
	p50, p95            []int64 // ms from signature to verification, one a viewer, sorted
	seedHas             float64 // ms from signature until the seed has a piece, mean
	seedCPU, viewerCPU  float64 // percent of a core
	peers               []int64 // connections, one a viewer, sorted
	duplicate, rejected int64
}

// bitrate is what a viewer gets, in bit/s.
func (c *seenCrowd) bitrate() float64 {
	return 8 * float64(c.all) / float64(c.viewers) / c.length.Seconds()
}

// egress is what left the server for the pieces, in bitrates.
func (c *seenCrowd) egress() float64 {
	return 8 * (c.seed + c.origin) / c.length.Seconds() / c.bitrate()
}

func (c *seenCrowd) offload() float64 { return float64(c.peer) / float64(c.all) }

// added is how much later than the seed a viewer had 95 % of the pieces, in ms, for the
// viewer that comes at q of all.
func (c *seenCrowd) added(q float64) float64 { return float64(at(c.p95, q)) - c.seedHas }

func (c *seenCrowd) print(title string) {
	fmt.Printf("%-16s sent %.1f MB as blocks, %.1f MB as pieces, %.1f MB in all by HTTP; viewers verified %.1f MB each, %.1f %% from peers; %d stalls, %d while joining\n",
		title, c.seed/1e6, c.origin/1e6, c.bodies/1e6, float64(c.all)/1e6/float64(c.viewers), 100*c.offload(), c.stalls, c.early)
	fmt.Printf("%-16s signed → verified: median viewer p50 %d, p95 %d ms, worst %d, %d ms; seed %.1f ms; %d to %d connections; %.2f %% duplicate, %d rejected\n",
		"", middle(c.p50), middle(c.p95), at(c.p50, 1), at(c.p95, 1), c.seedHas, c.peers[0], at(c.peers, 1), 100*float64(c.duplicate)/float64(c.all), c.rejected)
}

func at(sorted []int64, q float64) int64 {
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

func middle(sorted []int64) int64 { return at(sorted, 0.5) }

// crowd starts a server, a publisher and viewers, and measures them once all are there.
func crowd(ctx context.Context, loop *rtmptest.Loop, n int, length time.Duration, args ...string) (*seenCrowd, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := startShoal(ctx)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	added, err := s.addStream(ctx, "crowd")
	if err != nil {
		return nil, err
	}
	stop := publishAll(ctx, loop, []string{added.RTMP}, func(int) func(rtmptest.Sent) { return nil })
	defer stop()
	if err := pause(ctx, 4*time.Second); err != nil {
		return nil, err
	}
	var viewers []*watching
	defer func() {
		for _, v := range viewers {
			v.stop()
		}
	}()
	args = append([]string{"--ice-servers", s.at.STUN}, args...)
	for range n {
		v, err := startWatching(ctx, added.Watch, args...)
		if err != nil {
			return nil, err
		}
		viewers = append(viewers, v)
		if err := pause(ctx, peersArrive/time.Duration(n)); err != nil {
			return nil, err
		}
	}
	if err := pause(ctx, peersSettle); err != nil {
		return nil, err
	}
	before, err := count(ctx, s, viewers)
	if err != nil {
		return nil, err
	}
	if err := pause(ctx, length); err != nil {
		return nil, err
	}
	after, err := count(ctx, s, viewers)
	if err != nil {
		return nil, err
	}
	return after.since(before), nil
}

// counted is what there is to read at a moment.
type counted struct {
	at        time.Time
	metrics   map[string]float64
	seedCPU   time.Duration
	viewerCPU time.Duration
	lines     []watchLine
}

func count(ctx context.Context, s *shoal, viewers []*watching) (counted, error) {
	c := counted{at: time.Now()}
	var err error
	if c.metrics, err = scrape(ctx, s.at.HTTP+"/metrics"); err != nil {
		return c, err
	}
	if c.seedCPU, err = cpu(s.cmd.Process.Pid); err != nil {
		return c, err
	}
	for _, v := range viewers {
		used, err := cpu(v.cmd.Process.Pid)
		if err != nil {
			return c, err
		}
		c.viewerCPU += used
		l, err := v.latest()
		if err != nil {
			return c, err
		}
		c.lines = append(c.lines, l)
	}
	return c, nil
}

// since returns what has come since another look.
func (c counted) since(b counted) *seenCrowd {
	d := func(name string) float64 { return c.metrics[name] - b.metrics[name] }
	mean := func(name string) float64 { return 1000 * d(name+"_sum") / max(1, d(name+"_count")) }
	length := c.at.Sub(b.at)
	s := &seenCrowd{
		viewers: len(c.lines), length: length,
		seed: d("shoal_seed_sent_bytes_total"), origin: d(`shoal_origin_sent_bytes_total{kind="piece"}`),
		seedHas:   mean("shoal_origin_release_seconds") - mean("shoal_packager_delay_seconds"),
		seedCPU:   100 * float64(c.seedCPU-b.seedCPU) / float64(length),
		viewerCPU: 100 * float64(c.viewerCPU-b.viewerCPU) / float64(length),
	}
	for _, kind := range []string{"piece", "segment", "init", "playlist", "manifest", "archive", "api"} {
		s.bodies += d(`shoal_origin_sent_bytes_total{kind="` + kind + `"}`)
	}
	for i, l := range c.lines {
		was := b.lines[i]
		peer := l.Bytes.Peer - was.Bytes.Peer
		s.peer += peer
		s.all += peer + l.Bytes.Seed - was.Bytes.Seed + l.Bytes.Edge - was.Bytes.Edge + l.Bytes.Origin - was.Bytes.Origin
		s.stalls += l.Stalls - was.Stalls
		s.early += was.Stalls
		s.duplicate += l.BytesDuplicate - was.BytesDuplicate
		s.rejected += l.PiecesRejected + l.BlocksRejected
		s.p50, s.p95 = append(s.p50, l.BehindMS.P50), append(s.p95, l.BehindMS.P95)
		s.peers = append(s.peers, l.Peers)
	}
	slices.Sort(s.p50)
	slices.Sort(s.p95)
	slices.Sort(s.peers)
	return s
}
