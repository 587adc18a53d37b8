package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"
)

// benchSoak lets tabs share one stream for long, and compares what they take of memory in
// the first five minutes with the last five.
func benchSoak(ctx context.Context, r *report, o options) error {
	length := o.orLength(soakLength)
	warm, part := min(soakWarm, length/10), min(5*time.Minute, length/4)
	s, err := serveOurs(ctx, "share")
	if err != nil {
		return err
	}
	defer s.stop()
	if err := pause(ctx, s.ready); err != nil {
		return err
	}
	saw, err := drive(ctx, "soak", s, browserPlan{
		Tabs: cmp.Or(o.viewers, browserTabs), Apart: browserApart.Milliseconds(), Settle: warm.Milliseconds(),
		Length: length.Milliseconds(), Soak: min(soakEvery, part/4).Milliseconds(),
	})
	if err != nil {
		return err
	}
	if len(saw.memory) < 2 {
		return errors.New("memory was looked at once only: let it run longer")
	}
	began, ended := saw.times[0], saw.times[len(saw.times)-1]
	var heaps, resident [2][]float64 // first part, last part
	for i, m := range saw.memory {
		if saw.times[i].Sub(began) <= part {
			heaps[0], resident[0] = append(heaps[0], sum(m.Heaps)), append(resident[0], m.Resident)
		}
		if ended.Sub(saw.times[i]) <= part {
			heaps[1], resident[1] = append(heaps[1], sum(m.Heaps)), append(resident[1], m.Resident)
		}
	}
	stalls := 0
	for _, t := range saw.tabs {
		stalls += t.Stalls
	}
	title := fmt.Sprintf("%d tabs, %s: ", len(saw.tabs), length)
	flat(r, title+"JavaScript heaps", heaps)
	flat(r, title+"resident", resident)
	r.add(title+"stalls", fmt.Sprint(stalls), "0", stalls == 0)
	return nil
}

// flat is the bound of memory that does not grow: a tenth more is what collecting garbage
// at other moments makes of it.
func flat(r *report, what string, parts [2][]float64) {
	first, last := sum(parts[0])/float64(len(parts[0])), sum(parts[1])/float64(len(parts[1]))
	r.add(fmt.Sprintf("%s, first %.1f MB", what, first/1e6), fmt.Sprintf("last %.1f MB", last/1e6), "≤ 1.1 × the first", last <= 1.1*first)
}
