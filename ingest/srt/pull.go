package srt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/shoalcast/shoal/ingest/srt/libsrt"
	"github.com/shoalcast/shoal/internal/obs"
)

// PullOptions configure a Pull.
type PullOptions struct {
	// Name is what Request.Name says, and what logs call the pull.
	Name string
	// Start gives what receives one connection; it is called for each. Required.
	Start    func(ctx context.Context, r Request) (Handler, error)
	Limits   Limits
	PeerIdle time.Duration // as in Options
	Log      *slog.Logger  // nil: nothing is logged
	Metrics  *Metrics      // nil: counted for nobody
	// FirstPause and MaxPause bound the time between two calls. It doubles, with a random
	// share, from the first to the last. Defaults 1 s and 30 s.
	FirstPause, MaxPause time.Duration
}

const (
	// handshakeTime is how long a call may take.
	handshakeTime = 3 * time.Second
	// steady is how long a connection must have stood to begin with short pauses again.
	steady = 10 * time.Second
)

// Pull calls the listener at address, a URL as of ParseURL, and hands what it sends to
// Handlers, again and again until ctx ends; then all is closed and it returns nil. It
// fails at once when the address is wrong or the library is missing.
func Pull(ctx context.Context, address string, o PullOptions) error {
	lib, err := libsrt.Load()
	if err != nil {
		return err
	}
	a, err := ParseURL(address)
	if err != nil {
		return err
	}
	if o.Start == nil {
		return errors.New("a pull needs somebody to start a publish")
	}
	o.Limits = o.Limits.withDefaults()
	set(&o.PeerIdle, defaultPeerIdle)
	set(&o.FirstPause, time.Second)
	set(&o.MaxPause, 30*time.Second)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = NewMetrics(nil)
	}
	p := &puller{lib: lib, to: a, opts: o, log: o.Log.With(obs.KeyName, o.Name, obs.KeyRemote, a.Host)}
	pause := backoff.NewExponentialBackOff(backoff.WithInitialInterval(o.FirstPause),
		backoff.WithMaxInterval(o.MaxPause), backoff.WithMaxElapsedTime(0))
	for {
		began := time.Now()
		err := p.once(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // to end with its context is what was asked for
		}
		if time.Since(began) >= steady {
			pause.Reset()
		}
		wait := pause.NextBackOff()
		p.log.Warn("no longer, or not yet, connected to the SRT source", obs.KeyError, err, "next_try_in", wait.Round(10*time.Millisecond))
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil
		}
	}
}

type puller struct {
	lib  *libsrt.Library
	to   Address
	opts PullOptions
	log  *slog.Logger
}

// once calls, and receives until the connection ends.
func (p *puller) once(ctx context.Context) error {
	addrs, err := resolve(ctx, p.to.Host)
	if err != nil {
		return err
	}
	epoll, err := p.lib.Epoll()
	if err != nil {
		return err
	}
	defer epoll.Release()
	for _, a := range addrs {
		var u libsrt.Socket
		if u, err = p.dial(ctx, epoll, a); err == nil {
			p.log.Info("connected to the SRT source")
			return p.receive(ctx, epoll, u, a)
		}
		if ctx.Err() != nil {
			return nil
		}
	}
	return err
}

// dial calls one address and waits for the handshake's end.
func (p *puller) dial(ctx context.Context, epoll *libsrt.Epoll, a netip.AddrPort) (_ libsrt.Socket, err error) {
	u, err := p.lib.Socket()
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			epoll.Remove(u)
			p.lib.Close(u)
		}
	}()
	for _, o := range []struct {
		option libsrt.Option
		value  int
	}{
		{libsrt.OptMinVersion, minPeer},
		{libsrt.OptReceiveLag, int(p.to.Latency / time.Millisecond)},
		{libsrt.OptConnTimeout, int(handshakeTime / time.Millisecond)},
		{libsrt.OptPeerIdle, int(p.opts.PeerIdle / time.Millisecond)},
	} {
		if err := p.lib.SetInt(u, o.option, o.value); err != nil {
			return 0, err
		}
	}
	if err := p.lib.SetText(u, libsrt.OptStreamID, p.to.StreamID); p.to.StreamID != "" && err != nil {
		return 0, err
	}
	if err := p.lib.SetText(u, libsrt.OptPassphrase, p.to.Passphrase); p.to.Passphrase != "" && err != nil {
		return 0, err
	}
	if err := epoll.Add(u, libsrt.Out|libsrt.Err); err != nil {
		return 0, err
	}
	if err := p.lib.Connect(u, a); err != nil {
		return 0, err
	}
	events := make([]libsrt.Event, 1)
	for deadline := time.Now().Add(handshakeTime + time.Second); ctx.Err() == nil; {
		if _, err := epoll.Wait(events, int(look/time.Millisecond)); err != nil {
			return 0, err
		}
		switch state := p.lib.State(u); {
		case state == libsrt.StateConnected:
			return u, epoll.Update(u, libsrt.In|libsrt.Err)
		case state > libsrt.StateConnected, time.Now().After(deadline):
			r := p.lib.RejectReason(u)
			return 0, fmt.Errorf("call %s by SRT: %s (%d)", a, p.rejected(r), r)
		}
	}
	return 0, ctx.Err()
}

func (p *puller) rejected(r libsrt.Reject) string {
	switch r {
	case 0:
		return "the connection was ended at once, or the library does not say why"
	case libsrt.Unauthorized:
		return "the listener does not accept the key or the stream id"
	case libsrt.Conflict:
		return "the listener says that this is in use already"
	case libsrt.RejectBadSecret:
		return "the passphrase is wrong"
	case libsrt.RejectUnsecure:
		return "one side has a passphrase and the other has not"
	}
	return p.lib.RejectText(r)
}

func (p *puller) receive(ctx context.Context, epoll *libsrt.Epoll, u libsrt.Socket, a netip.AddrPort) error {
	var ended error
	l := &loop{
		lib: p.lib, epoll: epoll, limits: p.opts.Limits, peerIdle: p.opts.PeerIdle,
		log: p.opts.Log, metrics: p.opts.Metrics, begin: p.opts.Start,
		left:  func(c *conn) { ended = c.end.err },
		conns: map[libsrt.Socket]*conn{}, breaking: map[libsrt.Socket]*conn{},
	}
	l.adopt(ctx, u, a, Request{Name: p.opts.Name, Program: p.to.Program})
	if err := l.run(ctx, func() bool { return len(l.conns) > 0 }); err != nil {
		return err
	}
	if ended == nil {
		ended = errors.New("the listener ended the connection")
	}
	return ended
}
