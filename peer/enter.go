package peer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
	"github.com/shoalcast/shoal/swarm/metainfo"
)

// entrance is where a viewer came in, and what it learned there.
type entrance struct {
	origin     *origin // nil: there is only the swarm
	document   document
	records    records
	good       State // what the stream is when all is well
	clock      *Clock
	trip       time.Duration // to the origin and back
	descriptor metainfo.Descriptor
	trackers   []string
	seeds      []netip.AddrPort
}

// defaultUp is what a viewer gives in all unless it says otherwise, in bit/s.
const defaultUp = 20_000_000

// enter joins by the stream's page where the link names one. If that cannot be reached,
// or there is none, it joins by the swarm that a magnet link names.
func (o Options) enter(ctx context.Context, link Link) (*entrance, error) {
	if link.Location == nil {
		return o.enterSwarm(ctx, *link.Magnet)
	}
	in, err := o.enterPage(ctx, *link.Location)
	if err != nil && !errors.Is(err, ErrBroken) && link.Magnet != nil && o.Transport != nil && ctx.Err() == nil {
		o.Log.Warn("the stream's page cannot be reached, asking its swarm", "error", err)
		return o.enterSwarm(ctx, *link.Magnet)
	}
	return in, err
}

func (o Options) enterPage(ctx context.Context, loc Location) (*entrance, error) {
	in := &entrance{origin: &origin{client: o.HTTPClient, loc: loc, timing: *o.timing, now: o.Now}}
	var err error
	if in.document, err = join(ctx, in.origin, *o.timing); err != nil {
		return nil, err
	}
	if in.good, err = in.records.identify(loc, in.document, &pins{path: o.PinFile}); err != nil {
		return nil, err
	}
	if in.clock, in.trip, err = setClock(ctx, in.origin, *o.timing); err != nil {
		return nil, err
	}
	in.trackers = in.document.Trackers
	in.seeds = o.resolve(ctx, complete(loc, in.document.Seeds, maxSeeds))
	if stun := complete(loc, in.document.STUN, maxSTUN); len(stun) > 0 && o.STUN != nil {
		o.STUN(stun)
	}
	if in.descriptor, err = metainfo.NewDescriptor(in.document.Genesis); err != nil {
		return nil, fmt.Errorf("make the descriptor of the stream's swarm: %w", err)
	}
	return in, nil
}

// Bounds of the addresses that are used on a document's word.
const (
	maxSeeds = 8
	maxSTUN  = 3
)

// complete gives addresses that name no host the page's; it takes no more than most.
func complete(loc Location, addrs []string, most int) []string {
	page, err := url.Parse(loc.Base)
	if err != nil {
		return nil
	}
	var out []string
	for _, a := range addrs[:min(len(addrs), most)] {
		host, port, err := net.SplitHostPort(a)
		if err == nil {
			out = append(out, net.JoinHostPort(cmp.Or(host, page.Hostname()), port))
		}
	}
	return out
}

// resolve finds the addresses of seeds. One that cannot be found is left out: the
// trackers know more.
func (o Options) resolve(ctx context.Context, seeds []string) []netip.AddrPort {
	ctx, cancel := context.WithTimeout(ctx, o.timing.reply)
	defer cancel()
	var out []netip.AddrPort
	for _, s := range seeds {
		host, text, err := net.SplitHostPort(s)
		port, perr := strconv.ParseUint(text, 10, 16)
		if err != nil || perr != nil || port == 0 {
			continue
		}
		ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		if err != nil {
			o.Log.Debug("a seed's host has no address", "host", host, "error", err)
		}
		for _, ip := range ips {
			out = append(out, netip.AddrPortFrom(ip.Unmap(), uint16(port)))
		}
	}
	return out
}

// enterSwarm joins a stream of which only the swarm is known. The link says whose it is;
// the time is the viewer's own.
func (o Options) enterSwarm(ctx context.Context, m metainfo.Link) (*entrance, error) {
	find, cancel := context.WithTimeout(ctx, o.timing.joinFor)
	defer cancel()
	content, err := o.Transport.Find(find, m.InfoHash, m.Trackers)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return nil, fmt.Errorf("nobody in the stream's swarm answered within %s: it may be over, or its trackers out of reach", o.timing.joinFor)
	case err != nil:
		return nil, fmt.Errorf("find the stream in its swarm: %w", err)
	}
	genesis, err := manifest.ParseEnvelope(content)
	if err != nil {
		return nil, fmt.Errorf("%w: the descriptor is no genesis: %w", ErrBroken, err)
	}
	trust, err := manifest.NewTrust(genesis)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBroken, err)
	}
	if trust.ID() != m.Stream {
		return nil, fmt.Errorf("%w: the link is to stream %s, but its swarm is stream %s's", ErrBroken, m.Stream, trust.ID())
	}
	now := o.Now()
	in := &entrance{
		document: document{Name: trust.Name(), StreamID: trust.ID(), Live: true, Genesis: genesis, gossip: true},
		records:  records{trust: trust, known: map[event.Digest]bool{}},
		good:     Verified,
		clock:    newClock(o.Now, clockReading{asked: now, answered: now, server: now}),
		trackers: m.Trackers,
	}
	if in.descriptor, err = metainfo.NewDescriptor(genesis); err != nil {
		return nil, fmt.Errorf("make the descriptor of the stream's swarm: %w", err)
	}
	return in, nil
}

// party says who the viewer is in the swarm.
func (in *entrance) party(o Options) partyOptions {
	up := o.UpRate
	switch {
	case o.NoUp:
		up = 0
	case up == 0:
		up = defaultUp
	}
	return partyOptions{
		trust: in.records.trust, rendition: o.Rendition, origin: in.origin, trip: in.trip, up: up, timing: *o.timing, transport: o.Transport, log: o.Log,
	}
}
