package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
)

// Status is the outcome of a check.
type Status int

// From fine to fatal.
const (
	OK   Status = iota
	Warn        // Shoal runs, but not as well as it could, or something beside it will not
	Fail        // Shoal will not start, or not work
)

func (s Status) String() string {
	switch s {
	case OK:
		return "ok"
	case Warn:
		return "warn"
	default:
		return "FAIL"
	}
}

// MarshalText writes the status in JSON.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Check is what was found of one thing.
type Check struct {
	Name   string `json:"name"`
	Status Status `json:"status"`
	What   string `json:"what"`        // what was found
	Do     string `json:"do,omitzero"` // what to do about it; empty when all is well
}

// Port is something that Shoal is to listen on.
type Port struct {
	Flag    string // the flag that sets it, such as --rtmp
	Network string // "tcp" or "udp"
	Addr    string // as given to the flag; empty ones are left out
}

// Options say how Shoal is going to be run.
type Options struct {
	Data    string // the data directory, which need not exist
	Ports   []Port
	Running bool // an instance runs on Data: then its ports are taken, as they should be
}

// Run makes all checks. It takes a second or two, writes a few megabytes beside or in
// the data directory and removes them. Cancelling ctx fails the checks not yet made.
func Run(ctx context.Context, o Options) []Check {
	checks := []Check{dataDir(o.Data), space(o.Data), diskSpeed(ctx, o.Data)}
	for _, p := range o.Ports {
		if p.Addr != "" {
			checks = append(checks, port(ctx, p, o.Running))
		}
	}
	return append(checks, clock(), openFiles(), libc(), ffmpeg(ctx))
}

// Failed reports whether any check failed.
func Failed(checks []Check) bool {
	for _, c := range checks {
		if c.Status == Fail {
			return true
		}
	}
	return false
}

// Write prints the checks for people, a line each and another for what to do.
func Write(w io.Writer, checks []Check) error {
	width := 0
	for _, c := range checks {
		width = max(width, len(c.Name))
	}
	for _, c := range checks {
		line := fmt.Sprintf("%-4s  %-*s  %s\n", c.Status, width, c.Name, c.What)
		if c.Do != "" {
			line += fmt.Sprintf("%*s→ %s\n", width+8, "", c.Do)
		}
		if _, err := io.WriteString(w, line); err != nil {
			return fmt.Errorf("print checks: %w", err)
		}
	}
	return nil
}

// WriteJSON prints the checks for programs, as one array.
func WriteJSON(w io.Writer, checks []Check) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(checks); err != nil {
		return fmt.Errorf("print checks: %w", err)
	}
	return nil
}
