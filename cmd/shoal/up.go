package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/keyring"
)

type upCmd struct {
	dataFlags   `embed:""`
	busFlags    `embed:""`
	ingestFlags `embed:""`
	signFlags   `embed:""`
	originFlags `embed:""`
	httpFlags   `embed:""`
	tlsFlags    `embed:""`
	traceFlags  `embed:""`
}

// firstStream is made at the first start, so that there is something to publish to.
const firstStream event.StreamName = "live"

func (c *upCmd) Run(ctx context.Context, common *Common, t terminal) error {
	if c.HTTP == "" {
		return refused(errors.New("--http must name an address: viewers come in there"))
	}
	n, err := openNode(ctx, common, t.err, c.dataFlags, c.busFlags, c.tlsFlags, c.traceFlags)
	if err != nil {
		return err
	}
	defer n.close()
	if err := n.provision(ctx, c.originFlags, c.Piece); err != nil {
		return err
	}
	if err := n.listenHTTP(c.httpFlags); err != nil {
		return err
	}
	if err := n.addIngest(c.ingestFlags); err != nil {
		return err
	}
	store, sessions, err := n.addKeyring(c.signFlags)
	if err != nil {
		return err
	}
	n.addPackager(c.signFlags, sessions)
	if err := n.addSeeder(c.originFlags, c.httpFlags); err != nil {
		return err
	}
	fresh, err := firstStart(store)
	if err != nil {
		return refused(err)
	}
	l := n.links(c.PublicURL)
	return n.run(ctx, func() error {
		if err := saveLinks(n.dir, l); err != nil {
			return err
		}
		return greet(t.out, l, store, n.dir.Path(), fresh)
	})
}

// links returns the links of what this node listens on.
func (n *node) links(publicURL string) links {
	publish := n.running.RTMP
	if publish == "" {
		publish = n.running.RTMPS
	}
	return linksOf(n.running.HTTP, publish, publicURL)
}

// greet says where to publish, watch and look, for every stream there is.
func greet(w io.Writer, l links, store *keyring.Store, data string, fresh bool) error {
	streams, _, err := store.List()
	if err != nil {
		return err
	}
	if fresh {
		fmt.Fprintf(w, "Made the creator's keys and a stream called %q. Back the keys up with: shoal keys export\n", firstStream)
	}
	for _, s := range streams {
		fmt.Fprintf(w, "Publish %s: %s\n", s.Name, l.publishURL(s.Name, s.PublishKey))
		fmt.Fprintf(w, "Watch   %s: %s\n", s.Name, l.watchURL(s.Name, s.ID))
	}
	_, err = fmt.Fprintf(w, "Data: %s\n", data)
	return err
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
