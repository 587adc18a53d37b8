package rtmp

import (
	"fmt"
	"time"

	"golang.org/x/time/rate"

	"github.com/shoalcast/shoal/ingest/rtmp/chunk"
)

// Limits bound what peers can take. Zero fields have the defaults.
type Limits struct {
	// Handshake is the time from the connection to the end of the RTMP handshake
	// (and of TLS's). Default 5 s.
	Handshake time.Duration
	// Setup is the time from the connection, or from the end of a publish, to the
	// publish being accepted. Default 15 s.
	Setup time.Duration
	// Idle is the longest silence of a publisher before its connection is closed.
	// Default 15 s.
	Idle time.Duration
	// Write is the longest that one answer may take to be sent. Default 5 s.
	Write time.Duration
	// Linger is how long a connection that was ended with a sentence may take to read
	// it and close. Default 2 s.
	Linger time.Duration

	// Message is the most bytes of one message of a publisher. Default and maximum 8 MiB.
	Message int
	// BytesPerSecond is what a publisher may send on average; four seconds' worth may
	// come at once. Default 12,500,000 (100 Mbps).
	BytesPerSecond int
	// MessagesPerSecond likewise. Default 4,000.
	MessagesPerSecond int

	// Connections is the most connections at once; when it is reached, the oldest that
	// does not publish makes room. Default 4,096.
	Connections int
	// PerAddress is the same for connections from one IP address. Default 1,024.
	PerAddress int
}

// Fixed limits: no publisher comes near them.
const (
	maxMessage      = 8 << 20
	setupMessage    = 64 << 10  // bytes of a message before the publish is accepted
	setupBytes      = 512 << 10 // bytes of a connection before the publish is accepted
	maxChunkStreams = 32
	burst           = 4 // seconds' worth of a rate that may come at once
)

func (l Limits) withDefaults() Limits {
	set(&l.Handshake, 5*time.Second)
	set(&l.Setup, 15*time.Second)
	set(&l.Idle, 15*time.Second)
	set(&l.Write, 5*time.Second)
	set(&l.Linger, 2*time.Second)
	set(&l.Message, maxMessage)
	set(&l.BytesPerSecond, 12_500_000)
	set(&l.MessagesPerSecond, 4000)
	set(&l.Connections, 4096)
	set(&l.PerAddress, 1024)
	l.Message = min(l.Message, maxMessage)
	return l
}

func set[T int | time.Duration](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}

// setup is what a connection that does not publish may send.
func (l Limits) setup() chunk.Limits {
	return chunk.Limits{
		Message:    min(setupMessage, l.Message),
		Unfinished: 2 * min(setupMessage, l.Message),
		Streams:    maxChunkStreams,
	}
}

// publishing is what a publisher may send.
func (l Limits) publishing() chunk.Limits {
	return chunk.Limits{Message: l.Message, Unfinished: 2 * l.Message, Streams: maxChunkStreams}
}

// newRate allows so much a second, and burst seconds' worth at once.
func newRate(perSecond int) *rate.Limiter {
	return rate.NewLimiter(rate.Limit(perSecond), burst*perSecond)
}

// rates holds a publisher to its message and byte rates.
type rates struct {
	limits          Limits
	bytes, messages *rate.Limiter
}

func newRates(l Limits) *rates {
	return &rates{limits: l, bytes: newRate(l.BytesPerSecond), messages: newRate(l.MessagesPerSecond)}
}

// message accounts for a message that took n bytes of the connection.
func (r *rates) message(n int, now time.Time) error {
	if !r.bytes.AllowN(now, n) {
		return &Refusal{Reason: fmt.Sprintf(
			"This stream sends more than the %.3g Mbps that are allowed; lower the encoder's bitrate, or publish in real time (ffmpeg -re)",
			float64(r.limits.BytesPerSecond)*8/1e6)}
	}
	if !r.messages.AllowN(now, 1) {
		return &Refusal{Reason: fmt.Sprintf(
			"This stream sends more than the %d messages a second that are allowed; publish in real time (ffmpeg -re)",
			r.limits.MessagesPerSecond)}
	}
	return nil
}
