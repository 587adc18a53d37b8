package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/shoalcast/shoal/ingest/media"
	"github.com/shoalcast/shoal/internal/rtmptest"
)

const (
	ladderSteps  = "480p,360p,240p"
	ladderRounds = 3
	ladderLength = 30 * time.Second
	ladderSettle = 5 * time.Second
	// ladderSlower is how much later the source may be with a ladder than without.
	ladderSlower = 1.1
)

// benchLadder measures what a ladder of three costs the source that it is made of: how long
// after the camera the origin has its pieces, with the ladder and without, in turn.
func benchLadder(ctx context.Context, r *report, o options) error {
	clip, err := rtmptest.Encode(ctx, rtmptest.Encoding{
		Video: media.H264, Audio: media.AAC, Width: 1280, Height: 720, FPS: fps, Kbps: publishKbps, Duration: 10 * time.Second,
	})
	if err != nil {
		return err
	}
	loop, err := rtmptest.NewLoop(clip)
	if err != nil {
		return err
	}
	var with, without, ratios, steps, cores []float64
	for round := range ladderRounds {
		off, err := ladderRound(ctx, loop, "off", o.orLength(ladderLength))
		if err != nil {
			return err
		}
		on, err := ladderRound(ctx, loop, ladderSteps, o.orLength(ladderLength))
		if err != nil {
			return err
		}
		fmt.Printf("round %d: p95 of v0 %.1f ms without, %.1f ms with a ladder, whose slowest step has %.1f ms and which takes %.2f of a core\n",
			round+1, ms(off.source), ms(on.source), ms(on.steps), on.cores)
		with, without, ratios = append(with, ms(on.source)), append(without, ms(off.source)), append(ratios, ms(on.source)/ms(off.source))
		steps, cores = append(steps, ms(on.steps)), append(cores, on.cores)
	}
	ratio := median(ratios)
	r.add(fmt.Sprintf("camera to origin, v0 of 720p30: p95 %.1f ms with a ladder of %s, %.1f ms without", median(with), ladderSteps, median(without)),
		fmt.Sprintf("%.2f ×", ratio), "≤ 1.1 ×", ratio <= ladderSlower)
	r.note("camera to origin, p95 of the slowest step", fmt.Sprintf("%.0f ms", median(steps)))
	r.note("the ladder's encoder", fmt.Sprintf("%.2f of a core", median(cores)))
	return nil
}

type ladderDelays struct {
	source, steps time.Duration // p95, camera to origin
	cores         float64       // that the encoder takes
}

func ladderRound(ctx context.Context, loop *rtmptest.Loop, ladder string, length time.Duration) (d ladderDelays, err error) {
	s, err := startShoal(ctx, "--renditions", ladder)
	if err != nil {
		return d, err
	}
	defer s.stop()
	stream, err := s.addStream(ctx, "ladder")
	if err != nil {
		return d, err
	}
	sent := &sentFrames{}
	stop := publishAll(ctx, loop, []string{stream.RTMP}, func(int) func(rtmptest.Sent) { return sent.add })
	defer stop()
	if err := pause(ctx, ladderSettle); err != nil {
		return d, err
	}
	renditions := []string{"v0"}
	var encoder int
	var used time.Duration
	if ladder != "off" {
		renditions = append(renditions, "v1", "v2", "v3")
		encoder = childOf(s.cmd.Process.Pid)
		if used, err = cpu(encoder); err != nil {
			return d, err
		}
	}
	began := time.Now()
	delays := make([][]time.Duration, len(renditions))
	g, gctx := errgroup.WithContext(ctx)
	for i, rendition := range renditions {
		g.Go(func() error {
			var err error
			delays[i], err = cameraDelays(gctx, s.at.HTTP+"/live/ladder/"+rendition, sent, began.Add(length))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return d, err
	}
	if encoder != 0 {
		now, err := cpu(encoder)
		if err != nil {
			return d, fmt.Errorf("the encoder did not last: %w", err)
		}
		d.cores = (now - used).Seconds() / time.Since(began).Seconds()
	}
	d.source = quantile(delays[0], 0.95)
	for _, of := range delays[1:] {
		d.steps = max(d.steps, quantile(of, 0.95))
	}
	return d, nil
}

// cameraDelays returns how long after the first frame of a piece was sent it was listed
// at the origin, for every piece until a moment.
func cameraDelays(ctx context.Context, base string, sent *sentFrames, until time.Time) ([]time.Duration, error) {
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	var all []time.Duration
	for n := sent.count()/framesAPiece + 2; time.Now().Before(until); n++ {
		if err := get(ctx, client, fmt.Sprintf("%s/index.m3u8?_HLS_msn=%d&_HLS_part=%d", base, n/partsASecond, n%partsASecond)); err != nil {
			return nil, err
		}
		now := time.Now()
		at, ok := sent.frame(n * framesAPiece)
		if !ok {
			return nil, fmt.Errorf("%s lists a part before its first frame was sent", base)
		}
		all = append(all, now.Sub(at))
	}
	return all, nil
}
