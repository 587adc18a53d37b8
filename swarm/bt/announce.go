package bt

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/anacrolix/torrent/tracker"
	"github.com/cenkalti/backoff/v4"
)

// Bounds of what trackers are believed.
const (
	minInterval     = 15 * time.Second
	maxInterval     = 30 * time.Minute
	announceTimeout = 20 * time.Second
	stopTimeout     = 700 * time.Millisecond
	maxRetry        = 5 * time.Minute
)

// announce tells one tracker of this peer for as long as the swarm is joined. The
// library's own announces are not used: to a tracker nobody in a live swarm is complete.
func (s *Swarm) announce(url string) {
	retry := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(s.client.opts.AnnounceRetry), backoff.WithMaxInterval(maxRetry), backoff.WithMaxElapsedTime(0))
	event, told := tracker.Started, false
	for {
		next, err := s.announceOnce(s.ctx, url, event, announceTimeout)
		if err == nil {
			event, told = tracker.None, true
			retry.Reset()
		} else {
			next = retry.NextBackOff()
			s.client.opts.Log.Debug("a tracker does not answer", keyTracker, url, keyErr, err)
		}
		timer := time.NewTimer(next)
		select {
		case <-timer.C:
			continue
		case <-s.ctx.Done():
			timer.Stop()
		}
		if told {
			if _, err := s.announceOnce(context.WithoutCancel(s.ctx), url, tracker.Stopped, stopTimeout); err != nil {
				s.client.opts.Log.Debug("a tracker was not told of leaving", keyTracker, url, keyErr, err)
			}
		}
		return
	}
}

func (s *Swarm) announceOnce(ctx context.Context, url string, event tracker.AnnounceEvent, timeout time.Duration) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	c := s.client
	client, err := tracker.NewClient(url, tracker.NewClientOpts{Slogger: c.opts.Log})
	if err != nil {
		return 0, fmt.Errorf("announce to %s: %w", url, err)
	}
	var opt tracker.AnnounceOpt
	opt.UserAgent = clientName
	if ip := c.opts.PublicIP; ip.Is4() {
		opt.ClientIp4 = ip.AsSlice()
	} else if ip.Is6() {
		opt.ClientIp6 = ip.AsSlice()
	}
	r, err := client.Announce(ctx, tracker.AnnounceRequest{
		InfoHash: s.spec.InfoHash, PeerId: c.id, Left: announceLeft, Event: event,
		Key: int32(binary.BigEndian.Uint32(c.id[16:])), NumWant: maxAnnouncedPeers,
		// A peer without a port cannot be reached, but may be counted.
		Port: max(c.Port(), 1),
	}, opt)
	// The answer is there, or it is not.
	_ = client.Close()
	if err != nil {
		return 0, fmt.Errorf("announce to %s: %w", url, err)
	}
	for _, p := range r.Peers[:min(len(r.Peers), maxAnnouncedPeers)] {
		addr, ok := p.ToNetipAddrPort()
		if !ok || ctx.Err() != nil || unmap(addr).Port() <= 1 {
			continue
		}
		if err := s.Dial(addr); err != nil {
			c.opts.Log.Debug("a tracker's peer is not dialled", keyPeer, addr, keyErr, err)
		}
	}
	return min(max(time.Duration(r.Interval)*time.Second, minInterval), maxInterval), nil
}
