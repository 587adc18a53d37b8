package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/shoalcast/shoal/ingest/media"
	"github.com/shoalcast/shoal/internal/rtmptest"
)

const (
	publishers   = 20
	publishKbps  = 4000
	fillWindow   = 40 * time.Second // more than the live window
	measureCPU   = 30 * time.Second
	measureDelay = 60 * time.Second
	rounds       = 3 // of the comparison, alternating
	fps          = 30
	framesAPiece = 6 // 200 ms
	partsASecond = 5 // and a segment: one keyframe a second
)

// benchLoad puts 20 publishers of 4 Mbps on Shoal and on nginx-rtmp.
func benchLoad(ctx context.Context, r *report) error {
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
	fmt.Printf("%d publishers of %.2f Mbps\n", publishers, loop.BitsPerSecond()/1e6)
	var ours, theirs []float64
	for round := range rounds {
		a, err := shoalLoad(ctx, r, loop, round == rounds-1)
		if err != nil {
			return err
		}
		b, err := nginxLoad(ctx, loop)
		if err != nil {
			return err
		}
		fmt.Printf("round %d: shoal %.1f %% of a core, nginx-rtmp %.1f %%\n", round+1, a, b)
		ours, theirs = append(ours, a), append(theirs, b)
	}
	a, b := median(ours), median(theirs)
	r.add(fmt.Sprintf("CPU, %d × 4 Mbps: shoal up %.1f %%, nginx-rtmp worker %.1f %% of a core", publishers, a, b),
		fmt.Sprintf("%.2f ×", a/b), "≤ 4 ×", a <= 4*b)
	return nil
}

// shoalLoad returns the share of a core that shoal up uses, in percent. The last round
// also measures memory and the release of playlists.
func shoalLoad(ctx context.Context, r *report, loop *rtmptest.Loop, last bool) (float64, error) {
	s, err := startShoal(ctx)
	if err != nil {
		return 0, err
	}
	defer s.stop()
	names, urls := make([]string, publishers), make([]string, publishers)
	for i := range publishers {
		names[i] = fmt.Sprintf("load%d", i)
		out, err := s.run(ctx, "stream", "add", names[i], "--json")
		if err != nil {
			return 0, err
		}
		var added struct {
			URL string `json:"rtmp_url"`
		}
		if err := json.Unmarshal(out, &added); err != nil {
			return 0, fmt.Errorf("read stream add: %w", err)
		}
		urls[i] = added.URL
	}
	sent := make([]*sentFrames, publishers)
	for i := range sent {
		sent[i] = &sentFrames{}
	}
	stop := publishAll(ctx, loop, urls, func(i int) func(rtmptest.Sent) { return sent[i].add })
	defer stop()
	fill := 10 * time.Second
	if last {
		fill = fillWindow
	}
	if err := pause(ctx, fill); err != nil {
		return 0, err
	}
	share, err := cpuShare(ctx, s.cmd.Process.Pid, measureCPU)
	if err != nil || !last {
		return share, err
	}
	memory, err := resident(s.cmd.Process.Pid)
	if err != nil {
		return 0, err
	}
	window := int64(loop.BitsPerSecond()/8*30) * publishers
	bound := 2*window + publishers*5e6
	r.add(fmt.Sprintf("resident memory, window %d MB", window/1e6), fmt.Sprintf("%d MB", memory/1e6), fmt.Sprintf("≤ %d MB", bound/1e6), memory <= bound)

	delays, err := releaseDelays(ctx, s.at.HTTP, names, sent)
	if err != nil {
		return 0, err
	}
	p50, p99 := quantile(delays, 0.5), quantile(delays, 0.99)
	r.add(fmt.Sprintf("last byte sent → playlist released, p50 of %d", len(delays)), p50.Round(100*time.Microsecond).String(), "≤ 15ms", p50 <= 15*time.Millisecond)
	r.add("last byte sent → playlist released, p99", p99.Round(100*time.Microsecond).String(), "≤ 60ms", p99 <= 60*time.Millisecond)
	return share, nil
}

func nginxLoad(ctx context.Context, loop *rtmptest.Loop) (float64, error) {
	n, err := startNginx(ctx, nginxPlaylist)
	if err != nil {
		return 0, err
	}
	defer n.stop()
	urls := make([]string, publishers)
	for i := range urls {
		urls[i] = fmt.Sprintf("%s/load%d", n.rtmp, i)
	}
	stop := publishAll(ctx, loop, urls, func(int) func(rtmptest.Sent) { return nil })
	defer stop()
	if err := pause(ctx, 10*time.Second); err != nil {
		return 0, err
	}
	if _, err := os.Stat(n.dir + "/hls/load0.m3u8"); err != nil {
		return 0, fmt.Errorf("nginx-rtmp makes no HLS: %w", err)
	}
	return cpuShare(ctx, n.worker, measureCPU)
}

// publishAll publishes the loop to every URL until stop is called, starts spread over a
// second as publishers' are.
func publishAll(ctx context.Context, loop *rtmptest.Loop, urls []string, on func(int) func(rtmptest.Sent)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for i, url := range urls {
		wg.Go(func() {
			if pause(ctx, time.Second*time.Duration(i)/time.Duration(len(urls))) != nil {
				return
			}
			if err := loop.Publish(ctx, url, rtmptest.PublishOptions{OnVideo: on(i)}); err != nil && ctx.Err() == nil {
				fmt.Printf("publisher %d ended: %v\n", i, err)
			}
		})
	}
	return func() {
		cancel()
		wg.Wait()
	}
}

// sentFrames remembers when each video frame had left the publisher.
type sentFrames struct {
	mu sync.Mutex
	at []time.Time
}

func (f *sentFrames) add(s rtmptest.Sent) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.at = append(f.at, s.Written)
}

func (f *sentFrames) frame(n int) (time.Time, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n >= len(f.at) {
		return time.Time{}, false
	}
	return f.at[n], true
}

func (f *sentFrames) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.at)
}

// releaseDelays has one client a stream ask for each next part, as a player does, and
// returns how long after the part's last frame was sent each answer came.
func releaseDelays(ctx context.Context, base string, names []string, sent []*sentFrames) ([]time.Duration, error) {
	var mu sync.Mutex
	var all []time.Duration
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: publishers}}
	defer client.CloseIdleConnections()
	group, ctx := errgroup.WithContext(ctx)
	until := time.Now().Add(measureDelay)
	for i, name := range names {
		group.Go(func() error {
			for n := sent[i].count()/framesAPiece + 2; time.Now().Before(until); n++ {
				url := fmt.Sprintf("%s/live/%s/v0/index.m3u8?_HLS_msn=%d&_HLS_part=%d", base, name, n/partsASecond, n%partsASecond)
				if err := get(ctx, client, url); err != nil {
					return err
				}
				now := time.Now()
				if at, ok := sent[i].frame(n*framesAPiece + framesAPiece - 1); ok {
					mu.Lock()
					all = append(all, now.Sub(at))
					mu.Unlock()
				} else {
					return errors.New("a part was listed before its last frame was sent: pieces are not where the bench thinks")
				}
			}
			return nil
		})
	}
	return all, group.Wait()
}

func get(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %d", url, res.StatusCode)
	}
	return nil
}

func cpuShare(ctx context.Context, pid int, d time.Duration) (percent float64, err error) {
	before, err := cpu(pid)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	if err := pause(ctx, d); err != nil {
		return 0, err
	}
	after, err := cpu(pid)
	return 100 * float64(after-before) / float64(time.Since(began)), err
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

func quantile(v []time.Duration, q float64) time.Duration {
	if len(v) == 0 {
		return 0
	}
	v = slices.Sorted(slices.Values(v))
	return v[min(len(v)-1, int(q*float64(len(v))))]
}
