package srt

import (
	"fmt"
	"time"
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

// bucket is a token bucket: rate tokens a second, burst seconds' worth at most.
type bucket struct {
	rate   float64
	tokens float64
	at     time.Time
}

func newBucket(rate int, now time.Time) bucket {
	return bucket{rate: float64(rate), tokens: float64(rate) * burst, at: now}
}

// take takes n tokens and reports whether there were as many.
func (b *bucket) take(n int, now time.Time) bool {
	if d := now.Sub(b.at); d > 0 {
		b.tokens = min(b.rate*burst, b.tokens+d.Seconds()*b.rate)
		b.at = now
	}
	b.tokens -= float64(n)
	return b.tokens >= 0
}

func (b *bucket) exceeded() error {
	return fmt.Errorf("the publisher sends more than the %.3g Mbps that are allowed", b.rate*8/1e6)
}
