package main

import (
	"context"
	"errors"
	"time"
)

// The services alone: each beside others on machines of their own, on one bus.

type ingestCmd struct {
	dataFlags   `embed:""`
	busFlags    `embed:""`
	ingestFlags `embed:""`
	tlsFlags    `embed:""`
	traceFlags  `embed:""`
	HTTP        string `name:"http" placeholder:"ADDR" help:"Address for /healthz, /readyz and /metrics; none by default."`
}

func (c *ingestCmd) Run(ctx context.Context, common *Common, t terminal) error {
	return alone(ctx, common, t, c.dataFlags, c.busFlags, c.tlsFlags, c.traceFlags, httpFlags{HTTP: c.HTTP},
		func(n *node) error { return n.addIngest(c.ingestFlags) })
}

type packagerCmd struct {
	dataFlags  `embed:""`
	busFlags   `embed:""`
	signFlags  `embed:""`
	traceFlags `embed:""`
	HTTP       string        `name:"http" placeholder:"ADDR" help:"Address for /healthz, /readyz and /metrics; none by default."`
	Window     time.Duration `default:"30s" help:"How much of a live stream stays playable; the bus keeps six times as much."`
	Piece      time.Duration `default:"200ms" help:"How long the ingest's pieces play."`
}

func (c *packagerCmd) Run(ctx context.Context, common *Common, t terminal) error {
	return alone(ctx, common, t, c.dataFlags, c.busFlags, tlsFlags{}, c.traceFlags, httpFlags{HTTP: c.HTTP},
		func(n *node) error {
			if err := n.provision(ctx, originFlags{Window: c.Window}, c.Piece); err != nil {
				return err
			}
			sessions, err := n.sessionKeys()
			if err != nil {
				return err
			}
			n.addPackager(c.signFlags, sessions)
			return nil
		})
}

type seederCmd struct {
	dataFlags   `embed:""`
	busFlags    `embed:""`
	originFlags `embed:""`
	httpFlags   `embed:""`
	tlsFlags    `embed:""`
	traceFlags  `embed:""`
}

func (c *seederCmd) Run(ctx context.Context, common *Common, t terminal) error {
	if c.HTTP == "" {
		return refused(errors.New("--http must name an address: viewers come in there"))
	}
	return alone(ctx, common, t, c.dataFlags, c.busFlags, c.tlsFlags, c.traceFlags, c.httpFlags,
		func(n *node) error { return n.addSeeder(c.originFlags, c.httpFlags) })
}

type keyringCmd struct {
	dataFlags `embed:""`
	busFlags  `embed:""`
	signFlags `embed:""`
}

func (c *keyringCmd) Run(ctx context.Context, common *Common, t terminal) error {
	return alone(ctx, common, t, c.dataFlags, c.busFlags, tlsFlags{}, traceFlags{}, httpFlags{},
		func(n *node) error {
			_, _, err := n.addKeyring(c.signFlags)
			return err
		})
}

// alone runs one service on an outside bus.
func alone(ctx context.Context, common *Common, t terminal, d dataFlags, b busFlags, tl tlsFlags, tr traceFlags, h httpFlags, add func(*node) error) error {
	if b.NATS == "" {
		return refused(errors.New("a service alone needs the bus of the others: name it with --nats and --nats-creds"))
	}
	n, err := openNode(ctx, common, t.err, d, b, tl, tr)
	if err != nil {
		return err
	}
	defer n.close()
	if err := n.listenHTTP(h); err != nil {
		return err
	}
	if err := add(n); err != nil {
		return err
	}
	return n.run(ctx, func() error { return nil })
}
