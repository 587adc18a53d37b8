package bt

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/coder/websocket"
	"github.com/pion/webrtc/v4"
	"golang.org/x/time/rate"
)

// What a swarm does at a WebTorrent tracker.
const (
	fewLinks     = 8                // with fewer, whoever makes offers makes more
	moreOffers   = 30 * time.Second // that often
	maxOffers    = 10               // of this side that wait for an answer
	offerTimeout = 20 * time.Second // from an offer until the connection is there
	offerRate    = 10               // of others that are answered, a second
	offerBurst   = 40
	usualAgain   = 2 * time.Minute // announces, to a tracker that does not say
	refusedAgain = time.Minute     // to one that refused
)

// meeting is a swarm's part at one WebTorrent tracker: it announces there, offers
// connections, and answers the offers of others, browsers among them.
type meeting struct {
	swarm  *Swarm
	socket *socket
	offers *rate.Limiter // of others
	again  chan time.Duration
}

func newMeeting(s *Swarm, t *socket) *meeting {
	return &meeting{swarm: s, socket: t, offers: rate.NewLimiter(offerRate, offerBurst), again: make(chan time.Duration, 1)}
}

// meet announces at a WebTorrent tracker for as long as the swarm is joined.
func (s *Swarm) meet(url string) {
	m := s.client.meet(s, url)
	defer m.socket.leave(m)
	for s.ctx.Err() == nil {
		if c := m.socket.wait(s.ctx); c != nil {
			m.attend(c)
		}
	}
}

// attend announces over one connection. A tracker forgets whoever's connection ends, so
// each begins anew.
func (m *meeting) attend(c *socketConn) {
	event := "started"
	for {
		at := time.Now()
		if err := m.announce(c, event, m.offer()); err != nil {
			m.swarm.client.opts.Log.Debug("a tracker was not told", keyTracker, m.socket.url, keyErr, err)
			_ = c.ws.CloseNow()
		}
		event = ""
		switch more, left := m.pause(c, at); {
		case left:
			// It is no loss if that does not arrive: the connection ends.
			_ = m.announce(c, "stopped", nil)
			return
		case !more:
			return
		}
	}
}

// pause waits until it is time to announce again, as long as the connection is there.
func (m *meeting) pause(c *socketConn, at time.Time) (more, left bool) {
	wait := usualAgain
	timer := time.NewTimer(m.next(wait))
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return true, false
		case wait = <-m.again:
			timer.Reset(time.Until(at.Add(m.next(wait))))
		case <-c.lost:
			return false, false
		case <-m.swarm.ctx.Done():
			return false, true
		}
	}
}

func (m *meeting) next(interval time.Duration) time.Duration {
	interval = min(max(interval, minInterval), maxInterval)
	if m.seeks() {
		interval = min(interval, moreOffers)
	}
	return interval
}

// seeks reports whether the swarm offers connections.
func (m *meeting) seeks() bool { return m.swarm.spec.Offers > 0 && m.swarm.count() < fewLinks }

func (m *meeting) announce(c *socketConn, event string, offers []trackerOffer) error {
	timeout := announceTimeout
	if event == "stopped" {
		timeout = stopTimeout
	}
	want, none, left := len(offers), int64(0), int64(announceLeft)
	return m.send(c, timeout, trackerMessage{
		Event: event, NumWant: &want, Uploaded: &none, Downloaded: &none, Left: &left, Offers: offers,
	})
}

// send takes no context: to cancel a write would end the connection, which is others' too.
func (m *meeting) send(c *socketConn, timeout time.Duration, t trackerMessage) error {
	t.Action, t.InfoHash, t.PeerID = "announce", m.swarm.spec.InfoHash, m.swarm.client.id
	b, err := json.Marshal(t)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return c.ws.Write(ctx, websocket.MessageText, b)
}

// take takes in what the tracker says about this swarm, without blocking.
func (m *meeting) take(t trackerMessage) error {
	switch {
	case t.Offer != nil:
		return m.offered(t)
	case t.Answer != nil:
		return m.swarm.client.ice.answered(hex.EncodeToString(t.OfferID[:]), t.Answer.SDP, func(a *attempt) bool { return a.meeting == m })
	case t.Failure != "":
		m.announceIn(refusedAgain)
		return fmt.Errorf("the tracker refuses: %.200q", t.Failure)
	case t.Interval > 0:
		// Beyond a day it is no number of nanoseconds.
		m.announceIn(time.Duration(min(t.Interval, 86400) * float64(time.Second)))
	}
	return nil
}

func (m *meeting) announceIn(d time.Duration) {
	select {
	case m.again <- d:
	default: // the one before was not looked at yet
	}
}

// offered answers the offer of another peer.
func (m *meeting) offered(t trackerMessage) error {
	c := m.swarm.client
	switch {
	case t.PeerID == c.id:
		return errors.New("it is our own offer")
	case c.bans.id(t.PeerID):
		return ErrBanned
	case m.swarm.count() >= c.opts.MaxConns:
		return fmt.Errorf("answer an offer: %w", ErrBusy)
	case !m.offers.Allow():
		return errors.New("there are more offers than are answered")
	}
	a := &attempt{
		id: hex.EncodeToString(t.PeerID[:]) + hex.EncodeToString(t.OfferID[:]), peer: string(t.PeerID[:]),
		meeting: m, courier: reply{m, t.PeerID, t.OfferID},
	}
	return c.ice.begin(m.swarm.ctx, a, attemptTimeout, func(ctx context.Context) error { return c.ice.take(ctx, a, t.Offer.SDP) })
}

// reply carries an answer to whoever offered.
type reply struct {
	meeting *meeting
	to      binary20
	offer   binary20
}

func (r reply) carry(ctx context.Context, _ *attempt, d webrtc.SessionDescription) error {
	c := r.meeting.socket.wait(ctx)
	if c == nil {
		return ctx.Err()
	}
	return r.meeting.send(c, announceTimeout, trackerMessage{ToPeerID: r.to, OfferID: r.offer, Answer: &description{d.Type.String(), d.SDP}})
}

// offer makes as many offers as go with the next announce, and goes on with those that
// are answered.
func (m *meeting) offer() []trackerOffer {
	if !m.seeks() {
		return nil
	}
	i, swarm := m.swarm.client.ice, m.swarm
	n := min(swarm.spec.Offers, maxOffers-i.offering(m))
	made, failed := make(basket, max(n, 0)), make(chan struct{}, max(n, 0))
	begun := 0
	for range n {
		var id binary20
		_, _ = rand.Read(id[:]) // never fails: crypto/rand
		a := &attempt{
			id: hex.EncodeToString(id[:]), meeting: m, courier: made, outward: true, answer: make(chan string, 1),
		}
		err := i.begin(swarm.ctx, a, offerTimeout, func(ctx context.Context) error {
			err := i.dial(ctx, swarm, a)
			if err != nil {
				failed <- struct{}{}
			}
			return err
		})
		if err == nil {
			begun++
		}
	}
	return made.collect(begun, failed, swarm.ctx.Done())
}

// offering counts the offers of a meeting that wait for an answer.
func (i *ice) offering(m *meeting) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	n := 0
	for _, a := range i.attempts {
		if a.outward && a.meeting == m {
			n++
		}
	}
	return n
}

// basket gathers offers that go together.
type basket chan trackerOffer

func (b basket) carry(_ context.Context, a *attempt, d webrtc.SessionDescription) error {
	o := trackerOffer{Offer: description{d.Type.String(), d.SDP}}
	if _, err := hex.Decode(o.OfferID[:], []byte(a.id)); err != nil {
		return err
	}
	b <- o // there is room for all
	return nil
}

// collect waits for n offers, or until it is known that there are fewer.
func (b basket) collect(n int, failed, done <-chan struct{}) []trackerOffer {
	var out []trackerOffer
	late := time.NewTimer(attemptTimeout)
	defer late.Stop()
	for ; n > 0; n-- {
		select {
		case o := <-b:
			out = append(out, o)
		case <-failed:
		case <-late.C:
			return out
		case <-done:
			return nil
		}
	}
	return out
}
