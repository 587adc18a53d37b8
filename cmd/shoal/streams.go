package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"text/tabwriter"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/internal/datadir"
	"github.com/shoalcast/shoal/keyring"
)

type streamCmd struct {
	Add       streamAddCmd    `cmd:"" help:"Make a stream and print where to publish and watch."`
	Set       streamSetCmd    `cmd:"" help:"Change a stream's options."`
	List      streamListCmd   `cmd:"" help:"List streams with their links."`
	Rm        streamRmCmd     `cmd:"" help:"Remove a stream and its keys for good."`
	RotateKey streamRotateCmd `cmd:"" help:"Replace a stream's publish key, or with --root the creator's key."`
}

// linkFlags are where links point when no instance has ever run on the data directory.
type linkFlags struct {
	HTTP      string `name:"http" default:"127.0.0.1:8080" placeholder:"ADDR" help:"Address of pages, when no instance has run yet."`
	RTMP      string `default:":1935" placeholder:"ADDR" help:"RTMP address, when no instance has run yet."`
	PublicURL string `name:"public-url" placeholder:"URL" help:"How the world reaches --http, when no instance has run yet."`
}

type storeFlags struct {
	dataFlags `embed:""`
	linkFlags `embed:""`
}

// keyStore returns the creator's keys of a data directory, running or not, that this
// version may work on.
func keyStore(data string) (*keyring.Store, error) {
	if err := datadir.Check(data); err != nil {
		return nil, refused(err)
	}
	return keyring.Open(filepath.Join(data, keysDir)), nil
}

// listStreams returns the streams whose keys can be used, and says on standard error
// what is wrong with the others.
func listStreams(t terminal, data string) ([]keyring.Stream, error) {
	store, err := keyStore(data)
	if err != nil {
		return nil, err
	}
	streams, damaged, err := store.List()
	if err != nil {
		return nil, err
	}
	for _, err := range damaged {
		fmt.Fprintln(t.err, "shoal: left out:", err)
	}
	return streams, nil
}

func (f storeFlags) links() (links, error) {
	if err := checkPublicURL(f.PublicURL); err != nil {
		return links{}, refused(err)
	}
	fallback := linksOf("http://"+reachable(f.HTTP), "rtmp://"+reachable(f.RTMP)+"/live", f.PublicURL)
	return savedLinks(f.Data, fallback)
}

// tellRunning makes the instance on data, if one runs, act on what was changed.
func tellRunning(ctx context.Context, data string) error {
	running, err := datadir.Find(data)
	if errors.Is(err, datadir.ErrNotRunning) {
		return nil
	}
	if err != nil {
		return err
	}
	return askReload(ctx, running.Control)
}

// streamJSON is what --json prints of a stream.
type streamJSON struct {
	Name       event.StreamName `json:"name"`
	ID         event.StreamID   `json:"stream_id"`
	PublishKey string           `json:"publish_key"`
	RTMP       string           `json:"rtmp_url"`
	SRT        string           `json:"srt_url,omitempty"`
	Watch      string           `json:"watch_url"`
	Unlisted   bool             `json:"unlisted,omitempty"`
	Sensitive  bool             `json:"sensitive,omitempty"`
}

func describe(s keyring.Stream, l links) streamJSON {
	return streamJSON{
		Name: s.Name, ID: s.ID, PublishKey: s.PublishKey, Unlisted: s.Unlisted, Sensitive: s.Sensitive,
		RTMP: l.publishURL(s.Name, s.PublishKey), SRT: l.srtURL(s.Name, s.PublishKey), Watch: l.watchURL(s.Name, s.ID),
	}
}

type streamAddCmd struct {
	storeFlags `embed:""`
	Name       string `arg:"" help:"Name of the stream: a-z, 0-9, - and _."`
	Unlisted   bool   `help:"Do not show it on the front page."`
	Sensitive  bool   `help:"Give it no swarm: viewers do not learn each other's addresses, and all bytes come from your servers."`
	JSON       bool   `help:"Print as JSON."`
}

func (c *streamAddCmd) Run(ctx context.Context, t terminal) error {
	name, err := event.ParseStreamName(c.Name)
	if err != nil {
		return refused(err)
	}
	l, err := c.links()
	if err != nil {
		return err
	}
	store, err := keyStore(c.Data)
	if err != nil {
		return err
	}
	s, err := store.Add(name, keyring.Options{Unlisted: c.Unlisted, Sensitive: c.Sensitive})
	if errors.Is(err, keyring.ErrExists) {
		return refused(fmt.Errorf("there is a stream %q already: shoal stream list shows its links", name))
	}
	if err != nil {
		return err
	}
	if err := tellRunning(ctx, c.Data); err != nil {
		return fmt.Errorf("stream %q was made, but the running instance does not know it yet: %w", name, err)
	}
	d := describe(s, l)
	if c.JSON {
		return printJSON(t.out, d)
	}
	fmt.Fprintf(t.out, "Publish: %s\n", d.RTMP)
	_, err = fmt.Fprintf(t.out, "Watch:   %s\n", d.Watch)
	return err
}

type streamSetCmd struct {
	dataFlags `embed:""`
	Name      string `arg:""`
	Unlisted  *bool  `help:"Whether it is left out of the front page."`
	Sensitive *bool  `help:"Whether it has no swarm, so that viewers do not learn each other's addresses."`
}

func (c *streamSetCmd) Run(ctx context.Context, t terminal) error {
	if c.Unlisted == nil && c.Sensitive == nil {
		return refused(errors.New("nothing to change: name --unlisted or --sensitive, each with =true or =false"))
	}
	store, err := keyStore(c.Data)
	if err != nil {
		return err
	}
	s, err := store.Get(event.StreamName(c.Name))
	if err != nil {
		return refused(fmt.Errorf("cannot change %q: %w", c.Name, err))
	}
	o := s.Options
	if c.Unlisted != nil {
		o.Unlisted = *c.Unlisted
	}
	if c.Sensitive != nil {
		o.Sensitive = *c.Sensitive
	}
	if err := store.SetOptions(s.Name, o); err != nil {
		return err
	}
	if err := tellRunning(ctx, c.Data); err != nil {
		return fmt.Errorf("stream %q was changed, but the running instance does not know it yet: %w", s.Name, err)
	}
	_, err = fmt.Fprintf(t.out, "%s: unlisted %t, sensitive %t.\n", s.Name, o.Unlisted, o.Sensitive)
	return err
}

type streamListCmd struct {
	storeFlags `embed:""`
	JSON       bool `help:"Print as JSON."`
}

func (c *streamListCmd) Run(t terminal) error {
	l, err := c.links()
	if err != nil {
		return err
	}
	streams, err := listStreams(t, c.Data)
	if err != nil {
		return err
	}
	all := make([]streamJSON, 0, len(streams))
	for _, s := range streams {
		all = append(all, describe(s, l))
	}
	if c.JSON {
		return printJSON(t.out, all)
	}
	if len(all) == 0 {
		fmt.Fprintln(t.out, "No streams yet. Make one with: shoal stream add NAME")
		return nil
	}
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	for _, s := range all {
		fmt.Fprintf(w, "%s\tpublish\t%s\n\twatch\t%s\n", s.Name, s.RTMP, s.Watch)
	}
	return w.Flush()
}

type streamRmCmd struct {
	dataFlags `embed:""`
	Name      string `arg:""`
	Yes       bool   `help:"Do not ask."`
}

func (c *streamRmCmd) Run(ctx context.Context, t terminal) error {
	store, err := keyStore(c.Data)
	if err != nil {
		return err
	}
	s, err := store.Get(event.StreamName(c.Name))
	if err != nil {
		return refused(fmt.Errorf("cannot remove %q: %w", c.Name, err))
	}
	if !c.Yes && !confirm(t, fmt.Sprintf("Remove stream %q and its keys for good? Its id %s can never be published to again. Type its name: ", s.Name, s.ID), c.Name) {
		return refused(errors.New("nothing was removed"))
	}
	if err := store.Remove(s.Name); err != nil {
		return err
	}
	if err := tellRunning(ctx, c.Data); err != nil {
		return fmt.Errorf("the keys of %q were removed, but the running instance does not know it yet: %w", s.Name, err)
	}
	_, err = fmt.Fprintf(t.out, "Removed %s.\n", s.Name)
	return err
}

type streamRotateCmd struct {
	storeFlags `embed:""`
	Name       string `arg:""`
	Root       bool   `help:"Replace the creator's key by its successor instead; links stay valid."`
	JSON       bool   `help:"Print as JSON."`
}

func (c *streamRotateCmd) Run(ctx context.Context, t terminal) error {
	l, err := c.links()
	if err != nil {
		return err
	}
	store, err := keyStore(c.Data)
	if err != nil {
		return err
	}
	name := event.StreamName(c.Name)
	if c.Root {
		_, err = store.RotateRoot(name)
	} else {
		_, err = store.RotatePublishKey(name)
	}
	if errors.Is(err, keyring.ErrNotFound) {
		return refused(fmt.Errorf("cannot rotate the key of %q: %w", name, err))
	}
	if err != nil {
		return err
	}
	if err := tellRunning(ctx, c.Data); err != nil {
		return fmt.Errorf("the key was replaced, but the running instance does not know it yet: %w", err)
	}
	s, err := store.Get(name)
	if err != nil {
		return err
	}
	d := describe(s, l)
	if c.JSON {
		return printJSON(t.out, d)
	}
	if c.Root {
		_, err = fmt.Fprintf(t.out, "The creator's key is now %s. Links stay valid: %s\n", s.Fingerprint(), d.Watch)
		return err
	}
	_, err = fmt.Fprintf(t.out, "Publish: %s\nWhoever published with the old key was disconnected.\n", d.RTMP)
	return err
}
