package main

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
)

var deliveryLine = regexp.MustCompile(`BenchmarkDelivery\S*\s+\d+.*?([\d.]+) bare-p50-µs\s+([\d.]+) bus-p50-µs\s+([\d.]+) ratio`)

// benchBus compares the way of a piece through bus with a bare embedded server.
func benchBus(ctx context.Context, r *report) error {
	out, err := exec.CommandContext(ctx, "go", "test", "./bus", "-run", "^$", "-bench", "Delivery", "-benchtime", "500x", "-count", "5").CombinedOutput()
	if err != nil {
		return fmt.Errorf("go test -bench Delivery: %w: %s", err, out)
	}
	var bare, through, ratios []float64
	for _, m := range deliveryLine.FindAllSubmatch(out, -1) {
		for i, into := range []*[]float64{&bare, &through, &ratios} {
			v, err := strconv.ParseFloat(string(m[i+1]), 64)
			if err != nil {
				return fmt.Errorf("read %q: %w", m[0], err)
			}
			*into = append(*into, v)
		}
	}
	if len(ratios) == 0 {
		return fmt.Errorf("no figures in: %s", out)
	}
	ratio := median(ratios)
	r.add(fmt.Sprintf("publish → follower, 100 kB, p50: bus %.0f µs, bare server %.0f µs", median(through), median(bare)),
		fmt.Sprintf("%.2f ×", ratio), "≤ 1.3 ×", ratio <= 1.3)
	return nil
}
