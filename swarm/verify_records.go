package swarm

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

// What is kept of records to pass on: all rotations, and the newest sessions beside them.
const (
	keptRecords  = 64
	leastRecords = 8 // sessions, however many rotations there are
)

// records are the envelopes that a newcomer needs.
type records struct {
	rotations []record // by serial
	sessions  []record // by serial
}

type record struct {
	serial uint64
	id     event.Digest // of payload and signature
	json   []byte
}

// AddRecord takes in a rotation or session record. It is fresh when it was not known
// and is among the newest, so that what is passed on does not go round in circles.
func (t *Trusted) AddRecord(envelope []byte) (fresh bool, err error) {
	if len(envelope) > MaxEnvelope {
		return false, fmt.Errorf("%w: %d bytes", ErrRecord, len(envelope))
	}
	env, err := manifest.ParseEnvelope(envelope)
	if err != nil {
		return false, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	r := record{id: event.DigestOf(slices.Concat(env.Payload, env.Sig)), json: env.JSON()}
	if t.records.has(r.id) {
		return false, nil
	}
	switch env.PayloadType {
	case manifest.TypeRotation:
		err = t.trust.AddRotation(env)
	case manifest.TypeSession:
		err = t.trust.AddSession(env)
	default:
		err = fmt.Errorf("%w: payload type %q", ErrRecord, env.PayloadType)
	}
	if err != nil {
		return false, err
	}
	if r.serial, err = serialOf(env.Payload); err != nil {
		return false, err
	}
	if env.PayloadType == manifest.TypeRotation {
		fresh = insert(&t.records.rotations, r)
		t.dropDisowned()
	} else {
		fresh = insert(&t.records.sessions, r)
		if extra := len(t.records.sessions) - keptRecords; extra > 0 {
			fresh = fresh && t.records.sessions[0].id != r.id
			t.records.sessions = slices.Delete(t.records.sessions, 0, extra)
		}
	}
	t.opened.forget()
	return fresh, nil
}

// dropDisowned forgets sessions that an older root key signed beyond its bound.
func (t *Trusted) dropDisowned() {
	valid := map[uint64]bool{}
	for _, s := range t.trust.Sessions() {
		valid[s.Serial] = true
	}
	t.records.sessions = slices.DeleteFunc(t.records.sessions, func(r record) bool { return !valid[r.serial] })
}

// Records returns all rotations and the newest sessions: at most 64 envelopes, or 8 more
// than there are rotations. Their bytes must not be changed.
func (t *Trusted) Records() [][]byte {
	var out [][]byte
	for _, r := range t.records.rotations {
		out = append(out, r.json)
	}
	sessions := t.records.sessions
	room := max(keptRecords-len(out), leastRecords)
	for _, r := range sessions[max(0, len(sessions)-room):] {
		out = append(out, r.json)
	}
	return out
}

func (r *records) has(id event.Digest) bool {
	same := func(r record) bool { return r.id == id }
	return slices.ContainsFunc(r.sessions, same) || slices.ContainsFunc(r.rotations, same)
}

// insert keeps list by serial; it reports whether there was none with r's.
func insert(list *[]record, r record) bool {
	i, found := slices.BinarySearchFunc(*list, r.serial, func(r record, serial uint64) int {
		switch {
		case r.serial < serial:
			return -1
		case r.serial > serial:
			return 1
		}
		return 0
	})
	if !found {
		*list = slices.Insert(*list, i, r)
	}
	return !found
}

// serialOf reads the serial of a record that was verified. Its name is compared exactly.
func serialOf(payload []byte) (uint64, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(payload, &members); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	var serial uint64
	if err := json.Unmarshal(members["serial"], &serial); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	return serial, nil
}
