package srt

import (
	"fmt"
	"time"

	"golang.org/x/time/rate"
)

// Limits bound what peers can take. Zero fields have the defaults.
type Limits struct {
	// Setup is the time that Authorizer.Start has. Default 15 s.
	Setup time.Duration
	// Idle is the longest time without a message before a connection is closed, even if
	// the peer is there. Default 15 s.
	Idle time.Duration
	// BytesPerSecond is what a publisher may send on average; four seconds' worth may
	// come at once. Default 12,500,000 (100 Mbps).
	BytesPerSecond int
	// Queue is how many bytes of a connection may wait for its Handler; when there are
	// more, the connection is dropped. Default 8 MiB.
	Queue int
	// Connections is the most connections at once. Default 4,096.
	Connections int
	// PerAddress is the same for connections from one IP address. Default 1,024.
	PerAddress int
}

// Fixed limits.
const (
	backlog      = 256 // handshakes that are done but not taken in
	eventsAtOnce = 256
	messagesOnce = 64                     // of one connection, before the next has its turn
	keptSlab     = 128 << 10              // of a queue that was emptied
	burst        = 4                      // seconds' worth of a rate that may come at once
	refusalsKept = 64                     // refused handshakes that wait to be logged
	afterwards   = 100 * time.Millisecond // beyond the latency, for what waits in a broken connection
)

func (l Limits) withDefaults() Limits {
	set(&l.Setup, 15*time.Second)
	set(&l.Idle, 15*time.Second)
	set(&l.BytesPerSecond, 12_500_000)
	set(&l.Queue, 8<<20)
	set(&l.Connections, 4096)
	set(&l.PerAddress, 1024)
	return l
}

func set[T int | time.Duration](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}

// newRate holds a publisher to a byte rate on average.
func newRate(perSecond int) *rate.Limiter {
	return rate.NewLimiter(rate.Limit(perSecond), burst*perSecond)
}

func (l Limits) exceeded() error {
	return fmt.Errorf("the publisher sends more than the %.3g Mbps that are allowed", float64(l.BytesPerSecond)*8/1e6)
}
