package analytics

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/shoalcast/shoal/bus"
)

// plan is what a sink does next, as it stands on the bus: to insert the reports after From up to To. A plan that has
// no successor may have been carried out, in part or not at all.
type plan struct {
	V    int       `json:"v"`
	From bus.Place `json:"from"` // inserted by plans before
	To   bus.Place `json:"to"`
	Rows int       `json:"rows"` // for people who look
}

const planVersion = 1

// token names the plan's rows to ClickHouse. Times are in it, because a bus that crashed may have other reports under the same
// sequences.
func (p plan) token() string {
	b := []byte("telemetry")
	for _, n := range []int64{int64(p.From.Seq), p.From.At.UnixNano(), int64(p.To.Seq), p.To.At.UnixNano()} {
		b = strconv.AppendInt(append(b, '-'), n, 36)
	}
	return string(b)
}

// covers reports whether a report at a place belongs to the plan; after is true once it is past it.
func (p plan) covers(at bus.Place) (inside, after bool) {
	if !at.At.After(p.From.At) {
		return false, false
	}
	if at.At.After(p.To.At) {
		return false, true
	}
	return true, at.Seq == p.To.Seq && at.At.Equal(p.To.At)
}

func (p plan) encode() ([]byte, error) {
	p.V = planVersion
	b, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("encode the sink's plan: %w", err)
	}
	return b, nil
}

func decodePlan(b []byte) (plan, error) {
	var p plan
	if err := json.Unmarshal(b, &p); err != nil {
		return plan{}, fmt.Errorf("decode the sink's plan: %w", err)
	}
	if p.V != planVersion {
		return plan{}, fmt.Errorf("decode the sink's plan: version %d, where this build knows %d: run the newer shoal", p.V, planVersion)
	}
	return p, nil
}
