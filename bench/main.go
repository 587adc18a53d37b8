// Command bench measures Shoal beside peers and physical limits in the same run, and
// prints each figure with what it was measured beside. It needs bin/shoal and what
// make setup installs; make bench runs all of it, make bench BENCH=load one part.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// parts are the benchmarks by name, in the order in which they run.
var parts = []struct {
	name string
	run  func(context.Context, *report) error
}{
	{"bus", benchBus},
	{"load", benchLoad},
	{"glass", benchGlass},
	{"sim", benchSim},
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(names []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	wanted := func(name string) bool {
		if len(names) == 0 {
			return true
		}
		for _, n := range names {
			if n == name {
				return true
			}
		}
		return false
	}
	r := &report{}
	fmt.Printf("%s, %d cores, %s, %s/%s\n", cpuModel(), runtime.NumCPU(), time.Now().UTC().Format(time.DateOnly), runtime.GOOS, runtime.GOARCH)
	for _, p := range parts {
		if !wanted(p.name) {
			continue
		}
		fmt.Printf("\n== %s\n", p.name)
		if err := p.run(ctx, r); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	r.print()
	return nil
}

// report collects figures with their bounds.
type report struct{ lines []line }

type line struct {
	what, figure, bound string
	met                 bool
}

func (r *report) add(what, figure, bound string, met bool) {
	r.lines = append(r.lines, line{what, figure, bound, met})
	fmt.Printf("%-68s %18s   %-22s %s\n", what, figure, bound, verdict(met))
}

func verdict(met bool) string {
	if met {
		return "met"
	}
	return "MISSED"
}

func (r *report) print() {
	fmt.Printf("\n%s\n", strings.Repeat("=", 40))
	missed := 0
	for _, l := range r.lines {
		fmt.Printf("%-68s %18s   %-22s %s\n", l.what, l.figure, l.bound, verdict(l.met))
		if !l.met {
			missed++
		}
	}
	fmt.Printf("%d figures, %d missed\n", len(r.lines), missed)
}

func cpuModel() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown CPU"
	}
	for l := range strings.Lines(string(b)) {
		if name, ok := strings.CutPrefix(l, "model name"); ok {
			return strings.TrimSpace(strings.TrimLeft(strings.TrimSpace(name), ":"))
		}
	}
	return "unknown CPU"
}
