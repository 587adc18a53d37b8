package sim

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/shoalcast/shoal/swarm"
)

const (
	plotWidth, plotHeight = 560.0, 320.0
	plotLeft, plotTop     = 64.0, 56.0
	plotGap               = 96.0
)

var schemeNames = map[Scheme]string{
	Ours: "Shoal", Pull: "random pull", PullLong: "random pull, 1 s pieces", HTTP: "HTTP only", Tree: "planned tree",
}

// WriteSVG draws how long after the seed pieces arrive by each scheme, as cumulative
// shares, and where the bytes of the first came from over time. It reads on light and on dark ground.
func WriteSVG(w io.Writer, o *Options, results []*Result) error {
	var b strings.Builder
	width := plotLeft + plotWidth + plotGap + plotWidth + 32
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" width="%.0f" height="%.0f" role="img" aria-label="Simulated arrivals and sources">
<style>
:root { color-scheme: light dark; --ground: #fff; --ink: #1c2733; --faint: #d5dbe1; --c0: #0b6fb8; --c1: #c2571a; --c2: #8a4fb5; --c3: #5b6770; --c4: #18794e; }
@media (prefers-color-scheme: dark) { :root { --ground: #12181f; --ink: #e4e9ee; --faint: #37424d; --c0: #5db4f0; --c1: #f09a5d; --c2: #c79bea; --c3: #a9b4bd; --c4: #5fcf98; } }
.ground { fill: var(--ground); } text { font: 13px system-ui, sans-serif; fill: var(--ink); } .title { font-weight: 600; font-size: 15px; }
.grid { stroke: var(--faint); fill: none; } .line { fill: none; stroke-width: 2.2; }
</style>
<rect class="ground" width="100%%" height="100%%"/>
`, width, plotTop+plotHeight+64, width, plotTop+plotHeight+64)
	drawArrivals(&b, results)
	if len(results) > 0 {
		drawSources(&b, o, results[0])
	}
	b.WriteString("</svg>\n")
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write SVG: %w", err)
	}
	return nil
}

// frame draws the axes of a plot whose left edge is at x, with ticks.
func frame(b *strings.Builder, x float64, title, across, up string, xs, ys []string) {
	fmt.Fprintf(b, `<text class="title" x="%.1f" y="%.1f">%s</text>`+"\n", x, plotTop-24, title)
	for i, s := range xs {
		at := x + plotWidth*float64(i)/float64(len(xs)-1)
		fmt.Fprintf(b, `<path class="grid" d="M%.1f %.1fV%.1f"/><text x="%.1f" y="%.1f" text-anchor="middle">%s</text>`+"\n", at, plotTop, plotTop+plotHeight, at, plotTop+plotHeight+20, s)
	}
	for i, s := range ys {
		at := plotTop + plotHeight*(1-float64(i)/float64(len(ys)-1))
		fmt.Fprintf(b, `<path class="grid" d="M%.1f %.1fH%.1f"/><text x="%.1f" y="%.1f" text-anchor="end">%s</text>`+"\n", x, at, x+plotWidth, x-8, at+4, s)
	}
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="middle">%s</text>`+"\n", x+plotWidth/2, plotTop+plotHeight+44, across)
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f">%s</text>`+"\n", x-plotLeft+16, plotTop-8, up)
}

// drawArrivals draws shares of pieces by when they arrived, on a logarithmic axis.
func drawArrivals(b *strings.Builder, results []*Result) {
	const least, most = 10.0, 10_000.0 // ms
	frame(b, plotLeft, "Arrival after the seed", "whole at a viewer at most so late, s", "of pieces",
		[]string{"0.01", "0.1", "1", "10"}, []string{"0", "25 %", "50 %", "75 %", "100 %"})
	for i, r := range results {
		total := float64(r.late.count())
		sum := 0.0
		var path strings.Builder
		for ms, n := range r.late {
			if sum += float64(n); n == 0 || float64(ms) > most {
				continue
			}
			x := plotLeft + plotWidth*math.Log(max(float64(ms), least)/least)/math.Log(most/least)
			y := plotTop + plotHeight*(1-sum/max(total, 1))
			fmt.Fprintf(&path, "%s%.1f %.1f", cmp.Or(map[bool]string{true: "M"}[path.Len() == 0], "L"), x, y)
		}
		if path.Len() > 0 {
			fmt.Fprintf(b, `<path class="line" style="stroke:var(--c%d)" d="%s"/>`+"\n", i%5, path.String())
		}
		x, y := plotLeft+12, plotTop+20+20*float64(i)
		fmt.Fprintf(b, `<rect class="ground" x="%.1f" y="%.1f" width="190" height="20" fill-opacity=".8"/>`+"\n", x-6, y-14)
		fmt.Fprintf(b, `<path class="line" style="stroke:var(--c%d)" d="M%.1f %.1fh24"/><text x="%.1f" y="%.1f">%s</text>`+"\n",
			i%5, x, y-4, x+32, y, schemeNames[r.Scheme])
	}
}

// drawSources stacks the bytes of each second by who delivered them.
func drawSources(b *strings.Builder, o *Options, r *Result) {
	seconds := r.bySecond[:int(o.end().Seconds())]
	most := 1.0
	for _, s := range seconds {
		sum := 0.0
		for _, n := range s {
			sum += float64(n) * 8 / 1e6
		}
		most = max(most, sum)
	}
	left := plotLeft + plotWidth + plotGap
	var xs, ys []string
	for i := range 5 {
		xs = append(xs, fmt.Sprintf("%.0f", float64(len(seconds))*float64(i)/4))
		ys = append(ys, fmt.Sprintf("%.3g", most*float64(i)/4))
	}
	frame(b, left, "Where the bytes came from: "+schemeNames[r.Scheme], "simulated time, s", "Mbit/s, all viewers together", xs, ys)
	names := []struct {
		from swarm.Source
		name string
	}{{swarm.FromOrigin, "origin"}, {swarm.FromSeed, "seeds"}, {swarm.FromEdge, "edges"}, {swarm.FromPeer, "viewers"}}
	floor := make([]float64, len(seconds))
	shown := 0
	for i, src := range names {
		var path strings.Builder
		var back []string
		sum := 0.0
		for k, s := range seconds {
			x := left + plotWidth*(float64(k)+0.5)/float64(len(seconds))
			bottom := floor[k]
			floor[k] += float64(s[src.from]) * 8 / 1e6
			sum += floor[k] - bottom
			fmt.Fprintf(&path, "%s%.1f %.1f", cmp.Or(map[bool]string{true: "M"}[k == 0], "L"), x, plotTop+plotHeight*(1-floor[k]/most))
			back = append(back, fmt.Sprintf("L%.1f %.1f", x, plotTop+plotHeight*(1-bottom/most)))
		}
		if sum == 0 {
			continue
		}
		for k := len(back) - 1; k >= 0; k-- {
			path.WriteString(back[k])
		}
		colour := []int{1, 2, 3, 0}[i]
		fmt.Fprintf(b, `<path style="fill:var(--c%d);fill-opacity:.75" d="%sZ"/>`+"\n", colour, path.String())
		y := plotTop + 20 + 20*float64(shown)
		shown++
		fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="14" height="12" style="fill:var(--c%d)"/><text x="%.1f" y="%.1f">%s</text>`+"\n", left+12, y-10, colour, left+34, y, src.name)
	}
}
