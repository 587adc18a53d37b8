package publish

import (
	"fmt"
	"strings"
	"time"
)

// Status is how far a publish is.
type Status struct {
	Published  time.Duration // media time that went out, over all connections
	Of         time.Duration // how long the source is; 0 when it is not known
	Rate       float64       // bits a second of media time, lately; 0 when it is not known
	Speed      float64       // media time by wall time of this connection; 1 is real time
	Loop       bool          // the source plays again and again
	Reconnects int           // connections after the first that brought something
}

// Line is a status for a person, without its end of line.
func (s Status) Line() string {
	parts := []string{clock(s.Published)}
	if s.Of > 0 && !s.Loop {
		parts[0] += " of " + clock(s.Of)
	}
	if s.Rate > 0 {
		parts = append(parts, bits(s.Rate))
	}
	if s.Speed > 0 {
		parts = append(parts, fmt.Sprintf("%.2fx", s.Speed))
	}
	if s.Loop {
		parts = append(parts, fmt.Sprintf("loop %d", 1+s.Loops()))
	}
	if s.Reconnects > 0 {
		parts = append(parts, plural(s.Reconnects, "reconnect"))
	}
	return strings.Join(parts, "  ")
}

// Loops is how often the source has come to its end.
func (s Status) Loops() int {
	if s.Of <= 0 {
		return 0
	}
	return int(s.Published / s.Of)
}

// clock writes 1:02:03, or 2:03.
func clock(d time.Duration) string {
	n := int(d / time.Second)
	if n < 3600 {
		return fmt.Sprintf("%d:%02d", n/60, n%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", n/3600, n/60%60, n%60)
}

func bits(rate float64) string {
	if rate < 1e6 {
		return fmt.Sprintf("%.0f kbit/s", rate/1e3)
	}
	return fmt.Sprintf("%.1f Mbit/s", rate/1e6)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
