package sim

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// WriteTable writes results side by side, one scheme a line, and below what only ours
// has.
func WriteTable(w io.Writer, o *Options, results []*Result) error {
	var b strings.Builder
	b.WriteString(describe(o))
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "scheme\toffload\tstalled\tdelay p50\tp95\tp99 ms\tarrival p50\tp95\tp99 ms\tstartup p50\tp95 ms\tseeds\torigin MB\tcontrol\tduplicate\tuplink\t")
	for _, r := range results {
		if r.Scheme == Tree {
			fmt.Fprintf(t, "%s\t%.2f %%\t-\t%d\t%d\t%d\t%d\t%d\t%d\t-\t-\t-\t-\t-\t-\t-\t\n", r.Scheme, 100*r.Offload,
				r.Delay.P50, r.Delay.P95, r.Delay.P99, r.Arrival.P50, r.Arrival.P95, r.Arrival.P99)
			continue
		}
		fmt.Fprintf(t, "%s\t%.2f %%\t%.3f %%\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%.1f\t%.1f\t%.2f %%\t%.2f %%\t%.0f %%\t\n", r.Scheme,
			100*r.Offload, 100*r.Stalled, r.Delay.P50, r.Delay.P95, r.Delay.P99, r.Arrival.P50, r.Arrival.P95, r.Arrival.P99,
			r.Startup.P50, r.Startup.P95, float64(r.FromSeeds+r.FromEdges)/1e6, float64(r.FromOrigin)/1e6,
			100*r.Control, 100*r.Duplicate, 100*r.Uplink)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	for _, r := range results {
		if r.Scheme == Ours {
			b.WriteString(r.details())
		}
	}
	b.WriteString(legend)
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

const legend = `
offload    of all verified bytes, those that came from viewers
stalled    of all playing time, the time in which the picture stood; delays include it
delay      between the seed's having a piece and its being played; tree: the least that would never stall
arrival    between the seed's having a piece and a viewer's having it, whole
control    all bytes that are no block's data, and duplicate: blocks that came again, by verified bytes
uplink     of what viewers could have sent, what they sent, TCP and IP headers included
`

func describe(o *Options) string {
	places := "a generated matrix"
	if o.RTT != nil {
		places = fmt.Sprintf("a matrix of %d places", o.RTT.Places())
	}
	return fmt.Sprintf("%d viewers, %d kbit/s in pieces of %v, a keyframe every %v; %v measured after %v of ramp\n"+
		"uplinks %.2f × the bitrate in the mean, %.0f %% of viewers give nothing, %.0f %% of pairs unreachable, %.1f %% leave a minute, %.1f %% lie\n"+
		"round trips from %s; seed %d\n\n",
		o.Peers, o.Bitrate/1000, o.Piece, o.GOP, o.For, o.Ramp,
		o.Uplink, 100*o.FreeRiders, 100*o.Unreachable, 100*o.Churn, 100*o.Liars, places, o.Random)
}

// details says what a swarm does inside.
func (r *Result) details() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s: depth of a lane %.1f hops in the mean, ", r.Scheme, r.Depth())
	sum, deepest := int64(0), 0
	for d, n := range r.Depths[:depthsKept-1] {
		if sum += n; n > 0 {
			deepest = d
		}
	}
	fmt.Fprintf(&b, "%d at most; %.2f %% of lanes not arriving when told of\n", deepest, 100*share(float64(r.Depths[depthsKept-1]), float64(sum+r.Depths[depthsKept-1])))
	fmt.Fprintf(&b, "uplinks' queues, as messages find them: p50 %d, p95 %d, p99 %d ms\n", r.Backlog.P50, r.Backlog.P95, r.Backlog.P99)
	names := slices.SortedFunc(maps.Keys(r.ByMessage), func(x, y string) int {
		return cmp.Or(cmp.Compare(r.ByMessage[y], r.ByMessage[x]), cmp.Compare(x, y))
	})
	b.WriteString("control by message:")
	for _, k := range names {
		if r.ByMessage[k] >= 0.00005 {
			fmt.Fprintf(&b, " %s %.2f %%", k, 100*r.ByMessage[k])
		}
	}
	fmt.Fprintf(&b, "\nstalls of 250 ms: %d; viewers without a picture 10 s and a keyframe after they came: %d\n", r.Stalls, r.Never)
	b.WriteString("connections ended:")
	for _, k := range slices.Sorted(maps.Keys(r.Dropped)) {
		fmt.Fprintf(&b, " %s %d", k, r.Dropped[k])
	}
	fmt.Fprintf(&b, "\nliars banned %d times, after %d false blocks or heads at most; honest peers banned in %.3f %% of connections; false blocks sent on %d, played %d\n",
		r.LiarsBanned, r.WorstLiar, 100*r.HonestBanned, r.FalseSent, r.FalsePlayed)
	return b.String()
}
