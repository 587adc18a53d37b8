package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/internal/netlab"
	"github.com/shoalcast/shoal/swarm"
	"github.com/shoalcast/shoal/swarm/bt"
	"github.com/shoalcast/shoal/swarm/live"
	"github.com/shoalcast/shoal/swarm/metainfo"
)

const (
	hopTrip   = 50 * time.Millisecond
	hopBytes  = 256 << 10
	hopLength = time.Minute
	hopWarm   = 25 // pieces that are not counted
	hopAtMost = 60 * time.Millisecond
)

// benchHop sends pieces from one peer to another behind a relay with a round trip of 50 ms,
// and in between the same bytes over a bare connection through another such relay.
func benchHop(ctx context.Context, r *report, o options) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	c, err := newCreator()
	if err != nil {
		return err
	}
	near, err := newHopPeer(c, swarm.Seed, nil)
	if err != nil {
		return err
	}
	defer near.close()
	arrived := make(chan arrival, 16)
	far, err := newHopPeer(c, swarm.Viewer, func(p *swarm.Piece) {
		arrived <- arrival{p.Head.Entry.N, time.Now()}
	})
	if err != nil {
		return err
	}
	defer far.close()
	relay, err := netlab.TCP(fmt.Sprintf("127.0.0.1:%d", near.client.Port()), netlab.Link{Delay: hopTrip / 2})
	if err != nil {
		return err
	}
	defer relay.Close()
	group.Go(func() error { return near.loop.Run(ctx) })
	group.Go(func() error { return far.loop.Run(ctx) })
	addr, err := netip.ParseAddrPort(relay.Addr())
	if err != nil {
		return fmt.Errorf("read the relay's address: %w", err)
	}
	far.member.Dial(swarm.Dial{Hint: swarm.Hint{Addr: addr, Role: swarm.Seed}})
	wire, err := newBareWire(ctx)
	if err != nil {
		return err
	}
	defer wire.close()
	ours, bare, err := hop(ctx, c, near, arrived, wire, int(o.orLength(hopLength)/pieceTime))
	cancel()
	if failed := group.Wait(); err == nil && !errors.Is(failed, context.Canceled) {
		err = failed
	}
	if err != nil {
		return err
	}
	if len(ours) == 0 || len(bare) == 0 {
		return errors.New("nothing arrived; -for may be too short")
	}
	p50, other := quantile(ours, 0.5), quantile(bare, 0.5)
	r.add(fmt.Sprintf("256 KiB over 50 ms of round trip, whole → verified, p50 of %d", len(ours)), fmt.Sprintf("%.1f ms", ms(p50)), "≤ 60 ms", p50 <= hopAtMost)
	r.note("the same, p95", fmt.Sprintf("%.1f ms", ms(quantile(ours, 0.95))))
	r.note(fmt.Sprintf("beside a bare TCP write: p50 %.1f ms, p95 %.1f ms", ms(other), ms(quantile(bare, 0.95))), fmt.Sprintf("%.2f ×", ms(p50)/ms(other)))
	return nil
}

func ms(d time.Duration) float64 { return d.Seconds() * 1000 }

type arrival struct {
	n  uint64
	at time.Time
}

// hop has pieces and bare bytes sent in turns and returns what each took.
func hop(ctx context.Context, c *creator, near *hopPeer, arrived <-chan arrival, wire *bareWire, pieces int) (ours, bare []time.Duration, err error) {
	tick := time.NewTicker(pieceTime / 2)
	defer tick.Stop()
	whole := make([]time.Time, hopWarm+pieces)
	received := make([]bool, len(whole))
	keep := func(a arrival) {
		if a.n >= hopWarm && !received[a.n] {
			received[a.n] = true
			ours = append(ours, a.at.Sub(whole[a.n]))
		}
	}
	wait := func() error {
		for {
			select {
			case a := <-arrived:
				keep(a)
			case <-tick.C:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}
	for n := range whole {
		data := make([]byte, hopBytes)
		_, _ = rand.Read(data) // never fails
		head, err := c.sign(data)
		if err != nil {
			return nil, nil, err
		}
		if err := wait(); err != nil {
			return nil, nil, err
		}
		if err := near.loop.Do(ctx, func(now swarm.Time, node *swarm.Node) {
			whole[n] = time.Now()
			node.Add(now, head, data, swarm.FromSeed)
		}); err != nil {
			return nil, nil, err
		}
		if err := wait(); err != nil {
			return nil, nil, err
		}
		took, err := wire.send(data)
		if err != nil {
			return nil, nil, err
		}
		if n >= hopWarm {
			bare = append(bare, took)
		}
	}
	for len(ours) < pieces {
		select {
		case a := <-arrived:
			keep(a)
		case <-time.After(2 * time.Second):
			return nil, nil, fmt.Errorf("%d of %d pieces did not arrive", pieces-len(ours), pieces)
		}
	}
	return ours, bare, nil
}

// hopPeer is one whole peer of a stream.
type hopPeer struct {
	client *bt.Client
	loop   *live.Loop
	member live.Membership
}

func newHopPeer(c *creator, role swarm.Role, on func(*swarm.Piece)) (*hopPeer, error) {
	v, err := c.verifier()
	if err != nil {
		return nil, err
	}
	descriptor, err := metainfo.NewDescriptor(c.genesis)
	if err != nil {
		return nil, err
	}
	cfg := swarm.Config{Stream: c.stream, ID: swarm.PeerID{byte(role) + 1}, Role: role, Verifier: v, Up: swarm.Unlimited, NoOrigin: true}
	if role == swarm.Viewer {
		cfg.Wants = []event.Rendition{event.Source}
	}
	p := &hopPeer{loop: live.New(live.Options{Node: cfg, Handler: live.Handler{Piece: on}})}
	if p.client, err = bt.New(bt.Options{Listen: free}); err != nil {
		return nil, err
	}
	if p.member, err = (bt.Transport{Client: p.client}).Join(descriptor, nil, p.loop); err != nil {
		return nil, errors.Join(err, p.client.Close())
	}
	return p, nil
}

func (p *hopPeer) close() {
	p.member.Close()
	_ = p.client.Close()
}

// bareWire is a TCP connection through a relay, on which whole pieces are written.
type bareWire struct {
	relay    *netlab.Relay
	listener net.Listener
	conn     net.Conn
	got      chan time.Time
}

func newBareWire(ctx context.Context) (*bareWire, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", free)
	if err != nil {
		return nil, fmt.Errorf("listen for bare bytes: %w", err)
	}
	w := &bareWire{listener: l, got: make(chan time.Time, 1)}
	go w.receive()
	if w.relay, err = netlab.TCP(l.Addr().String(), netlab.Link{Delay: hopTrip / 2}); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	var d net.Dialer
	if w.conn, err = d.DialContext(ctx, "tcp", w.relay.Addr()); err != nil {
		w.relay.Close()
		return nil, errors.Join(fmt.Errorf("dial through the relay: %w", err), l.Close())
	}
	return w, nil
}

func (w *bareWire) receive() {
	conn, err := w.listener.Accept()
	if err != nil {
		return
	}
	defer conn.Close()
	buf := make([]byte, hopBytes)
	for {
		if _, err := io.ReadFull(conn, buf); err != nil {
			return
		}
		w.got <- time.Now()
	}
}

// send returns how long the bytes took to the other end.
func (w *bareWire) send(data []byte) (time.Duration, error) {
	began := time.Now()
	if _, err := w.conn.Write(data); err != nil {
		return 0, fmt.Errorf("write bare bytes: %w", err)
	}
	select {
	case at := <-w.got:
		return at.Sub(began), nil
	case <-time.After(5 * time.Second):
		return 0, errors.New("bare bytes did not arrive in 5 s")
	}
}

func (w *bareWire) close() {
	_ = w.conn.Close()
	_ = w.listener.Close()
	w.relay.Close()
}
