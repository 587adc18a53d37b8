package ingest

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"time"

	"github.com/shoalcast/shoal/event"
)

// A Refusal says to a publisher why it may not publish, in words for a person.
type Refusal struct{ Reason string }

func (r *Refusal) Error() string { return r.Reason }

func refuse(format string, args ...any) error { return &Refusal{Reason: fmt.Sprintf(format, args...)} }

// authorize decides whether a publisher with the given key is the stream's. An unknown
// stream and a wrong key get the same answer, so that names cannot be probed.
func authorize(s *event.StreamState, known bool, key string) error {
	sum := sha256.Sum256([]byte(key))
	match := subtle.ConstantTimeCompare(sum[:], s.Key[:]) == 1
	if !known || s.Removed || !match {
		return refuse("no such stream, or the publish key is wrong: use the publish URL that `shoal stream list` prints")
	}
	return nil
}

// permit decides whether who asks may publish a stream; known says that there is one of
// the name asked for.
type permit func(s *event.StreamState, known bool) error

// withKey permits whoever has the stream's publish key.
func withKey(key string) permit {
	return func(s *event.StreamState, known bool) error { return authorize(s, known, key) }
}

// byOperator permits every stream that there is, for what the operator asks for.
func byOperator(name event.StreamName) permit {
	return func(s *event.StreamState, known bool) error {
		if !known || s.Removed {
			return refuse("there is no stream %q: make it with: shoal stream add %s", name, name)
		}
		return nil
	}
}

// taken refuses the second publisher of a stream on one server.
func taken(name event.StreamName) error {
	return refuse("stream %q already has a publisher: stop that one first", name)
}

// admit decides whether a publisher that no other connection to this ingest keeps out
// may take the stream now. An epoch left open is taken over: at once when this node
// holds it, which then nobody publishes into, and after idle without a piece (the
// newest came at lastPiece) when another does.
func admit(s *event.StreamState, instance event.Instance, lastPiece, now time.Time, idle time.Duration) error {
	if s.Live() && !instance.Shares(s.Instance) && now.Sub(lastPiece) < idle {
		return refuse("stream %q already has a publisher on another server: stop that one first", s.Name)
	}
	return nil
}
