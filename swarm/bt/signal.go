package bt

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"

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
	peer := string(from[:])
	if m.Type == "answer" {
		if err := i.answered(m.ID, m.SDP, func(a *attempt) bool { return a.peer == peer }); err != nil {
			return fmt.Errorf("take a signal: %w", err)
		}
		return nil
	}
	yields, mine := i.yield(peer, m.ID)
	if !yields {
		return nil
	}
	a := &attempt{id: m.ID, peer: peer, courier: throughSwarm{s.spec.Signaller, from}}
	if mine != nil {
		a.want = mine.want
	}
	return i.begin(s.ctx, a, attemptTimeout, func(ctx context.Context) error { return i.take(ctx, a, m.SDP) })
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
	return m, checkDescription(m.SDP)
}

// checkDescription bounds what others may make this side look at and try.
func checkDescription(sdp string) error {
	if len(sdp) > maxSignal {
		return fmt.Errorf("it is longer than %d bytes", maxSignal)
	}
	if n := strings.Count(sdp, "a=candidate"); n > maxCandidates {
		return fmt.Errorf("it has %d candidates", n)
	}
	return nil
}

// throughSwarm carries descriptions by a peer that both sides are connected to.
type throughSwarm struct {
	signaller Signaller
	to        PeerID
}

func (c throughSwarm) carry(_ context.Context, a *attempt, d webrtc.SessionDescription) error {
	body, err := json.Marshal(signal{Type: d.Type.String(), ID: a.id, SDP: d.SDP})
	if err != nil {
		return err
	}
	if len(body) > maxSignal {
		return fmt.Errorf("the description has %d bytes", len(body))
	}
	return c.signaller.Send(c.to, body)
}
