package sim

import (
	"errors"
	"fmt"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/swarm"
)

// Scheme is a way to bring a stream to its viewers.
type Scheme string

// The schemes.
const (
	Ours     Scheme = "shoal"   // package swarm
	Pull     Scheme = "pull"    // whole pieces from random holders
	PullLong Scheme = "pull-1s" // the same with pieces of a second, played 4 s behind
	HTTP     Scheme = "http"    // everybody from the origin
	Tree     Scheme = "tree"    // planned with full knowledge: what could be reached
)

// Schemes lists all.
var Schemes = []Scheme{Ours, Pull, PullLong, HTTP, Tree}

// Options is one case. Shares are of 1.
type Options struct {
	Random uint64 // seeds every choice

	Peers int           // viewers at a time
	Seeds int           // of ours
	Ramp  time.Duration // in which viewers arrive and nothing is measured
	For   time.Duration // that is measured
	Flash bool          // all viewers arrive within one second

	Bitrate int64         // of the stream, bit/s
	Piece   time.Duration // how long a piece plays
	GOP     time.Duration // between keyframes
	KeySize float64       // a keyframe's piece, in mean pieces, where a GOP has room for it
	Gaps    float64       // share of pieces that are lost before they are signed

	Uplink     float64 // mean of all viewers' uplinks, free riders counted in, in bitrates
	Spread     float64 // standard deviation of the uplinks' logarithm
	Downlink   float64 // least downlink, in bitrates
	SeedUp     int64   // uplink of each seed, bit/s
	FreeRiders float64 // share of viewers that give nothing

	RTT         *Matrix       // nil: a generated one
	Jitter      time.Duration // mean of what each message is late by
	Loss        float64       // share of packets lost
	Lossy       float64       // share of viewers with 3 % loss and 60 ms of access delay
	Unreachable float64       // share of pairs that cannot connect

	Churn  float64 // share of viewers that leave a minute, each replaced by a new one
	Vanish float64 // share of those that leave without a word
	Liars  float64 // share of viewers that lie

	Target time.Duration // least delay that viewers play behind the seed
	// NoOrigin leaves viewers nothing to fall back on.
	NoOrigin bool

	KillBest   int // viewers with the best uplinks that die at KillBestAt
	KillBestAt time.Duration
	KillSeeds  int // seeds that die at KillSeedsAt
	KillSeedsAt,
	CutAt, CutFor time.Duration // the network of Cut of the viewers is down
	Cut float64

	Tuning swarm.Tuning

	// Workers is how many processors to use; it changes nothing but the time it takes.
	Workers int
	// Progress, if set, is called now and then with the simulated time.
	Progress func(at, end time.Duration)
}

// Defaults returns the usual case, with a thousand viewers.
func Defaults() Options {
	return Options{
		Random: 1, Peers: 1000, Seeds: 1, Ramp: 20 * time.Second, For: 60 * time.Second,
		Bitrate: 1_000_000, Piece: 200 * time.Millisecond, GOP: 2 * time.Second, KeySize: 2.5,
		Uplink: 1.5, Spread: 1, Downlink: 4, SeedUp: 1_000_000_000, FreeRiders: 0.2,
		Jitter: time.Millisecond, Unreachable: 0.15, Churn: 0.05, Vanish: 0.5,
		Target: 700 * time.Millisecond, Tuning: swarm.DefaultTuning(), Workers: 2,
	}
}

// maxPeers bounds what one run may take.
const maxPeers = 200_000

// Check says what is wrong with the options.
func (o *Options) Check() error {
	share := func(name string, v float64) error {
		if v < 0 || v > 1 {
			return fmt.Errorf("%s %v is not a share: 0 to 1", name, v)
		}
		return nil
	}
	var errs []error
	for _, s := range []struct {
		name string
		v    float64
	}{
		{"gaps", o.Gaps},
		{"free riders", o.FreeRiders},
		{"loss", o.Loss},
		{"lossy", o.Lossy},
		{"unreachable", o.Unreachable},
		{"churn", o.Churn},
		{"vanish", o.Vanish},
		{"liars", o.Liars},
		{"cut", o.Cut},
	} {
		errs = append(errs, share(s.name, s.v))
	}
	say := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	say(o.Peers < 1 || o.Peers > maxPeers, "%d peers: 1 to %d", o.Peers, maxPeers)
	say(o.Seeds < 0 || o.Seeds > 100, "%d seeds: 0 to 100", o.Seeds)
	say(o.Piece < 100*time.Millisecond || o.Piece > 10*time.Second, "pieces of %v: 100ms to 10s", o.Piece)
	say(o.GOP < o.Piece || o.GOP > time.Minute, "a keyframe every %v: %v to 1m", o.GOP, o.Piece)
	say(o.Bitrate < 16_000 || largest(o) > event.MaxPiece, "%d bit/s in pieces of %v: from 16,000, and no piece may pass 4 MiB", o.Bitrate, o.Piece)
	say(o.Ramp < 0 || o.For < time.Second || o.Ramp+o.For > time.Hour, "a ramp of %v and %v measured: at least 1s, in all at most 1h", o.Ramp, o.For)
	say(o.Uplink < 0 || o.Downlink < 1 || o.Spread < 0 || o.Spread > 3 || o.SeedUp < 1, "uplinks must not be negative, downlinks at least the bitrate, their spread 0 to 3")
	say(o.KeySize < 1 || o.KeySize > 10, "a keyframe's piece of %v mean pieces: 1 to 10", o.KeySize)
	say(o.Target < 50*time.Millisecond || o.Target > time.Minute, "a delay of %v: 50ms to 1m", o.Target)
	say(o.Jitter < 0 || o.Jitter > time.Second, "jitter of %v: 0 to 1s", o.Jitter)
	return errors.Join(errs...)
}

// faulty reports whether messages may be late by more than jitter.
func (o *Options) faulty() bool { return o.Loss > 0 || o.Lossy > 0 || o.Cut > 0 }

func (o *Options) end() time.Duration { return o.Ramp + o.For }
