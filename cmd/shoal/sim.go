package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"syscall"
	"time"

	"github.com/shoalcast/shoal/swarm/sim"
)

type simCmd struct {
	Scheme []string `default:"shoal,pull,pull-1s,http,tree" enum:"shoal,pull,pull-1s,http,tree" help:"What to simulate: ${enum}."`
	Random uint64   `default:"1" help:"Seed of every choice: the same one gives the same figures."`

	Peers   int           `default:"1000" help:"Viewers at a time."`
	Seeds   int           `default:"1" help:"Seeds of the stream's own."`
	Ramp    time.Duration `default:"20s" help:"In which viewers arrive, and nothing is measured."`
	For     time.Duration `default:"60s" help:"How long is measured."`
	Flash   bool          `help:"All viewers arrive within one second."`
	Churn   float64       `default:"0.05" help:"Share of viewers that leave in a minute, each replaced."`
	Vanish  float64       `default:"0.5" help:"Share of those that leave without closing connections."`
	Liars   float64       `default:"0" help:"Share of viewers that send false blocks, heads or announcements."`
	Delay   time.Duration `default:"950ms" help:"Least delay behind the seed that viewers aim at."`
	Workers int           `default:"0" help:"Processors to use (default all)."`

	Bitrate   string        `default:"1Mbit" placeholder:"RATE" help:"Of the stream."`
	PieceTime time.Duration `default:"200ms" help:"How long a piece plays."`
	GOP       time.Duration `name:"gop" default:"2s" help:"Time between keyframes."`
	KeySize   float64       `default:"2.5" help:"Size of the piece with the keyframe, in mean pieces."`
	Gaps      float64       `default:"0" help:"Share of pieces that are lost before they are signed."`

	Uplink     float64 `default:"1.5" help:"Mean uplink of all viewers, free riders too, in bitrates."`
	Spread     float64 `default:"1" help:"Standard deviation of the uplinks' logarithm."`
	Downlink   float64 `default:"4" help:"Least downlink, in bitrates."`
	SeedUp     string  `name:"seed-up" default:"1Gbit" placeholder:"RATE" help:"Uplink of each seed."`
	FreeRiders float64 `default:"0.2" help:"Share of viewers that give nothing."`

	RTT         string        `name:"rtt" placeholder:"FILE" help:"Square matrix of round trips in ms (default: a generated one)."`
	Jitter      time.Duration `default:"1ms" help:"Mean of what each message is late by."`
	Loss        float64       `default:"0" help:"Share of packets lost."`
	Lossy       float64       `default:"0" help:"Share of viewers with 3 % loss and 120 ms more of round trip."`
	Unreachable float64       `default:"0.15" help:"Share of pairs that cannot connect."`

	KillBest    int           `default:"0" help:"Viewers with the best uplinks that die."`
	KillBestAt  time.Duration `default:"40s" help:"When they do."`
	KillSeeds   int           `default:"0" help:"Seeds that die."`
	KillSeedsAt time.Duration `default:"40s" help:"When they do."`
	Cut         float64       `default:"0" help:"Share of viewers whose network is down for a while."`
	CutAt       time.Duration `default:"40s" help:"From when on."`
	CutFor      time.Duration `default:"3s" help:"How long."`

	Tune    map[string]string `placeholder:"NAME=VALUE" help:"Try another value of what the protocol leaves to peers, such as Neighbours=16."`
	JSON    bool              `help:"Print as JSON."`
	SVG     string            `name:"svg" placeholder:"FILE" help:"Draw delays and sources."`
	Profile string            `placeholder:"FILE" help:"Write a processor profile." hidden:""`
}

// simGarbage is how much garbage may pile up while simulating, in percent of what
// lives: there is much of both, and the collector would take a processor of its own.
const simGarbage = 300

func (c *simCmd) Run(ctx context.Context, t terminal) error {
	o, err := c.options()
	if err != nil {
		return refused(err)
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if _, set := os.LookupEnv("GOGC"); !set {
		defer debug.SetGCPercent(debug.SetGCPercent(simGarbage))
	}
	if c.Profile != "" {
		f, err := os.Create(c.Profile)
		if err != nil {
			return fmt.Errorf("write profile: %w", err)
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return fmt.Errorf("write profile: %w", err)
		}
		defer pprof.StopCPUProfile()
	}
	var results []*sim.Result
	for _, scheme := range c.Scheme {
		began := time.Now()
		o.Progress = func(at, end time.Duration) {
			fmt.Fprintf(t.err, "\r%-8s %3.0f of %.0f s simulated, %4.0f s passed", scheme, at.Seconds(), end.Seconds(), time.Since(began).Seconds())
		}
		r, err := sim.Run(ctx, o, sim.Scheme(scheme))
		if err != nil {
			return err
		}
		fmt.Fprintf(t.err, "\r%-8s took %.1f s for %d events%*s\n", scheme, time.Since(began).Seconds(), r.Events, 16, "")
		results = append(results, r)
	}
	if c.SVG != "" {
		if err := c.draw(&o, results); err != nil {
			return err
		}
	}
	if c.JSON {
		return printJSON(t.out, results)
	}
	return sim.WriteTable(t.out, &o, results)
}

func (c *simCmd) draw(o *sim.Options, results []*sim.Result) error {
	f, err := os.Create(c.SVG)
	if err != nil {
		return fmt.Errorf("draw the figures: %w", err)
	}
	return errors.Join(sim.WriteSVG(f, o, results), f.Close())
}

func (c *simCmd) options() (sim.Options, error) {
	o := sim.Defaults()
	bitrate, err := parseBytes("--bitrate", c.Bitrate)
	if err != nil {
		return o, err
	}
	seedUp, err := parseBytes("--seed-up", c.SeedUp)
	if err != nil {
		return o, err
	}
	o.Random, o.Peers, o.Seeds, o.Ramp, o.For, o.Flash = c.Random, c.Peers, c.Seeds, c.Ramp, c.For, c.Flash
	o.Churn, o.Vanish, o.Liars, o.Target = c.Churn, c.Vanish, c.Liars, c.Delay
	o.Bitrate, o.Piece, o.GOP, o.KeySize, o.Gaps = int64(bitrate)*8, c.PieceTime, c.GOP, c.KeySize, c.Gaps
	o.Uplink, o.Spread, o.Downlink, o.SeedUp, o.FreeRiders = c.Uplink, c.Spread, c.Downlink, int64(seedUp)*8, c.FreeRiders
	o.Jitter, o.Loss, o.Lossy, o.Unreachable = c.Jitter, c.Loss, c.Lossy, c.Unreachable
	o.KillBest, o.KillBestAt, o.KillSeeds, o.KillSeedsAt = c.KillBest, c.KillBestAt, c.KillSeeds, c.KillSeedsAt
	o.Cut, o.CutAt, o.CutFor = c.Cut, c.CutAt, c.CutFor
	if o.Workers = c.Workers; o.Workers < 1 {
		o.Workers = runtime.NumCPU()
	}
	for name, value := range c.Tune {
		if err := sim.Tune(&o.Tuning, name, value); err != nil {
			return o, err
		}
	}
	if c.RTT != "" {
		f, err := os.Open(c.RTT)
		if err != nil {
			return o, fmt.Errorf("--rtt: %w", err)
		}
		defer f.Close()
		if o.RTT, err = sim.ReadMatrix(f); err != nil {
			return o, fmt.Errorf("--rtt %s: %w", c.RTT, err)
		}
	}
	return o, o.Check()
}
