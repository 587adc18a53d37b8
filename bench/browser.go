package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	browserTabs   = 6
	browserApart  = 500 * time.Millisecond
	browserSettle = 3 * time.Second
	browserLength = time.Minute
	browserQuiet  = 30 * time.Second // in which nobody reads the clock: the pages' own processor time
	browserLates  = 3                // tabs that come when all is measured, one after the other
	browserLate   = 8 * time.Second  // how long each of them plays
	browserChange = 5 * time.Second
	soakLength    = 30 * time.Minute
	soakWarm      = 2 * time.Minute // in which buffers and windows fill
	soakEvery     = 30 * time.Second
	browserOut    = "bench/out/browser.json"
)

// browserPicture takes 1 Mbps with its sound.
var browserPicture = picture{320, 180, 904}

// browserSystems are what shows the picture, in the order in which they are measured.
var browserSystems = []struct {
	name, title string
	churn       bool
	serve       func(context.Context) (*served, error)
}{
	{name: "edge", title: "ours, HTTP alone", serve: func(ctx context.Context) (*served, error) { return serveOurs(ctx, "edge") }},
	{name: "share", title: "ours", serve: func(ctx context.Context) (*served, error) { return serveOurs(ctx, "share") }},
	{name: "churn", title: "ours, tabs change", churn: true, serve: func(ctx context.Context) (*served, error) { return serveOurs(ctx, "share") }},
	{name: "p2pml", title: "p2p-media-loader", serve: p2pmlDefaults.serve},
	{name: "p2pml-near", title: "p2pml at 6 s", serve: p2pmlNear.serve},
	{name: "p2pml-far", title: "p2pml at 13 s", serve: p2pmlFar.serve},
}

func systemNames() []string {
	var names []string
	for _, s := range browserSystems {
		names = append(names, s.name)
	}
	return names
}

// benchBrowser lets tabs watch one camera in each system, and compares what they saw.
func benchBrowser(ctx context.Context, r *report, o options) error {
	if err := installPackages(ctx); err != nil {
		return err
	}
	if o.soak {
		return benchSoak(ctx, r, o)
	}
	figures := map[string]*tabFigures{}
	for _, s := range browserSystems {
		if o.only != "" && !slices.Contains(strings.Split(o.only, ","), s.name) {
			continue
		}
		plan := browserPlan{
			Tabs: cmp.Or(o.viewers, browserTabs), Apart: browserApart.Milliseconds(), Settle: browserSettle.Milliseconds(),
			Length: o.orLength(browserLength).Milliseconds(), Quiet: min(o.orLength(browserQuiet), browserQuiet).Milliseconds(), Lates: browserLates, Late: browserLate.Milliseconds(),
		}
		if s.churn {
			plan.Change, plan.Quiet, plan.Lates = browserChange.Milliseconds(), 0, 0
		}
		f, err := measureTabs(ctx, s.title, s.serve, plan)
		if err != nil {
			return fmt.Errorf("%s: %w", s.title, err)
		}
		figures[s.name] = f
		f.print(s.title)
	}
	if len(figures) == 0 {
		return fmt.Errorf("-only %s names none of %s", o.only, strings.Join(systemNames(), ", "))
	}
	judge(r, figures)
	if err := addSize(ctx, r); err != nil {
		return err
	}
	return writeFigures(figures)
}

// tabFigures is what was measured of one system. Bytes are those from the first tab's
// opening to the end of the measured time: the joins are part of them.
type tabFigures struct {
	Tabs        int       `json:"tabs"`
	Seconds     float64   `json:"seconds"`
	Frames      int       `json:"frames"`         // displayed in the measured time
	DelayP50    float64   `json:"delay_p50_ms"`   // of all of them
	DelayP95    float64   `json:"delay_p95_ms"`   // of all of them
	Stalls      int       `json:"stalls"`         // from each tab's first frame to its end
	Waits       int       `json:"waits"`          // the same, however short
	LongestHold float64   `json:"longest_ms"`     // that a playhead was held
	FirstFrames []float64 `json:"first_frame_ms"` // one a tab
	FirstFrame  float64   `json:"first_frame_median_ms"`
	LateFirst   float64   `json:"late_first_frame_median_ms"` // of tabs that came late, median; 0: none did
	Media       float64   `json:"server_media_bytes"`
	Lists       float64   `json:"server_list_bytes"`
	Played      float64   `json:"played_bytes"` // that tabs took, each once
	FromPeers   float64   `json:"peer_bytes"`
	FromSeed    float64   `json:"seed_bytes"`
	FromOrigin  float64   `json:"origin_bytes"`
	Offload     float64   `json:"offload"`                           // 1 − server's media ÷ played
	Possible    float64   `json:"offload_of_possible"`               // the same ÷ (N−1)/N
	Later       float64   `json:"offload_of_possible_measured_time"` // the same without the joins; 0 where tabs change
	TabCPU      float64   `json:"tab_cpu_percent"`                   // of a core, while nobody reads the clock
	TabCPURead  float64   `json:"tab_cpu_reading_percent"`           // of a core, in the measured time
	Idle        float64   `json:"idle"`                              // share of all processors, in the measured time
	IdleQuiet   float64   `json:"idle_quiet"`
	StoodStill  bool      `json:"machine_stood_still"` // a phase took far longer than it was to
	IdleJoining float64   `json:"idle_joining"`
	Load        float64   `json:"load_average"` // at the end of the measured time
}

func measureTabs(ctx context.Context, title string, serve func(context.Context) (*served, error), plan browserPlan) (*tabFigures, error) {
	fmt.Printf("%s: %d tabs\n", title, plan.Tabs)
	s, err := serve(ctx)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	if err := pause(ctx, s.ready); err != nil {
		return nil, err
	}
	saw, err := drive(ctx, title, s, plan)
	if err != nil {
		return nil, err
	}
	return saw.figures(plan)
}

func (b *browserSaw) figures(plan browserPlan) (*tabFigures, error) {
	opening, began, ended := b.moments["opening"], b.moments["measuring"], b.moments["measured"]
	length := ended.at.Sub(began.at)
	f := &tabFigures{
		Tabs: plan.Tabs, Seconds: length.Seconds(), Load: ended.load,
		Idle: ended.ticks.idleSince(began.ticks), IdleJoining: began.ticks.idleSince(opening.ticks),
		TabCPURead: 100 * float64(ended.cpu-began.cpu) / float64(length) / float64(plan.Tabs),
	}
	if quiet, end := b.moments["quiet"], b.moments["quiet ended"]; !end.at.IsZero() {
		f.StoodStill = longer(end.at.Sub(quiet.at), plan.Quiet)
		f.IdleQuiet = end.ticks.idleSince(quiet.ticks)
		f.TabCPU = 100 * float64(end.cpu-quiet.cpu) / float64(end.at.Sub(quiet.at)) / float64(plan.Tabs)
	}
	f.StoodStill = f.StoodStill || longer(length, plan.Length+plan.Change)
	var delays []float64
	bad := 0
	for _, t := range b.tabs {
		if t.Hidden {
			return nil, errors.New("a tab was hidden: Chromium slows its timers, and nothing of it can be compared")
		}
		delays = append(delays, t.Delays...)
		bad += t.Bad
		f.Stalls, f.Waits, f.LongestHold = f.Stalls+t.Stalls, f.Waits+t.Waits, max(f.LongestHold, t.LongestMS)
		if t.FirstFrame != nil {
			f.FirstFrames = append(f.FirstFrames, *t.FirstFrame)
		}
		f.Played += t.bytes()
		f.FromPeers, f.FromSeed, f.FromOrigin = f.FromPeers+t.Stats.Bytes.Peer, f.FromSeed+t.Stats.Bytes.Seed, f.FromOrigin+t.Stats.Bytes.Origin+t.Stats.Bytes.Edge
	}
	if len(delays) == 0 || len(f.FirstFrames) == 0 {
		return nil, errors.New("no tab showed a readable clock")
	}
	if bad > len(delays)/100 {
		return nil, fmt.Errorf("%d of %d frames had no readable clock", bad, len(delays))
	}
	f.Frames = len(delays)
	f.DelayP50, f.DelayP95 = ms(quantileMS(delays, 0.5)), ms(quantileMS(delays, 0.95))
	f.FirstFrame = median(f.FirstFrames)
	var lates []float64
	for _, t := range b.late {
		f.Stalls, f.Waits = f.Stalls+t.Stalls, f.Waits+t.Waits
		lates = append(lates, *t.FirstFrame)
	}
	if len(lates) > 0 {
		f.LateFirst = median(lates)
	}
	all := ended.sent.since(opening.sent)
	f.Media, f.Lists = all.media, all.lists
	if f.Played > 0 && plan.Tabs > 1 {
		f.Offload = 1 - f.Media/f.Played
		possible := float64(plan.Tabs-1) / float64(plan.Tabs)
		f.Possible = f.Offload / possible
		if plan.Change == 0 {
			f.Later = (1 - ended.sent.since(began.sent).media/(f.Played-began.played)) / possible
		}
	}
	return f, nil
}

// longer tells whether a phase took far longer than it was to, in milliseconds.
func longer(took time.Duration, planned int64) bool {
	return took > time.Duration(planned)*time.Millisecond+5*time.Second
}

func (f *tabFigures) print(title string) {
	fmt.Printf("%-18s delay p50 %.0f, p95 %.0f ms (%d frames, %.1f a second and tab); %d stalls, %d waits, longest %.0f ms; first frame %.0f ms, late tabs' %.0f ms\n",
		title, f.DelayP50, f.DelayP95, f.Frames, float64(f.Frames)/f.Seconds/float64(f.Tabs), f.Stalls, f.Waits, f.LongestHold, f.FirstFrame, f.LateFirst)
	fmt.Printf("%-18s played %.2f MB: %.2f from peers, %.2f from seeds, %.2f by HTTP; servers sent %.2f MB of media, %.2f of playlists; offload %.1f %%, %.1f %% of the possible, %.1f %% without the joins\n",
		"", f.Played/1e6, f.FromPeers/1e6, f.FromSeed/1e6, f.FromOrigin/1e6, f.Media/1e6, f.Lists/1e6, 100*f.Offload, 100*f.Possible, 100*f.Later)
	fmt.Printf("%-18s a core's time a tab: %.1f %%, with the clock read %.1f %%; processors idle %.0f %% joining, %.0f %% measured, %.0f %% quiet; load %.1f of %d\n",
		"", f.TabCPU, f.TabCPURead, 100*f.IdleJoining, 100*f.Idle, 100*f.IdleQuiet, f.Load, runtime.NumCPU())
	if f.StoodStill {
		fmt.Printf("%-18s a phase took far longer than it was to: the machine stood still meanwhile, and the figures say nothing\n", "")
	}
	if f.Idle < starved {
		fmt.Printf("%-18s the processors were idle less than %.0f %% of the time: figures of this run are those of a starved machine\n", "", 100*starved)
	}
}

// starved is the share of idle time below which a run says little of what runs in it.
const starved = 0.1

// judge compares the systems that were measured with their bounds, and with each other.
func judge(r *report, figures map[string]*tabFigures) {
	share, edge, churn := figures["share"], figures["edge"], figures["churn"]
	if share != nil {
		title := fmt.Sprintf("%d tabs, %.0f s: ", share.Tabs, share.Seconds)
		r.add(title+"delay p50", fmt.Sprintf("%.0f ms", share.DelayP50), "≤ 900 ms", share.DelayP50 <= 900)
		r.add(title+"delay p95", fmt.Sprintf("%.0f ms", share.DelayP95), "≤ 1300 ms", share.DelayP95 <= 1300)
		r.add(title+"offload, of the possible", fmt.Sprintf("%.1f %%", 100*share.Possible), "≥ 90 %", share.Possible >= 0.9)
		r.note(title+"the same without the joins", fmt.Sprintf("%.1f %%", 100*share.Later))
		r.add(fmt.Sprintf("%sstalls, and %d waits", title, share.Waits), strconv.Itoa(share.Stalls), "0", share.Stalls == 0)
		r.add(title+"first frame, median", fmt.Sprintf("%.0f ms", share.FirstFrame), "≤ 600 ms", share.FirstFrame <= 600)
		r.add("first frame of one more tab, late, median of 3", fmt.Sprintf("%.0f ms", share.LateFirst), "≤ 600 ms", share.LateFirst <= 600)
	}
	if share != nil && edge != nil {
		r.add(fmt.Sprintf("delay p50 over HTTP alone, %.0f ms", edge.DelayP50), fmt.Sprintf("%+.0f ms", share.DelayP50-edge.DelayP50), "≤ 400 ms", share.DelayP50-edge.DelayP50 <= 400)
		r.add(fmt.Sprintf("delay p95 over HTTP alone, %.0f ms", edge.DelayP95), fmt.Sprintf("%+.0f ms", share.DelayP95-edge.DelayP95), "≤ 400 ms", share.DelayP95-edge.DelayP95 <= 400)
		ratio := share.TabCPU / edge.TabCPU
		r.add(fmt.Sprintf("a tab's processor time: %.1f %% of a core, HTTP alone %.1f %%", share.TabCPU, edge.TabCPU), fmt.Sprintf("%.2f ×", ratio), "≤ 1.6 ×", ratio <= 1.6)
	}
	if churn != nil {
		title := fmt.Sprintf("%d tabs, one replaced every %s: ", churn.Tabs, browserChange)
		r.add(fmt.Sprintf("%sstalls, and %d waits", title, churn.Waits), strconv.Itoa(churn.Stalls), "0", churn.Stalls == 0)
		r.add(title+"offload, of the possible", fmt.Sprintf("%.1f %%", 100*churn.Possible), "≥ 80 %", churn.Possible >= 0.8)
		r.note(title+"delay p50 and p95", fmt.Sprintf("%.0f, %.0f ms", churn.DelayP50, churn.DelayP95))
	}
	for _, s := range browserSystems {
		if f := figures[s.name]; f != nil && strings.HasPrefix(s.name, "p2pml") {
			r.note("beside "+s.title+": delay p50 and p95", fmt.Sprintf("%.0f, %.0f ms", f.DelayP50, f.DelayP95))
			r.note("beside "+s.title+": offload, of the possible", fmt.Sprintf("%.1f %%", 100*f.Possible))
			r.note(fmt.Sprintf("beside %s: stalls, and %d waits", s.title, f.Waits), strconv.Itoa(f.Stalls))
			r.note("beside "+s.title+": first frame, median and late tabs'", fmt.Sprintf("%.0f, %.0f ms", f.FirstFrame, f.LateFirst))
			r.note("beside "+s.title+": a tab's processor time", fmt.Sprintf("%.1f %%", f.TabCPU))
		}
	}
}

var gzipped = regexp.MustCompile(`([0-9.]+) kB gzipped`)

// addSize adds what web's own command for it says of the player library, of
// which it speaks first.
func addSize(ctx context.Context, r *report) error {
	cmd := exec.CommandContext(ctx, "npm", "run", "--silent", "size")
	cmd.Dir = "web"
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("ask web for the library's size: %w", err)
	}
	fmt.Printf("%s", out)
	found := gzipped.FindSubmatch(out)
	if found == nil {
		return fmt.Errorf("ask web for the library's size: it says %q", out)
	}
	size, err := strconv.ParseFloat(string(found[1]), 64)
	if err != nil {
		return fmt.Errorf("ask web for the library's size: %w", err)
	}
	r.add("player library, gzipped, without hls.js", fmt.Sprintf("%.1f KB", size), "≤ 120 KB", size <= 120)
	return nil
}

func writeFigures(figures map[string]*tabFigures) error {
	b, err := json.MarshalIndent(figures, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", browserOut, err)
	}
	if err := os.MkdirAll("bench/out", 0o750); err != nil {
		return err
	}
	fmt.Printf("%s\n", b)
	return os.WriteFile(browserOut, append(b, '\n'), 0o600)
}
