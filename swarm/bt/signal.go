package bt

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/anacrolix/torrent"
	"github.com/pion/datachannel"
	"github.com/pion/webrtc/v4"
)

// PeerID names a peer of a swarm, as sh_live does.
type PeerID = [16]byte

// Signaller carries a message of at most 8 KiB to a peer of the swarm, through one that
// both are connected to. It must not block.
type Signaller interface {
	Send(to PeerID, body []byte) error
}

// signal is what peers tell each other to make a WebRTC connection: an offer with all
// its candidates, and the answer.
type signal struct {
	Type string `json:"type"` // offer or answer
	ID   string `json:"id"`   // of the attempt, 32 hexadecimal digits
	SDP  string `json:"sdp"`
}

// attempt is a connection that is being made.
type attempt struct {
	id      string
	peer    PeerID
	addr    netip.AddrPort // that it was said to have
	outward bool
	wanted  bool        // by this side, whoever began it
	answer  chan string // the other's description
	cancel  context.CancelFunc
}

var errNoWebRTC = errors.New("this client has no WebRTC port, or the swarm no signaller")

// DialSignalled connects to a peer by WebRTC, soon and without blocking. It does nothing
// if that is going on already; ErrBusy says that too much is, ErrUnreachable that it was in
// vain a short while ago.
func (s *Swarm) DialSignalled(to PeerID) error {
	if s.client.ice == nil || s.spec.Signaller == nil {
		return fmt.Errorf("dial by WebRTC: %w", errNoWebRTC)
	}
	return s.attempt(to, netip.AddrPort{}, func(ctx context.Context, a *attempt) error { return s.client.ice.dial(ctx, s, a) })
}

// Signal takes in a message that another peer's Signaller sent, without blocking. The
// error says what is wrong with it, or ErrBusy.
func (s *Swarm) Signal(from PeerID, body []byte) error {
	i := s.client.ice
	if i == nil || s.spec.Signaller == nil {
		return fmt.Errorf("take a signal: %w", errNoWebRTC)
	}
	m, err := readSignal(body)
	if err != nil {
		return fmt.Errorf("take a signal: %w", err)
	}
	if m.Type == "answer" {
		return i.answered(from, m)
	}
	yields, mine := i.yield(from, m.ID)
	if !yields {
		return nil
	}
	a := &attempt{id: m.ID, peer: from}
	if mine != nil {
		a.wanted, a.addr = true, mine.addr
	}
	return i.begin(a, s.ctx, func(ctx context.Context) error { return i.take(ctx, s, a, m.SDP) })
}

func readSignal(body []byte) (signal, error) {
	var m signal
	if len(body) > maxSignal {
		return m, fmt.Errorf("it is longer than %d bytes", maxSignal)
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return m, err
	}
	if id, err := hex.DecodeString(m.ID); err != nil || len(id) != 16 || m.Type != "offer" && m.Type != "answer" {
		return m, errors.New("it is neither offer nor answer")
	}
	if n := strings.Count(m.SDP, "a=candidate"); n > maxCandidates {
		return m, fmt.Errorf("it has %d candidates", n)
	}
	return m, nil
}

var errUnderWay = errors.New("a connection to this peer is being made already")

// begin runs an attempt on a goroutine of its own, if there is room.
func (i *ice) begin(a *attempt, ctx context.Context, run func(context.Context) error) error { //nolint:revive // the attempt is what it is about
	i.mu.Lock()
	defer i.mu.Unlock()
	from := 0
	for _, b := range i.attempts {
		if b.peer != a.peer {
			continue
		}
		if a.outward || b.id == a.id {
			return errUnderWay
		}
		from++
	}
	if i.closed {
		return ErrClosed
	}
	if from >= maxAttemptsFrom || len(i.attempts) >= maxAttempts {
		return fmt.Errorf("connect by WebRTC: %w", ErrBusy)
	}
	i.attempts[a.id] = a
	ctx, a.cancel = context.WithTimeout(ctx, attemptTimeout)
	i.tasks.Go(func() {
		defer a.cancel()
		defer func() {
			i.mu.Lock()
			delete(i.attempts, a.id)
			i.mu.Unlock()
		}()
		err := run(ctx)
		// One that was taken back says nothing of the peer.
		if a.wanted && !errors.Is(ctx.Err(), context.Canceled) {
			i.rests.note(place{a.peer, a.addr}, err == nil, time.Now())
		}
		if err != nil {
			i.client.opts.Log.Debug("a WebRTC connection was not made", keyPeer, hex.EncodeToString(a.peer[:4]), keyErr, err)
		}
	})
	return nil
}

// yield decides which of two attempts goes on when both sides have begun one: that of
// the higher id. It reports whether it is the other's, and which this side had.
func (i *ice) yield(peer PeerID, id string) (yields bool, mine *attempt) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, a := range i.attempts {
		if a.outward && a.peer == peer {
			if a.id > id {
				return false, a
			}
			a.cancel()
			mine = a
		}
	}
	return true, mine
}

func (i *ice) answered(from PeerID, m signal) error {
	i.mu.Lock()
	a := i.attempts[m.ID]
	i.mu.Unlock()
	if a == nil || !a.outward || a.peer != from {
		return errors.New("take a signal: it answers what was not asked")
	}
	select {
	case a.answer <- m.SDP:
		return nil
	default:
		return errors.New("take a signal: it answers twice")
	}
}

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
	c, err := i.offer(ctx, swarm, a, s)
	if err != nil {
		return errors.Join(err, s.pc.GracefulClose())
	}
	c.outbound = true
	i.handOver(swarm, c, torrent.PeerInfo{Addr: c.Conn.(*rtcConn).remote, Source: torrent.PeerSourceDirect, Trusted: true})
	return nil
}

func (i *ice) offer(ctx context.Context, swarm *Swarm, a *attempt, s *session) (*conn, error) {
	dc, err := s.pc.CreateDataChannel(channelLabel, nil)
	if err != nil {
		return nil, err
	}
	s.watch(dc)
	offer, err := s.pc.CreateOffer(nil)
	if err != nil {
		return nil, err
	}
	if err := i.describe(ctx, swarm, a, s, offer); err != nil {
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
func (i *ice) take(ctx context.Context, swarm *Swarm, a *attempt, sdp string) error {
	s, err := i.session()
	if err != nil {
		return err
	}
	c, err := i.accept(ctx, swarm, a, s, sdp)
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

func (i *ice) accept(ctx context.Context, swarm *Swarm, a *attempt, s *session, sdp string) (*conn, error) {
	s.pc.OnDataChannel(s.watch)
	if err := s.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: sdp}); err != nil {
		return nil, err
	}
	answer, err := s.pc.CreateAnswer(nil)
	if err != nil {
		return nil, err
	}
	if err := i.describe(ctx, swarm, a, s, answer); err != nil {
		return nil, err
	}
	return i.opened(ctx, a, s)
}

// describe gathers this side's candidates and sends its description.
func (i *ice) describe(ctx context.Context, swarm *Swarm, a *attempt, s *session, d webrtc.SessionDescription) error {
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
	body, err := json.Marshal(signal{
		Type: d.Type.String(), ID: a.id, SDP: withCandidates(s.pc.LocalDescription().SDP, public),
	})
	if err != nil {
		return err
	}
	if len(body) > maxSignal {
		return fmt.Errorf("the description has %d bytes", len(body))
	}
	if err := swarm.spec.Signaller.Send(a.peer, body); err != nil {
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
