package ingest

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"strings"
	"time"

	"github.com/shoalcast/shoal/event"
)

// A Refusal says to a publisher why it may not publish, in words for a person.
type Refusal struct{ Reason string }

func (r *Refusal) Error() string { return r.Reason }

func refuse(format string, args ...any) error { return &Refusal{Reason: fmt.Sprintf(format, args...)} }

// holder describes what is known of the epoch that is open on a stream.
type holder struct {
	here      bool      // a connection to this ingest holds it
	lastPiece time.Time // newest piece on the bus; zero when there is none
}

// admit decides whether a publisher with the given key may start on the stream now.
// An unknown stream and a wrong key get the same answer, so that names cannot be
// probed. An epoch left open by an ingest that died is taken over: at once when it was
// an earlier run of this ingest, after idle without a piece when it was another.
func admit(s *event.StreamState, known bool, key string, instance Instance, h holder, now time.Time, idle time.Duration) error {
	sum := sha256.Sum256([]byte(key))
	match := subtle.ConstantTimeCompare(sum[:], s.Key[:]) == 1
	if !known || s.Removed || !match {
		return refuse("no such stream, or the publish key is wrong: use the publish URL that `shoal stream list` prints")
	}
	if h.here {
		return refuse("stream %q already has a publisher: stop that one first", s.Name)
	}
	if s.Live() && !instance.succeeds(s.Instance) && now.Sub(h.lastPiece) < idle {
		return refuse("stream %q already has a publisher on another server: stop that one first", s.Name)
	}
	return nil
}

// Instance names one run of an ingest: "<node>/<run>". The node outlives runs and its
// data dir is locked, so a run knows that earlier runs of its node are over.
type Instance string

// succeeds reports whether i is another run of the node that was named by other.
func (i Instance) succeeds(other string) bool {
	node, _, ok := strings.Cut(string(i), "/")
	otherNode, _, otherOK := strings.Cut(other, "/")
	return ok && otherOK && node == otherNode && string(i) != other
}
