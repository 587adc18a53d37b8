package bt

import (
	"context"
	"fmt"

	"github.com/shoalcast/shoal/swarm"
	"github.com/shoalcast/shoal/swarm/live"
	"github.com/shoalcast/shoal/swarm/metainfo"
)

// Transport is the client as what live streams are joined by.
type Transport struct {
	Client *Client
	Offers int // as in Spec
}

var _ live.Transport = Transport{}

// Join implements live.Transport.
func (t Transport) Join(d metainfo.Descriptor, trackers []string, l *live.Loop) (live.Membership, error) {
	s, err := t.Client.Join(Spec{
		InfoHash: d.InfoHash, Info: d.Info, Content: d.Content, Trackers: trackers, Offers: t.Offers,
		Attach:    func(link *Link, outbound bool) Receiver { return l.Attach(link, outbound) },
		Signaller: relay{l},
	})
	if err != nil {
		return nil, err
	}
	return membership{s}, nil
}

// PeerID is what the client calls itself towards trackers.
func (t Transport) PeerID() [20]byte { return t.Client.PeerID() }

// Find implements live.Transport.
func (t Transport) Find(ctx context.Context, hash metainfo.InfoHash, trackers []string) ([]byte, error) {
	s, err := t.Client.Join(Spec{
		InfoHash: hash, Trackers: trackers, Offers: t.Offers,
		Attach: func(*Link, bool) Receiver { return deaf{} },
	})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return s.Descriptor(ctx)
}

// deaf takes no part in the live swarm.
type deaf struct{}

// Receive implements Receiver.
func (deaf) Receive([]byte) error { return nil }

// Closed implements Receiver.
func (deaf) Closed() {}

// relay sends signals through the swarm that is signalled about.
type relay struct{ loop *live.Loop }

// Send implements Signaller.
func (r relay) Send(to PeerID, body []byte) error {
	err := r.loop.Post(func(now swarm.Time, n *swarm.Node) { n.Relay(now, to, body) })
	if err != nil {
		return fmt.Errorf("signal a peer: %w", err)
	}
	return nil
}

type membership struct{ swarm *Swarm }

// Dial implements live.Membership.
func (m membership) Dial(d swarm.Dial) {
	if err := m.swarm.Reach(PeerID(d.ID), d.Addr); err != nil {
		m.swarm.client.opts.Log.Debug("a peer that was heard of is not dialled", keyPeer, d.Addr, keyErr, err)
	}
}

// Signal implements live.Membership.
func (m membership) Signal(s *swarm.Signal) {
	if err := m.swarm.Signal(PeerID(s.From), s.Body); err != nil {
		m.swarm.client.opts.Log.Debug("a signal is of no use", keyErr, err)
	}
}

// Close implements live.Membership.
func (m membership) Close() { m.swarm.Close() }
