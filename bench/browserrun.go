package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// browserPlan is what bench/browser.mjs is to do; times are milliseconds.
type browserPlan struct {
	URL     string `json:"url"`
	Profile string `json:"profile"` // directory for Chromium's profile
	Tabs    int    `json:"tabs"`
	Apart   int64  `json:"apart"`  // from one tab's opening to the next
	Settle  int64  `json:"settle"` // from the last tab's first frame to the measured time
	Length  int64  `json:"length"` // the measured time
	Quiet   int64  `json:"quiet"`  // in which nobody reads the clock, after the measured time
	Lates   int    `json:"lates"`  // how many more tabs come at the end, one after the other
	Late    int64  `json:"late"`   // how long each of them plays
	Change  int64  `json:"change"` // how often a tab is closed and another opened; 0: never
	Soak    int64  `json:"soak"`   // how often memory is looked at; 0: never, and else nothing is measured
}

// tabSaw is what a tab saw: bench/browser/observe.mjs, and what its page says of itself.
type tabSaw struct {
	Delays     []float64 `json:"delays"` // ms, one a displayed frame of the measured time
	Bad        int       `json:"bad"`    // frames without a readable clock
	Frames     int       `json:"frames"`
	Waits      int       `json:"waits"`  // times that the video waited for data, after its first frame
	Stalls     int       `json:"stalls"` // those that held the playhead 250 ms or longer
	LongestMS  float64   `json:"longestHoldMs"`
	FirstFrame *float64  `json:"firstFrame"` // ms from navigation; nil: none yet
	Hidden     bool      `json:"hidden"`
	Stats      struct {
		Bytes struct {
			Peer   float64 `json:"peer"`
			Seed   float64 `json:"seed"`
			Edge   float64 `json:"edge"`
			Origin float64 `json:"origin"`
		} `json:"bytes"`
	} `json:"stats"`
}

func (t tabSaw) bytes() float64 {
	b := t.Stats.Bytes
	return b.Peer + b.Seed + b.Edge + b.Origin
}

// memory is what tabs take at a moment, in bytes.
type memory struct {
	Heaps    []float64 `json:"heaps"` // JavaScript's, one a tab
	Resident float64   `json:"resident"`
}

// browserLine is a line of what browser.mjs prints.
type browserLine struct {
	Mark   string   `json:"mark"`
	PID    int      `json:"pid"`
	Played float64  `json:"played"` // bytes that tabs took by then
	Memory *memory  `json:"memory"`
	Tabs   []tabSaw `json:"tabs"`
	Late   []tabSaw `json:"late"`
}

// moment is what there is to count when browser.mjs says that something begins or ends.
type moment struct {
	at     time.Time
	ticks  ticks
	load   float64
	cpu    time.Duration // of the whole browser
	sent   sent
	played float64 // that tabs took by then, where browser.mjs says so
}

// browserSaw is what came of a plan.
type browserSaw struct {
	tabs    []tabSaw
	late    []tabSaw
	moments map[string]moment
	memory  []memory
	times   []time.Time // of memory
}

// drive lets tabs of a new browser watch what is served.
func drive(ctx context.Context, title string, s *served, plan browserPlan) (*browserSaw, error) {
	profile, err := os.MkdirTemp("", "shoal-bench-chromium-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(profile)
	plan.URL, plan.Profile = s.page, profile
	asked, err := json.Marshal(plan)
	if err != nil {
		return nil, fmt.Errorf("write the browser's plan: %w", err)
	}
	cmd := exec.CommandContext(ctx, "node", "bench/browser.mjs", string(asked))
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // it ends the browser
	cmd.WaitDelay = 10 * time.Second
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start bench/browser.mjs: %w", err)
	}
	saw := &browserSaw{moments: map[string]moment{}}
	err = saw.read(ctx, title, s, bufio.NewScanner(out))
	if err != nil {
		_ = cmd.Cancel()
	}
	if err := errors.Join(err, cmd.Wait()); err != nil {
		return nil, fmt.Errorf("let tabs watch: %w", err)
	}
	if len(saw.tabs) == 0 {
		return nil, errors.New("let tabs watch: bench/browser.mjs says nothing of them")
	}
	return saw, nil
}

func (b *browserSaw) read(ctx context.Context, title string, s *served, in *bufio.Scanner) error {
	in.Buffer(nil, 64<<20) // the last line holds the delay of every frame
	browser := 0
	for in.Scan() {
		var l browserLine
		if err := json.Unmarshal(in.Bytes(), &l); err != nil {
			return fmt.Errorf("read what bench/browser.mjs says: %w", err)
		}
		switch {
		case l.Mark != "":
			if l.PID != 0 {
				browser = l.PID
			}
			m, err := take(ctx, s, browser)
			if err != nil {
				return err
			}
			m.played = l.Played
			b.moments[l.Mark] = m
			fmt.Printf("  %s %-16s %-14s load %.1f\n", m.at.Format(time.TimeOnly), title, l.Mark, m.load)
		case l.Memory != nil:
			b.memory, b.times = append(b.memory, *l.Memory), append(b.times, time.Now())
			fmt.Printf("  %s %-16s heaps %.1f MB, processes %.1f MB\n", time.Now().Format(time.TimeOnly), title, sum(l.Memory.Heaps)/1e6, l.Memory.Resident/1e6)
		default:
			b.tabs, b.late = l.Tabs, l.Late
		}
	}
	return in.Err()
}

func take(ctx context.Context, s *served, browser int) (moment, error) {
	m := moment{at: time.Now(), load: loadAverage()}
	var err error
	if m.sent, err = s.sent(ctx); err != nil {
		return m, fmt.Errorf("count what the server sent: %w", err)
	}
	if m.ticks, err = readTicks(); err != nil {
		return m, err
	}
	if m.cpu, err = cpuOfTree(browser); err != nil {
		return m, fmt.Errorf("read the browser's processor time: %w", err)
	}
	return m, nil
}

func sum(v []float64) float64 {
	var s float64
	for _, x := range v {
		s += x
	}
	return s
}
