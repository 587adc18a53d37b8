package sim

import (
	"context"
	"fmt"

	"github.com/shoalcast/shoal/swarm"
)

// Quantiles of a time, in milliseconds.
type Quantiles struct {
	P50 int `json:"p50"`
	P95 int `json:"p95"`
	P99 int `json:"p99"`
}

// Result is what one run measured, from the end of the ramp on. Shares are of 1.
type Result struct {
	Scheme Scheme `json:"scheme"`
	Peers  int    `json:"peers"`

	Offload float64   `json:"offload"` // of all verified bytes, what came from viewers
	Stalled float64   `json:"stalled"` // of all playing time, what was held
	Stalls  int64     `json:"stalls"`  // holds of 250 ms or more
	Never   int64     `json:"never"`   // viewers that saw nothing in 10 s and a GOP
	Delay   Quantiles `json:"delay_ms"`
	Arrival Quantiles `json:"arrival_ms"`
	Startup Quantiles `json:"startup_ms"`

	Backlog Quantiles `json:"backlog_ms"`

	FromPeers  int64 `json:"bytes_peers"`
	FromSeeds  int64 `json:"bytes_seeds"`
	FromEdges  int64 `json:"bytes_edges"`
	FromOrigin int64 `json:"bytes_origin"`

	Control   float64            `json:"control"`   // all that is no block's data, by payload
	Duplicate float64            `json:"duplicate"` // blocks that came again, by payload
	ByMessage map[string]float64 `json:"by_message"`
	Messages  map[string]int64   `json:"messages"`
	Uplink    float64            `json:"uplink_used"`

	HonestBanned float64        `json:"honest_banned"` // bans by connections between honest peers
	LiarsBanned  int64          `json:"liars_banned"`
	FalseBlocks  int64          `json:"false_blocks"`      // that reached an honest peer
	WorstLiar    int            `json:"worst_liar_blocks"` // most false blocks and heads of one liar that one peer had to judge
	FalseSent    int64          `json:"false_sent"`        // by honest peers
	FalsePlayed  int64          `json:"false_played"`
	Dropped      map[string]int `json:"dropped"`

	Depths [depthsKept]int64 `json:"depths"` // of lanes, as viewers state them; the last: not arriving
	Events int64             `json:"events"`

	late     histogram
	bySecond [][sources]int64
}

// Overhead is all that is sent beyond the blocks that are needed, by payload.
func (r *Result) Overhead() float64 { return r.Control + r.Duplicate }

// Depth is the mean depth of a lane that arrives.
func (r *Result) Depth() float64 {
	sum, count := 0.0, 0.0
	for d, n := range r.Depths[:depthsKept-1] {
		sum += float64(d) * float64(n)
		count += float64(n)
	}
	return sum / max(1, count)
}

// Run simulates one scheme.
func Run(ctx context.Context, o Options, scheme Scheme) (*Result, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	if o.Tuning == (swarm.Tuning{}) {
		o.Tuning = swarm.DefaultTuning()
	}
	if scheme == PullLong {
		o.Piece, o.Target = longPiece, longTarget
		o.GOP = max(o.GOP.Round(longPiece), longPiece)
		if err := o.Check(); err != nil {
			return nil, fmt.Errorf("with pieces of %v: %w", longPiece, err)
		}
	}
	w := newWorld(o, scheme)
	if scheme == Tree {
		return result(w, w.tree()), nil
	}
	if err := w.run(ctx); err != nil {
		return nil, fmt.Errorf("simulate %s: %w", scheme, err)
	}
	sum := newTally(&o)
	for _, s := range w.shards {
		sum.merge(&s.tally)
	}
	return result(w, &sum), nil
}

func result(w *world, t *tally) *Result {
	r := &Result{
		Scheme: w.scheme, Peers: w.o.Peers, Stalls: t.stalls, Never: t.never,
		Delay: quantiles(t.delay), Arrival: quantiles(t.late), Startup: quantiles(t.startups), Backlog: quantiles(t.backlog),
		FromPeers: t.bySource[swarm.FromPeer], FromSeeds: t.bySource[swarm.FromSeed],
		FromEdges: t.bySource[swarm.FromEdge], FromOrigin: t.bySource[swarm.FromOrigin],
		ByMessage: map[string]float64{}, Messages: map[string]int64{}, Dropped: map[string]int{},
		LiarsBanned: t.liarBans, FalseBlocks: t.falseBlocks, WorstLiar: t.worst, FalseSent: t.falseSent, FalsePlayed: t.falsePlayed,
		Depths: t.depths, Events: t.events, late: t.late, bySecond: t.bySecond,
		HonestBanned: share(float64(t.honestBans), float64(t.honestConns)/2),
		Stalled:      share(float64(t.stalling), float64(t.stalling+t.playing)),
		Uplink:       share(t.upSent, t.upCould),
	}
	all := float64(r.FromPeers + r.FromSeeds + r.FromEdges + r.FromOrigin)
	r.Offload = share(float64(r.FromPeers), all)
	r.Duplicate = share(float64(t.duplicate), all)
	for k, bytes := range t.control {
		r.Control += share(float64(bytes), all)
		if t.messages[k] > 0 {
			r.ByMessage[kindNames[k]] = share(float64(bytes), all)
			r.Messages[kindNames[k]] = t.messages[k]
		}
	}
	for why, n := range t.dropped {
		if n > 0 {
			r.Dropped[swarm.Reason(why).String()] = int(n)
		}
	}
	return r
}

func quantiles(h histogram) Quantiles { return Quantiles{h.at(0.5), h.at(0.95), h.at(0.99)} }

func share(part, whole float64) float64 {
	if whole <= 0 {
		return 0
	}
	return part / whole
}
