package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"

	"golang.org/x/term"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/keyring"
	"github.com/shoalcast/shoal/seeder"
)

type upCmd struct {
	dataFlags       `embed:""`
	busFlags        `embed:""`
	ingestFlags     `embed:""`
	renditionFlags  `embed:""`
	retentionFlags  `embed:""`
	keyFlags        `embed:""`
	originFlags     `embed:""`
	swarmFlags      `embed:""`
	trackerFlags    `embed:""`
	archiveFlags    `embed:""`
	telemetryFlags  `embed:""`
	clickhouseFlags `embed:""`
	httpFlags       `embed:""`
	tlsFlags        `embed:""`
	traceFlags      `embed:""`
}

// firstStream is made at the first start, so that there is something to publish to.
const firstStream event.StreamName = "live"

func (c *upCmd) Run(ctx context.Context, common *Common, t terminal) error {
	if err := checkAll(c.ingestFlags, c.renditionFlags, c.retentionFlags, c.keyFlags, c.originFlags, c.swarmFlags, c.trackerFlags, c.archiveFlags, c.clickhouseFlags,
		keeps{c.Retention, c.Window}, viewersIn(c.HTTP)); err != nil {
		return err
	}
	return serve(ctx, common, t, nodeFlags{c.dataFlags, c.busFlags, c.httpFlags, c.tlsFlags, c.traceFlags}, func(ctx context.Context, n *node) (func() error, error) {
		if err := n.provision(ctx, c.originFlags, c.Piece); err != nil {
			return nil, err
		}
		if err := n.addIngest(ctx, c.ingestFlags); err != nil {
			return nil, err
		}
		if err := n.addTranscoder(c.renditionFlags); err != nil {
			return nil, err
		}
		store, sessions, err := n.addKeyring(c.keyFlags, sessionFlags{})
		if err != nil {
			return nil, err
		}
		n.addPackager(c.retentionFlags, c.ArchiveWindow, sessions)
		var origin *seeder.Service
		tracker, err := n.addMatchmaker(c.trackerFlags, c.PublicURL, func(hash [20]byte) bool { return origin.Knows(hash) },
			func(hash [20]byte) (event.StreamID, bool) { return origin.StreamOf(hash) })
		if err != nil {
			return nil, err
		}
		if origin, err = n.addSeeder(c.originFlags, c.httpFlags, c.swarmFlags, c.archiveFlags, c.telemetryFlags, tracker); err != nil {
			return nil, err
		}
		reader, status, err := n.addAnalytics(c.clickhouseFlags)
		if err != nil {
			return nil, err
		}
		if err := n.addDash(reader, status); err != nil {
			return nil, err
		}
		fresh, err := firstStart(store)
		if err != nil {
			return nil, refused(err)
		}
		l := n.links(c.PublicURL)
		return func() error {
			if err := saveLinks(n.dir, l); err != nil {
				return err
			}
			if err := greet(t.out, l, store, n.dir.Path(), fresh); err != nil {
				return err
			}
			return greetDash(t.out, l.Watch, n.dashToken, n.dir.Path("dash-token"))
		}, nil
	})
}

// links returns the links of what this node listens on.
func (n *node) links(publicURL string) links {
	publish := n.running.RTMP
	if publish == "" {
		publish = n.running.RTMPS
	}
	l := linksOf(n.running.HTTP, publish, publicURL)
	l.SRT = n.running.SRT
	if public, err := url.Parse(publicURL); err == nil && public.Hostname() != "" {
		l.SRT = onHost(l.SRT, public.Hostname())
	}
	return l
}

// greet says where to watch and look, for every stream there is. Where to publish is
// said to people only, and at the first start: service managers and containers keep
// what a program prints, and publish keys are secret.
func greet(w io.Writer, l links, store *keyring.Store, data string, fresh bool) error {
	streams, _, err := store.List()
	if err != nil {
		return err
	}
	if fresh {
		fmt.Fprintf(w, "Made the creator's keys and a stream called %q. Back the keys up with: shoal keys export\n", firstStream)
	}
	keys := fresh || isTerminal(w)
	for _, s := range streams {
		if keys {
			fmt.Fprintf(w, "Publish %s: %s\n", s.Name, l.publishURL(s.Name, s.PublishKey))
		}
		fmt.Fprintf(w, "Watch   %s: %s\n", s.Name, l.watchURL(s.Name, s.ID))
	}
	if !keys {
		fmt.Fprintf(w, "Where to publish, with keys: shoal stream list --data %s\n", data)
	}
	_, err = fmt.Fprintf(w, "Data: %s\n", data)
	return err
}

// isTerminal reports whether a person reads w as it is written.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// firstStart makes the first stream where there is none.
func firstStart(store *keyring.Store) (made bool, err error) {
	streams, damaged, err := store.List()
	if err != nil || len(streams)+len(damaged) > 0 {
		return false, err
	}
	if _, err := store.Add(firstStream, keyring.Options{}); err != nil {
		return false, fmt.Errorf("make the first stream: %w", err)
	}
	return true, nil
}
