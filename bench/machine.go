package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// ticks is what all processors did since the machine started, in ticks.
type ticks struct{ idle, all float64 }

func readTicks() (ticks, error) {
	var t ticks
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return t, err
	}
	first, _, _ := strings.Cut(string(b), "\n")
	for i, field := range strings.Fields(first)[1:] {
		n, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return t, fmt.Errorf("read /proc/stat: %w", err)
		}
		if i < 8 { // what follows is part of the others
			t.all += n
		}
		if i == 3 || i == 4 { // idle, and idle while a disk was waited for
			t.idle += n
		}
	}
	return t, nil
}

// idleSince returns the share of the processors' time in which they had nothing to do.
func (t ticks) idleSince(b ticks) float64 { return (t.idle - b.idle) / max(1, t.all-b.all) }

// loadAverage is that of the last minute.
func loadAverage() float64 {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(b), " ")
	load, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return 0
	}
	return load
}

// cpuOfTree returns the processor time that a process and all that descend from it have
// used. That of descendants that ended is missing.
func cpuOfTree(pid int) (time.Duration, error) {
	used, err := cpu(pid)
	if err != nil {
		return 0, err
	}
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return 0, err
	}
	for _, t := range threads { // each lists the children that it made
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, t.Name()))
		if err != nil {
			continue // it ended
		}
		for _, field := range strings.Fields(string(b)) {
			child, err := strconv.Atoi(field)
			if err != nil {
				return 0, fmt.Errorf("read the children of process %d: %w", pid, err)
			}
			if n, err := cpuOfTree(child); err == nil { // else it ended
				used += n
			}
		}
	}
	return used, nil
}
