package keyring_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/keyring"
	"github.com/shoalcast/shoal/manifest"
)

// world plays keyring, publisher, bus and packager in virtual time, with all the
// delays that lie between them.
type world struct {
	t        *rapid.T
	now      time.Time
	rhythm   keyring.Rhythm
	records  []manifest.Session // on the bus
	learnt   []time.Time        // when the packager has each
	signed   []signedEntry
	epoch    event.Epoch
	n        uint64
	live     bool
	refused  int
	longest  time.Duration // that the packager had to wait for a session
	waiting  time.Time
	inFlight time.Duration
}

type signedEntry struct {
	at     event.Position
	serial uint64
	seen   time.Time // when the keyring can read it on the bus
}

func inForce(records []manifest.Session, p event.Position) manifest.Session {
	var best manifest.Session
	for _, s := range records {
		if s.Serial > best.Serial && !p.Before(s.From) {
			best = s
		}
	}
	return best
}

// keyringLooks is one tick of the service.
func (w *world) keyringLooks(piece time.Duration) {
	s := keyring.Situation{Sessions: w.records, Epoch: w.epoch, Live: w.live, Piece: piece}
	for _, e := range w.signed {
		if !e.seen.After(w.now) && (!s.Signed || s.Head.Before(e.at)) {
			s.Head, s.Signed = e.at, true
		}
	}
	for range 5 {
		next, needed := keyring.NextSession(w.now, s, w.rhythm)
		if !needed {
			return
		}
		if len(w.records) > 0 && next.Serial <= w.records[len(w.records)-1].Serial {
			w.t.Fatalf("serial %d comes twice", next.Serial)
		}
		w.records = append(w.records, next)
		w.learnt = append(w.learnt, w.now.Add(w.inFlight))
		s.Sessions = w.records
	}
	w.t.Fatalf("there is no end of records: %+v", w.records[len(w.records)-5:])
}

// packagerSigns signs the next position, if a session it knows of covers this moment.
func (w *world) packagerSigns() bool {
	var known []manifest.Session
	for i, s := range w.records {
		if !w.learnt[i].After(w.now) {
			known = append(known, s)
		}
	}
	at := event.Position{Epoch: w.epoch, N: w.n}
	s := inForce(known, at)
	if s.Serial == 0 || !s.Covers(w.now.UnixMilli()) {
		w.refused++
		if w.waiting.IsZero() {
			w.waiting = w.now
		}
		w.longest = max(w.longest, w.now.Sub(w.waiting))
		return false
	}
	w.waiting = time.Time{}
	w.signed = append(w.signed, signedEntry{at, s.Serial, w.now.Add(w.inFlight)})
	w.n++
	return true
}

// verify holds every entry against all records, as a viewer does who comes later.
func (w *world) verify() {
	for _, e := range w.signed {
		if s := inForce(w.records, e.at); s.Serial != e.serial {
			w.t.Fatalf("entry %s was signed in session %d, but %d is in force there, from %s: %+v",
				e.at, e.serial, s.Serial, s.From, w.records)
		}
	}
}

func TestNoRecordInvalidatesWhatWasSigned(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{t: t, now: time.UnixMilli(1_790_000_000_000), rhythm: keyring.Rhythm{Length: 10 * time.Second}}
		w.inFlight = time.Duration(rapid.IntRange(0, 250).Draw(t, "bus delay ms")) * time.Millisecond
		for range rapid.IntRange(1, 6).Draw(t, "phases") {
			w.live = rapid.Bool().Draw(t, "live")
			if w.live && (w.epoch == 0 || rapid.Bool().Draw(t, "reconnect")) {
				w.epoch, w.n = max(event.Epoch(w.now.UnixMilli()), w.epoch+1), 0
			}
			piece := time.Duration(rapid.IntRange(160, 600).Draw(t, "piece ms")) * time.Millisecond
			believed := piece * time.Duration(rapid.IntRange(50, 200).Draw(t, "believed piece %")) / 100
			packager := rapid.IntRange(0, 3).Draw(t, "packager down") > 0
			last := w.now
			for i := range w.learnt { // a packager that starts reads all records first
				w.learnt[i] = w.now
			}
			for range rapid.IntRange(1, 120).Draw(t, "ticks of 250 ms") {
				w.now = w.now.Add(250 * time.Millisecond)
				w.keyringLooks(believed)
				for range 4 { // what has piled up is signed faster than it plays
					if !w.live || !packager || last.Add(piece).After(w.now) || !w.packagerSigns() {
						break
					}
					last = last.Add(piece)
				}
			}
		}
		w.verify()
	})
}

func TestTenSecondKeysNeverKeepAPublisherWaiting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{t: t, now: time.UnixMilli(1_790_000_000_000), rhythm: keyring.Rhythm{Length: 10 * time.Second}}
		w.inFlight = 100 * time.Millisecond
		piece := time.Duration(rapid.IntRange(160, 500).Draw(t, "piece ms")) * time.Millisecond
		w.keyringLooks(0)
		for range rapid.IntRange(0, 100).Draw(t, "offline before, ticks") {
			w.now = w.now.Add(250 * time.Millisecond)
			w.keyringLooks(0)
		}
		w.now = w.now.Add(250 * time.Millisecond)
		w.keyringLooks(0)
		w.epoch, w.live = event.Epoch(w.now.UnixMilli()), true
		last := w.now
		for range 400 { // 100 s
			w.now = w.now.Add(250 * time.Millisecond)
			w.keyringLooks(piece)
			for !last.Add(piece).After(w.now) {
				w.packagerSigns()
				last = last.Add(piece)
			}
		}
		w.verify()
		if w.refused > 0 {
			t.Fatalf("%d times no session covered the moment", w.refused)
		}
		serials := map[uint64]bool{}
		for _, e := range w.signed {
			serials[e.serial] = true
		}
		if len(serials) < 8 {
			t.Fatalf("only %d keys signed in 100 s", len(serials))
		}
	})
}

func TestARecordIsKnownAMinuteBeforeItsKeySigns(t *testing.T) {
	start := time.UnixMilli(1_790_000_000_000)
	s := keyring.Situation{Live: true, Epoch: 7, Signed: true, Head: event.Position{Epoch: 7, N: 1000}, Piece: 200 * time.Millisecond}
	s.Sessions = []manifest.Session{{Serial: 4, NotBefore: start.UnixMilli(), NotAfter: start.Add(24 * time.Hour).UnixMilli()}}
	if _, needed := keyring.NextSession(start.Add(23*time.Hour), s, keyring.Rhythm{}); needed {
		t.Error("a day's key was replaced after 23 hours")
	}
	next, needed := keyring.NextSession(start.Add(24*time.Hour-2*time.Minute), s, keyring.Rhythm{})
	if !needed || next.Serial != 5 || next.From.Epoch != 7 {
		t.Fatalf("got %+v, %v", next, needed)
	}
	if ahead := time.Duration(next.From.N-1001) * s.Piece; ahead < time.Minute || ahead > 63*time.Second {
		t.Errorf("it starts to sign in %v", ahead)
	}
	if length := next.NotAfter - next.NotBefore; length != manifest.MaxSession.Milliseconds() {
		t.Errorf("it lasts %d ms", length)
	}
}
