package matchmaker

import (
	"time"

	"github.com/shoalcast/shoal/event"
)

const (
	// offerLife is how long an offer can be answered; stock clients drop theirs after 50 s.
	offerLife = time.Minute
	// maxOffersHeld bounds the offers that one socket is handed in an offerLife, answered or
	// not: each costs its reader the making of a connection.
	maxOffersHeld = 64
	// maxOffersFrom bounds those of one other socket among them, so that it takes many to
	// keep a peer from hearing of others.
	maxOffersFrom = 8
)

// offer is one that was handed to a socket.
type offer struct {
	infohash event.InfoHash
	id       [20]byte
	from     *socket // where the answer goes
	by, to   event.PeerID
	at       time.Time
	answered bool
}

// offers are those that were handed to one socket lately, the oldest first: only what is
// among them can be answered. It knows no clock.
type offers struct{ held []offer }

// forget drops those that are too old to be answered.
func (o *offers) forget(now time.Time) {
	n := 0
	for n < len(o.held) && now.Sub(o.held[n].at) >= offerLife {
		n++
	}
	// Their place is used again, and no socket is kept alive by it.
	rest := copy(o.held, o.held[n:])
	clear(o.held[rest:])
	o.held = o.held[:rest]
}

// room reports whether one more may be handed over that comes from a socket.
func (o *offers) room(from *socket, now time.Time) bool {
	o.forget(now)
	n := 0
	for i := range o.held {
		if o.held[i].from == from {
			n++
		}
	}
	return len(o.held) < maxOffersHeld && n < maxOffersFrom
}

// hand notes an offer for which there is room.
func (o *offers) hand(one offer) { o.held = append(o.held, one) }

// answer finds the offer that an answer names, once; false says that there is none.
func (o *offers) answer(h event.InfoHash, id [20]byte, by, to event.PeerID, now time.Time) (from *socket, ok bool) {
	o.forget(now)
	for i := range o.held {
		f := &o.held[i]
		if !f.answered && f.infohash == h && f.id == id && f.by == by && f.to == to {
			f.answered = true
			return f.from, true
		}
	}
	return nil, false
}
