package main

import (
	"context"
	"errors"
	"time"
)

// The services alone: each beside others on machines of their own, on one bus.

type ingestCmd struct {
	dataFlags     `embed:""`
	busFlags      `embed:""`
	ingestFlags   `embed:""`
	tlsFlags      `embed:""`
	traceFlags    `embed:""`
	operatorFlags `embed:""`
}

// operatorFlags are for services whose HTTP side only operators ask.
type operatorFlags struct {
	HTTP string `name:"http" placeholder:"ADDR" help:"Address for /healthz, /readyz and /metrics; none by default."`
}

func (c *ingestCmd) Run(ctx context.Context, common *Common, t terminal) error {
	if err := checkAll(c.ingestFlags); err != nil {
		return err
	}
	return alone(ctx, common, t, nodeFlags{c.dataFlags, c.busFlags, httpFlags{HTTP: c.HTTP}, c.tlsFlags, c.traceFlags},
		func(ctx context.Context, n *node) error { return n.addIngest(ctx, c.ingestFlags) })
}

type packagerCmd struct {
	dataFlags      `embed:""`
	busFlags       `embed:""`
	retentionFlags `embed:""`
	sessionFlags   `embed:""`
	traceFlags     `embed:""`
	operatorFlags  `embed:""`
	Window         time.Duration `default:"30s" help:"How much of a live stream stays playable; the bus keeps six times as much."`
	ArchiveWindow  time.Duration `default:"60s" help:"How much of a stream one archive file holds: 10s to 2m; 0s closes none."`
	Piece          time.Duration `default:"200ms" help:"How long the ingest's pieces play."`
}

func (c *packagerCmd) check() error {
	return first(
		between("--window", c.Window, minWindow, maxWindow),
		between("--piece", c.Piece, minPiece, maxPiece),
		checkArchiveWindow(c.ArchiveWindow),
	)
}

func (c *packagerCmd) Run(ctx context.Context, common *Common, t terminal) error {
	if err := checkAll(c, c.retentionFlags, keeps{c.Retention, c.Window}); err != nil {
		return err
	}
	return alone(ctx, common, t, nodeFlags{c.dataFlags, c.busFlags, httpFlags{HTTP: c.HTTP}, tlsFlags{}, c.traceFlags},
		func(ctx context.Context, n *node) error {
			if err := n.provision(ctx, originFlags{Window: c.Window}, c.Piece); err != nil {
				return err
			}
			sessions, err := n.sessionKeys(c.sessionFlags)
			if err != nil {
				return err
			}
			n.addPackager(c.retentionFlags, c.ArchiveWindow, sessions)
			return nil
		})
}

type transcoderCmd struct {
	dataFlags      `embed:""`
	busFlags       `embed:""`
	renditionFlags `embed:""`
	operatorFlags  `embed:""`
}

func (c *transcoderCmd) check() error {
	if l, err := c.ladder(); err != nil || len(l) > 0 {
		return err
	}
	return errors.New("--renditions must say what to make, such as on or 720p,360p")
}

func (c *transcoderCmd) Run(ctx context.Context, common *Common, t terminal) error {
	if err := checkAll(c, c.renditionFlags); err != nil {
		return err
	}
	return alone(ctx, common, t, nodeFlags{c.dataFlags, c.busFlags, httpFlags{HTTP: c.HTTP}, tlsFlags{}, traceFlags{}},
		func(_ context.Context, n *node) error { return n.addTranscoder(c.renditionFlags) })
}

type seederCmd struct {
	dataFlags      `embed:""`
	busFlags       `embed:""`
	originFlags    `embed:""`
	swarmFlags     `embed:""`
	archiveFlags   `embed:""`
	telemetryFlags `embed:""`
	httpFlags      `embed:""`
	tlsFlags       `embed:""`
	traceFlags     `embed:""`
}

func (c *seederCmd) Run(ctx context.Context, common *Common, t terminal) error {
	if err := checkAll(c.originFlags, c.swarmFlags, c.archiveFlags, viewersIn(c.HTTP)); err != nil {
		return err
	}
	return alone(ctx, common, t, nodeFlags{c.dataFlags, c.busFlags, c.httpFlags, c.tlsFlags, c.traceFlags},
		func(_ context.Context, n *node) error {
			_, err := n.addSeeder(c.originFlags, c.httpFlags, c.swarmFlags, c.archiveFlags, c.telemetryFlags, nil)
			return err
		})
}

type keyringCmd struct {
	dataFlags     `embed:""`
	busFlags      `embed:""`
	keyFlags      `embed:""`
	sessionFlags  `embed:""`
	operatorFlags `embed:""`
}

func (c *keyringCmd) Run(ctx context.Context, common *Common, t terminal) error {
	if err := checkAll(c.keyFlags); err != nil {
		return err
	}
	return alone(ctx, common, t, nodeFlags{c.dataFlags, c.busFlags, httpFlags{HTTP: c.HTTP}, tlsFlags{}, traceFlags{}},
		func(_ context.Context, n *node) error {
			_, _, err := n.addKeyring(c.keyFlags, c.sessionFlags)
			return err
		})
}

type analyticsCmd struct {
	dataFlags       `embed:""`
	busFlags        `embed:""`
	clickhouseFlags `embed:""`
	httpFlags       `embed:""`
	tlsFlags        `embed:""`
}

func (c *analyticsCmd) Run(ctx context.Context, common *Common, t terminal) error {
	if err := checkAll(c.clickhouseFlags); err != nil {
		return err
	}
	return alone(ctx, common, t, nodeFlags{c.dataFlags, c.busFlags, c.httpFlags, c.tlsFlags, traceFlags{}},
		func(_ context.Context, n *node) error {
			reader, status, err := n.addAnalytics(c.clickhouseFlags)
			if err != nil {
				return err
			}
			if reader == nil {
				_, why := status()
				return refused(errors.New("there is nowhere to take telemetry: " + why))
			}
			tuneForBatches()
			return n.addDash(reader, status)
		})
}

// alone runs one service on an outside bus.
func alone(ctx context.Context, common *Common, t terminal, f nodeFlags, add func(context.Context, *node) error) error {
	if f.bus.NATS == "" {
		return refused(errors.New("a service alone needs the bus of the others: name it with --nats and --nats-creds"))
	}
	return serve(ctx, common, t, f, func(ctx context.Context, n *node) (func() error, error) {
		return func() error { return nil }, add(ctx, n)
	})
}
