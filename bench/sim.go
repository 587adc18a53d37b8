package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/shoalcast/shoal/swarm/sim"
)

const (
	simPeers     = 10_000
	simFew       = 100
	simAtMost    = 5 * time.Minute
	simMatrixVar = "BENCH_RTT" // names a file with measured round trips, for want of a generated matrix
)

// benchSim simulates a large swarm, a small one, and other ways to reach the large one's
// viewers.
func benchSim(ctx context.Context, r *report, o options) error {
	few, _, err := simulate(ctx, o, simFew, sim.Ours)
	if err != nil {
		return err
	}
	peers := cmp.Or(o.viewers, simPeers)
	many, took, err := simulate(ctx, o, peers, sim.Ours)
	if err != nil {
		return err
	}
	others, _, err := simulate(ctx, o, peers, sim.Pull, sim.PullLong, sim.HTTP, sim.Tree)
	if err != nil {
		return err
	}
	ours := many[0]
	beside := func(of func(*sim.Result) string) string {
		s := ""
		for _, o := range others {
			s += fmt.Sprintf(", %s %s", o.Scheme, of(o))
		}
		return s
	}
	title := strconv.Itoa(peers) + " simulated viewers, 1 Mbps: "
	r.add(title+"offload"+beside(func(o *sim.Result) string { return fmt.Sprintf("%.1f %%", 100*o.Offload) }),
		fmt.Sprintf("%.1f %%", 100*ours.Offload), "≥ 95 %", ours.Offload >= 0.95)
	r.add(title+"stalled time"+beside(func(o *sim.Result) string { return fmt.Sprintf("%.3f %%", 100*o.Stalled) }),
		fmt.Sprintf("%.3f %%", 100*ours.Stalled), "≤ 0.1 %", ours.Stalled <= 0.001)
	r.add(title+"delay over the seed, p95"+beside(func(o *sim.Result) string { return fmt.Sprintf("%d ms", o.Delay.P95) }),
		fmt.Sprintf("%d ms", ours.Delay.P95), "≤ 1000 ms", ours.Delay.P95 <= 1000)
	r.add(fmt.Sprintf("the same with %d viewers: %d ms", simFew, few[0].Delay.P95),
		fmt.Sprintf("%.2f ×", float64(ours.Delay.P95)/float64(max(1, few[0].Delay.P95))), "≤ 2 ×", ours.Delay.P95 <= 2*few[0].Delay.P95)
	r.add(fmt.Sprintf("%sprotocol overhead (%.1f %% of it blocks that came again)", title, 100*ours.Duplicate),
		fmt.Sprintf("%.1f %%", 100*ours.Overhead()), "≤ 5 %", ours.Overhead() <= 0.05)
	r.add(title+"time that it takes to simulate", took.Round(time.Second).String(), "≤ "+simAtMost.String(), took <= simAtMost)
	return nil
}

func simulate(ctx context.Context, o options, peers int, schemes ...sim.Scheme) ([]*sim.Result, time.Duration, error) {
	args := []string{"sim", "--json", "--peers", strconv.Itoa(peers)}
	for _, s := range schemes {
		args = append(args, "--scheme", string(s))
	}
	if o.length > 0 {
		args = append(args, "--for", o.length.String())
	}
	if file := os.Getenv(simMatrixVar); file != "" {
		args = append(args, "--rtt", file)
	}
	began := time.Now()
	cmd := exec.CommandContext(ctx, "bin/shoal", args...) //nolint:gosec // the file is named by who runs the benchmark
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, 0, fmt.Errorf("shoal sim: %w", err)
	}
	var results []*sim.Result
	if err := json.Unmarshal(out, &results); err != nil {
		return nil, 0, fmt.Errorf("read what shoal sim printed: %w", err)
	}
	return results, time.Since(began), nil
}
