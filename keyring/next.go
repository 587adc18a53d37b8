package keyring

import (
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

// Rhythm is how a stream's session keys follow each other. Zero values take the
// defaults named.
type Rhythm struct {
	Length time.Duration // how long a key may sign: 24 h, from MinLength to manifest.MaxSession
	Lead   time.Duration // how long a record is known before its key signs: min(60 s, Length/3)
	Fresh  time.Duration // a newest entry older than this is stale: 10 s, at most manifest.MaxFresh
}

// MinLength is the shortest time a key can sign for: less leaves no room to tell
// everybody of the next.
const MinLength = 10 * time.Second

func (r Rhythm) withDefaults() Rhythm {
	if r.Length <= 0 || r.Length > manifest.MaxSession {
		r.Length = manifest.MaxSession
	}
	r.Length = max(r.Length, MinLength)
	if r.Lead <= 0 || r.Lead > r.Length/3 {
		r.Lead = min(time.Minute, r.Length/3)
	}
	if r.Fresh <= 0 {
		r.Fresh = 10 * time.Second
	}
	r.Fresh = min(r.Fresh, manifest.MaxFresh)
	return r
}

// Situation is what the next session record depends on.
type Situation struct {
	Sessions []manifest.Session // those whose private keys can be used
	Last     uint64             // the last serial ever signed
	Signed   bool               // whether any entry has been signed
	Head     event.Position     // of the newest signed entry, as read after Sessions
	Piece    time.Duration      // how long pieces play on average lately; 0 when unknown
	Epoch    event.Epoch        // the last one claimed
	Live     bool               // Epoch is open
}

// first is the position that will be signed next, at the earliest.
func (s Situation) first() event.Position {
	if !s.Signed {
		return event.Position{}
	}
	return event.Position{Epoch: s.Head.Epoch, N: s.Head.N + 1}
}

// base is where signing goes on: in the epoch that is open, or in the next one.
func (s Situation) base() event.Position {
	first := s.first()
	switch {
	case !s.Live:
		return event.Position{Epoch: max(s.Epoch, first.Epoch) + 1}
	case s.Epoch > first.Epoch:
		return event.Position{Epoch: s.Epoch}
	}
	return first
}

// inForce returns the session that signs position p.
func (s Situation) inForce(p event.Position) (manifest.Session, bool) {
	var best manifest.Session
	for _, session := range s.Sessions {
		if session.Serial > best.Serial && !p.Before(session.From) {
			best = session
		}
	}
	return best, best.Serial != 0
}

// over reports whether nothing signed in a session can still be on its way.
func over(s manifest.Session, now time.Time) bool {
	return now.Sub(time.UnixMilli(s.NotAfter)) > late
}

// late is how long an entry may be on its way to the bus, and a record on its way to
// the packager.
const late = time.Second

// NextSession decides whether a stream needs another session record now, and returns
// it without Stream and Key.
//
// A record must never invalidate what was signed, and whatever comes next must always
// have a session that has not run out. So the record that follows another starts
// Lead ahead of what is being signed, counted in pieces, or with the next epoch when
// the stream is offline: the claim of that epoch is a fact on the same subject, so that
// appending the record by compare-and-set keeps it in front. Only where no session can
// sign the very next entry does a record start right there.
func NextSession(now time.Time, s Situation, r Rhythm) (manifest.Session, bool) {
	r = r.withDefaults()
	next := manifest.Session{
		Serial:    s.Last + 1,
		NotBefore: now.UnixMilli(),
		NotAfter:  now.Add(r.Length).UnixMilli(),
		FreshMS:   r.Fresh.Milliseconds(),
	}
	for _, session := range s.Sessions {
		next.Serial = max(next.Serial, session.Serial+1)
	}
	base := s.base()
	current, ok := s.inForce(base)
	if !ok || over(current, now) {
		next.From = s.first()
		return next, true
	}
	left := time.UnixMilli(current.NotAfter).Sub(now)
	if left > 2*r.Lead {
		return next, false
	}
	if !s.Live {
		next.From = base
		return next, true
	}
	piece := s.Piece
	if piece < time.Millisecond {
		piece = 200 * time.Millisecond
	}
	pending, waiting := pendingAfter(s.Sessions, current)
	switch {
	case !waiting:
		next.From = event.Position{Epoch: base.Epoch, N: base.N + ahead(min(r.Lead, max(left, 0)), piece)}
		return next, true
	case left >= 2*late && !reaches(base, pending.From, left, piece):
		// Pieces come slower than they did: meet them half way.
		next.From = event.Position{Epoch: base.Epoch, N: base.N + ahead(left/2, piece)}
		return next, next.From.Before(pending.From)
	}
	return next, false
}

// pendingAfter returns the record that supersedes current and lasts longer, if one
// does.
func pendingAfter(sessions []manifest.Session, current manifest.Session) (manifest.Session, bool) {
	var best manifest.Session
	for _, session := range sessions {
		if session.Serial > max(current.Serial, best.Serial) && session.NotAfter > current.NotAfter {
			best = session
		}
	}
	return best, best.Serial != 0
}

// ahead counts the pieces of a span of time, and those that may be signed before the
// packager learns of a record: late's worth, at twice the pace.
func ahead(span, piece time.Duration) uint64 { return uint64((span + 2*late) / piece) }

// reaches reports whether signing gets from base to from before the time left is over.
func reaches(base, from event.Position, left, piece time.Duration) bool {
	if base.Epoch != from.Epoch {
		return from.Before(base)
	}
	return from.N <= base.N || time.Duration(from.N-base.N)*piece <= left
}
