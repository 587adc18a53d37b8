package bt

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/anacrolix/torrent"
	"github.com/pion/datachannel"
	"github.com/pion/webrtc/v4"
)

// session is a peer connection and its data channel, once open.
type session struct {
	pc   *webrtc.PeerConnection
	open chan datachannel.ReadWriteCloserDeadliner
	lost chan struct{}
}

func (i *ice) session() (*session, error) {
	pc, err := i.api.NewPeerConnection(webrtc.Configuration{Certificates: []webrtc.Certificate{i.cert}})
	if err != nil {
		return nil, err
	}
	s := &session{pc: pc, open: make(chan datachannel.ReadWriteCloserDeadliner, 1), lost: make(chan struct{})}
	var once sync.Once
	pc.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		if state == webrtc.PeerConnectionStateFailed || state == webrtc.PeerConnectionStateClosed {
			once.Do(func() { close(s.lost) })
		}
	})
	return s, nil
}

func (s *session) watch(dc *webrtc.DataChannel) {
	dc.OnOpen(func() {
		ch, err := dc.DetachWithDeadline()
		if err != nil {
			return
		}
		select {
		case s.open <- ch:
		default:
			// One is enough: what came on others would wait for a reader for ever.
			_ = ch.Close()
		}
	})
}

// dial makes a connection: it offers, waits for the answer, and hands the connection to
// the library, which greets.
func (i *ice) dial(ctx context.Context, swarm *Swarm, a *attempt) error {
	s, err := i.session()
	if err != nil {
		return err
	}
	c, err := i.offer(ctx, a, s)
	if err != nil {
		return errors.Join(err, s.pc.GracefulClose())
	}
	c.outbound = true
	i.handOver(swarm, c, torrent.PeerInfo{Addr: c.Conn.(*rtcConn).remote, Source: torrent.PeerSourceDirect, Trusted: true})
	return nil
}

func (i *ice) offer(ctx context.Context, a *attempt, s *session) (*conn, error) {
	dc, err := s.pc.CreateDataChannel(channelLabel, nil)
	if err != nil {
		return nil, err
	}
	s.watch(dc)
	offer, err := s.pc.CreateOffer(nil)
	if err != nil {
		return nil, err
	}
	if err := i.describe(ctx, a, s, offer); err != nil {
		return nil, err
	}
	select {
	case sdp := <-a.answer:
		if err := s.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: sdp}); err != nil {
			return nil, err
		}
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for the answer: %w", ctx.Err())
	}
	return i.opened(ctx, a, s)
}

// take answers an offer and hands the connection to the library as one accepted.
func (i *ice) take(ctx context.Context, a *attempt, sdp string) error {
	s, err := i.session()
	if err != nil {
		return err
	}
	c, err := i.accept(ctx, a, s, sdp)
	if err != nil {
		return errors.Join(err, s.pc.GracefulClose())
	}
	select {
	case i.taken <- c:
		return nil
	case <-i.done:
	case <-ctx.Done():
	}
	return c.Close()
}

func (i *ice) accept(ctx context.Context, a *attempt, s *session, sdp string) (*conn, error) {
	s.pc.OnDataChannel(s.watch)
	if err := s.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: sdp}); err != nil {
		return nil, err
	}
	answer, err := s.pc.CreateAnswer(nil)
	if err != nil {
		return nil, err
	}
	if err := i.describe(ctx, a, s, answer); err != nil {
		return nil, err
	}
	return i.opened(ctx, a, s)
}

// describe gathers this side's candidates and sends its description.
func (i *ice) describe(ctx context.Context, a *attempt, s *session, d webrtc.SessionDescription) error {
	gathered := webrtc.GatheringCompletePromise(s.pc)
	if err := s.pc.SetLocalDescription(d); err != nil {
		return err
	}
	public := i.public()
	select {
	case <-gathered:
	case <-ctx.Done():
		return fmt.Errorf("gather candidates: %w", ctx.Err())
	}
	d.SDP = withCandidates(s.pc.LocalDescription().SDP, public)
	if err := a.courier.carry(ctx, a, d); err != nil {
		return fmt.Errorf("send the description: %w", err)
	}
	return nil
}

// opened waits for the data channel.
func (i *ice) opened(ctx context.Context, a *attempt, s *session) (*conn, error) {
	select {
	case ch := <-s.open:
		rc := &rtcConn{
			ice: i, pc: s.pc, channel: ch, remote: rtcAddr("webrtc-" + a.id),
			message: make([]byte, maxRTCMessage), part: make([]byte, 0, rtcMessage),
		}
		i.mu.Lock()
		i.open[rc] = struct{}{}
		i.mu.Unlock()
		c := newConn(i.client, rc)
		i.tasks.Go(func() {
			select {
			case <-s.lost:
				// It is gone; the library learns of it at its next read.
				_ = c.Close()
			case <-c.done:
			}
		})
		return c, nil
	case <-s.lost:
		return nil, errors.New("the peer cannot be reached")
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for the connection: %w", ctx.Err())
	}
}
