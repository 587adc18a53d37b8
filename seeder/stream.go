package seeder

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
	"github.com/shoalcast/shoal/swarm/metainfo"
)

// stream is one stream that the origin knows, with what it takes to verify it.
type stream struct {
	id      event.StreamID
	name    event.StreamName
	born    uint64 // sequence of its genesis on the bus
	trust   *manifest.Trust
	genesis json.RawMessage // DSSE
	// descriptor is the torrent by which the stream's peers find each other.
	descriptor metainfo.Descriptor
	held       atomic.Int64 // requests that wait

	folded atomic.Pointer[event.StreamState]
	part   atomic.Pointer[swarming] // in the stream's swarm; nil when there is none
	seen   seen                     // what is to be reported

	mu         sync.RWMutex
	inits      []event.TracksAnnounced // whose bytes hash to their root, newest last
	rotations  []json.RawMessage       // verified, in order
	sessions   []sessionRecord         // verified, oldest first
	renditions map[event.Rendition]*rendition
}

type sessionRecord struct {
	digest   event.Digest
	envelope json.RawMessage
}

const (
	maxInits    = 64
	maxSessions = 64
)

// newStream begins with a genesis, whose digest must give the id and whose name must be
// the one announced.
func newStream(id event.StreamID, seq uint64, g event.GenesisPublished) (*stream, error) {
	env, err := manifest.ParseEnvelope(g.Envelope)
	if err != nil {
		return nil, fmt.Errorf("read genesis: %w", err)
	}
	trust, err := manifest.NewTrust(env)
	if err != nil {
		return nil, fmt.Errorf("verify genesis: %w", err)
	}
	if trust.ID() != id || trust.Name() != g.Name {
		return nil, fmt.Errorf("the genesis is of stream %q with id %s", trust.Name(), trust.ID())
	}
	s := &stream{id: id, name: g.Name, born: seq, trust: trust, genesis: env.JSON(), renditions: map[event.Rendition]*rendition{}}
	if s.descriptor, err = metainfo.NewDescriptor(env); err != nil {
		return nil, err
	}
	s.folded.Store(&event.StreamState{ID: id})
	return s, nil
}

func (s *stream) state() *event.StreamState { return s.folded.Load() }

// addSession takes in a session record; entries that waited for it can then be opened.
func (s *stream) addSession(envelope []byte) error {
	env, err := manifest.ParseEnvelope(envelope)
	if err != nil {
		return fmt.Errorf("read session record: %w", err)
	}
	if err := s.trust.AddSession(env); err != nil {
		return err
	}
	digest := event.DigestOf(env.Payload)
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.ContainsFunc(s.sessions, func(r sessionRecord) bool { return r.digest == digest }) {
		return nil
	}
	s.sessions = append(s.sessions, sessionRecord{digest, env.JSON()})
	if over := len(s.sessions) - maxSessions; over > 0 {
		s.sessions = slices.Delete(s.sessions, 0, over)
	}
	return nil
}

func (s *stream) addRotation(envelope []byte) error {
	env, err := manifest.ParseEnvelope(envelope)
	if err != nil {
		return fmt.Errorf("read rotation: %w", err)
	}
	if err := s.trust.AddRotation(env); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	text := env.JSON()
	if !slices.ContainsFunc(s.rotations, func(r json.RawMessage) bool { return bytes.Equal(r, text) }) {
		s.rotations = append(s.rotations, text) // Trust bounds how many verify
	}
	s.sessions = slices.DeleteFunc(s.sessions, func(r sessionRecord) bool { // the old key's may not count any more
		env, err := manifest.ParseEnvelope(r.envelope)
		return err != nil || s.trust.AddSession(env) != nil
	})
	return nil
}

// rotated returns the verified rotations of the root key, oldest first.
func (s *stream) rotated() []json.RawMessage {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return append([]json.RawMessage{}, s.rotations...)
}

// sessionsFrom returns the records that a reader of entries from pos on needs, and the
// newest in any case.
func (s *stream) sessionsFrom(pos event.Position) []json.RawMessage {
	_, digest, known := s.trust.SessionAt(pos)
	s.mu.RLock()
	defer s.mu.RUnlock()
	from := len(s.sessions) - 1
	if known {
		if i := slices.IndexFunc(s.sessions, func(r sessionRecord) bool { return r.digest == digest }); i >= 0 {
			from = i
		}
	}
	out := []json.RawMessage{}
	for _, r := range s.sessions[max(from, 0):] {
		out = append(out, r.envelope)
	}
	return out
}

// addInit takes in an init segment if it is what its root says.
func (s *stream) addInit(t event.TracksAnnounced) error {
	if manifest.RootOf(t.Init) != t.Root {
		return fmt.Errorf("the init segment does not hash to its root %s", t.Root)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inits = slices.DeleteFunc(s.inits, func(o event.TracksAnnounced) bool {
		return o.Root == t.Root && o.Rendition == t.Rendition
	})
	s.inits = append(s.inits, t)
	if over := len(s.inits) - maxInits; over > 0 {
		s.inits = slices.Delete(s.inits, 0, over)
	}
	return nil
}

func (s *stream) hasInit(root event.Root) bool {
	_, ok := s.init(root)
	return ok
}

func (s *stream) init(root event.Root) (event.TracksAnnounced, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, t := range slices.Backward(s.inits) {
		if t.Root == root {
			return t, true
		}
	}
	return event.TracksAnnounced{}, false
}

// tracks returns what a rendition is made of now: by the newest signed segment, or by
// the newest announcement while there is none.
func (s *stream) tracks(r *rendition) (event.TracksAnnounced, bool) {
	snap := r.snap.Load()
	for _, it := range slices.Backward(snap.items) {
		if !it.entry.Init.IsZero() {
			return s.init(it.entry.Init)
		}
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, t := range slices.Backward(s.inits) {
		if t.Rendition == r.name {
			return t, true
		}
	}
	return event.TracksAnnounced{}, false
}

func (s *stream) rendition(name event.Rendition) *rendition {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.renditions[name]
}

// all returns the renditions by name.
func (s *stream) all() []*rendition {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([]*rendition, 0, len(s.renditions))
	for _, r := range s.renditions {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b *rendition) int {
		switch {
		case a.name < b.name:
			return -1
		case a.name > b.name:
			return 1
		}
		return 0
	})
	return out
}

// tick does what is due by time alone.
func (s *stream) tick(now time.Time) {
	for _, r := range s.all() {
		r.tick(now)
	}
}

// isLive reports whether any rendition is.
func (s *stream) isLive() bool {
	for _, r := range s.all() {
		if r.snap.Load().live {
			return true
		}
	}
	return false
}
