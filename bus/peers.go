package bus

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/shoalcast/shoal/event"
)

var peerToken = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)

// peerSubject is where facts about peers in a region go; swarm is a stream's id, or the
// infohash of what is no stream's.
func peerSubject(region, swarm string) (string, error) {
	for _, token := range []string{region, swarm} {
		if !peerToken.MatchString(token) {
			return "", fmt.Errorf("%q cannot stand in a subject of peers: 1 to 64 of a-z, 0-9 and -", token)
		}
	}
	return subjectRoot + ".peer." + region + "." + swarm, nil
}

// AppendPeerFact appends f to the facts about a region's peers of one swarm: the id of
// its stream, or the infohash where it is of no stream. When it returns nil the fact is
// on disk.
func (b *Bus) AppendPeerFact(ctx context.Context, region, swarm string, f event.PeerFact) error {
	subject, err := peerSubject(region, swarm)
	if err != nil {
		return err
	}
	data, err := event.EncodePeerFact(f)
	if err != nil {
		return err
	}
	if _, err := b.append(ctx, &nats.Msg{Subject: subject, Data: data, Header: nats.Header{}}, AnySeq, nuid.Next()); err != nil {
		return fmt.Errorf("append a fact about a peer of %s: %w", swarm, err)
	}
	return nil
}

// FollowPeers calls fn for all facts about a region's peers that are kept, then live, and
// caughtUp once, when those that existed at its start were handled (at once if there are
// none). Facts that only newer builds know are passed over. caughtUp may be nil.
func (b *Bus) FollowPeers(ctx context.Context, region string, caughtUp func(), fn func(f event.PeerFact) error) error {
	subject, err := peerSubject(region, "any")
	if err != nil {
		return err
	}
	subject = subject[:len(subject)-len("any")] + "*"
	f := &follower{
		b: b, kind: "peers", stream: streamPeers, subject: subject, caughtUp: caughtUp,
		handle: func(_ context.Context, m jetstream.Msg, _ uint64) error {
			fact, err := event.DecodePeerFact(m.Data())
			var unknown *event.UnknownFactError
			switch {
			case errors.As(err, &unknown):
				return nil
			case err != nil:
				return fmt.Errorf("%w: %w", errMalformed, err)
			}
			return fn(fact)
		},
	}
	return f.run(ctx)
}
