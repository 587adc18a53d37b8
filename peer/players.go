package peer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/peer/hls"
)

// endSettle is how long nothing may come from a stream that is offline before its last
// segment counts as whole.
const endSettle = 2 * time.Second

// players are those on this machine who play what the viewer verified, over HTTP. A nil
// *players has none and does nothing.
type players struct {
	server *hls.Server
	log    *slog.Logger
	cancel context.CancelFunc
	done   chan error

	root event.Root // of init
	init hls.Init   // the newest that was looked at
}

// servePlayers listens at o.HLS, if that is asked for, until stop.
func servePlayers(ctx context.Context, o Options, link Link) (*players, error) {
	if o.HLS == "" {
		return nil, nil
	}
	name, page := link.place()
	l, err := hls.Listen(o.HLS)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	p := &players{
		server: hls.New(l, hls.Options{Name: name, Rendition: o.Rendition, Page: page}),
		log:    o.Log, cancel: cancel, done: make(chan error, 1),
	}
	go func() { p.done <- p.server.Run(ctx) }()
	if o.Serving != nil {
		o.Serving(p.server.Playlist())
	}
	return p, nil
}

func (p *players) stop() error {
	if p == nil {
		return nil
	}
	p.cancel()
	return <-p.done
}

// add shows players a piece, and the gaps before it. A piece without a copy is a gap too.
func (p *players) add(f fetched) error {
	if p == nil {
		return nil
	}
	if f.init.data != nil && f.init.root != p.root {
		p.root, p.init = f.init.root, hls.Init{Data: f.init.data}
		about, err := describe(f.init.data)
		if err != nil { // players look themselves
			p.log.Debug("the init segment does not say what its codecs are", "error", err)
		}
		p.init.Codecs, p.init.Width, p.init.Height = about.codecs, about.width, about.height
	}
	var errs []error
	for _, gap := range f.gaps {
		errs = append(errs, p.server.Add(hls.Piece{Entry: gap}, p.init))
	}
	piece := hls.Piece{Entry: f.entry, Data: f.data}
	if f.err != nil {
		piece.Data = nil
	}
	if err := errors.Join(append(errs, p.server.Add(piece, p.init))...); err != nil {
		return fmt.Errorf("show players a piece: %w", err)
	}
	return nil
}

func (p *players) setEnded(ended bool) {
	if p != nil {
		p.server.SetEnded(ended)
	}
}
