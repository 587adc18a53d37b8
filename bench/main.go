// Command bench measures Shoal beside peers and physical limits in the same run, and
// prints each figure with what it was measured beside. It needs bin/shoal and what
// make setup installs; make bench runs all of it, make bench BENCH=load one part, and
// make bench BENCH="-for 20s peers" a part for a shorter time than its bounds are for.
package main

import (
	"cmp"
	"context"
	"flag"
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
	run  func(context.Context, *report, options) error
}{
	{"bus", fixed(benchBus)},
	{"load", fixed(benchLoad)},
	{"glass", fixed(benchGlass)},
	{"srt", benchSRT},
	{"ladder", benchLadder},
	{"core", benchCore},
	{"hop", benchHop},
	{"archive", benchArchive},
	{"peers", benchPeers},
	{"sim", benchSim},
	{"sink", fixed(benchSink)},
	{"dash", benchDash},
	{"browser", benchBrowser},
}

// options let a part run smaller than it does by itself.
type options struct {
	length  time.Duration // what is measured; 0: as long as the part does by itself
	viewers int           // 0: as many as the part has by itself
	only    string        // systems of browser, separated by commas; empty: all
	keep    string        // directory in which dash keeps its reports for the next run; empty: none
	soak    bool          // browser looks for memory that grows instead
}

func (o options) orLength(d time.Duration) time.Duration { return cmp.Or(o.length, d) }

// fixed is a part that has one length.
func fixed(run func(context.Context, *report) error) func(context.Context, *report, options) error {
	return func(ctx context.Context, r *report, _ options) error { return run(ctx, r) }
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.DurationVar(&o.length, "for", 0, "how long to measure; bounds are for each part's own length")
	flags.IntVar(&o.viewers, "viewers", 0, "how many viewers peers, sim and browser have")
	flags.StringVar(&o.only, "only", "", "systems that browser measures, separated by commas: "+strings.Join(systemNames(), ", "))
	flags.StringVar(&o.keep, "keep", "", "directory in which dash keeps the reports that it made, to ask them again within the hour")
	flags.BoolVar(&o.soak, "soak", false, "let browser look for 30 minutes whether a tab's memory grows, and measure nothing else")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("read arguments: %w", err)
	}
	names := flags.Args()
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
		if err := p.run(ctx, r, o); err != nil {
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
	fmt.Println(r.lines[len(r.lines)-1])
}

// note adds a figure that nothing is asked of.
func (r *report) note(what, figure string) {
	r.lines = append(r.lines, line{what: what, figure: figure, met: true})
	fmt.Println(r.lines[len(r.lines)-1])
}

func (l line) String() string {
	if l.bound == "" {
		return fmt.Sprintf("%-68s %18s", l.what, l.figure)
	}
	return fmt.Sprintf("%-68s %18s   %-22s %s", l.what, l.figure, l.bound, verdict(l.met))
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
		fmt.Println(l)
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
