package bt

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/pion/webrtc/v4"
)

// courier takes this side's description of a connection to the other side: through the
// swarm, or through a tracker.
type courier interface {
	carry(ctx context.Context, a *attempt, d webrtc.SessionDescription) error
}

// attempt is a WebRTC connection that is being made.
type attempt struct {
	id      string
	peer    string   // its id in the swarm, or as a tracker names it, which is longer; empty: whoever answers
	want    *place   // where this side looks for the peer, whoever began; nil if it does not
	meeting *meeting // at the tracker through which it is made; nil: through the swarm
	courier courier
	outward bool
	answer  chan string // the other's description
	cancel  context.CancelFunc
}

var errUnderWay = errors.New("a connection to this peer is being made already")

// begin runs an attempt on a goroutine of its own, if there is room. What comes through
// trackers and what comes through swarms does not take each other's.
func (i *ice) begin(ctx context.Context, a *attempt, timeout time.Duration, run func(context.Context) error) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed {
		return ErrClosed
	}
	if i.attempts[a.id] != nil {
		return errUnderWay
	}
	from, alike := 0, 0
	for _, b := range i.attempts {
		if (a.meeting == nil) == (b.meeting == nil) {
			alike++
		}
		if a.peer == "" || b.peer != a.peer {
			continue
		}
		if a.outward {
			return errUnderWay
		}
		from++
	}
	if from >= maxAttemptsFrom || alike >= maxAttempts {
		return fmt.Errorf("connect by WebRTC: %w", ErrBusy)
	}
	i.attempts[a.id] = a
	ctx, a.cancel = context.WithTimeout(ctx, timeout)
	i.tasks.Go(func() {
		defer a.cancel()
		defer func() {
			i.mu.Lock()
			delete(i.attempts, a.id)
			i.mu.Unlock()
		}()
		err := run(ctx)
		// One that was taken back says nothing of the peer.
		if a.want != nil && !errors.Is(ctx.Err(), context.Canceled) {
			i.rests.note(*a.want, err == nil, time.Now())
		}
		if err != nil {
			i.client.opts.Log.Debug("a WebRTC connection was not made", keyPeer, hex.EncodeToString([]byte(a.peer[:min(len(a.peer), 4)])), keyErr, err)
		}
	})
	return nil
}

// yield decides which of two attempts goes on when both sides have begun one: that of
// the higher id. It reports whether it is the other's, and which this side had.
func (i *ice) yield(peer, id string) (yields bool, mine *attempt) {
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

// answered takes in the description by which the other side answers an offer. ours tells
// whether it may answer that one.
func (i *ice) answered(id, sdp string, ours func(*attempt) bool) error {
	i.mu.Lock()
	a := i.attempts[id]
	i.mu.Unlock()
	if a == nil || !a.outward || !ours(a) {
		return errors.New("it answers what was not asked")
	}
	select {
	case a.answer <- sdp:
		return nil
	default:
		return errors.New("it answers twice")
	}
}
