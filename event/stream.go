package event

import (
	"encoding/json"
	"fmt"
)

// A StreamFact is something that happened to a stream, kept in order on its STREAM
// subject. Facts are unsigned JSON objects {"v":1,"kind":…,…}; a reader ignores
// fields it does not know. Signed documents travel inside them as DSSE envelopes.
type StreamFact interface{ kind() string }

// GenesisPublished begins a stream: Envelope is its genesis, signed by the root key.
type GenesisPublished struct {
	Name     StreamName      `json:"name"`
	Envelope json.RawMessage `json:"envelope"`
	Unlisted bool            `json:"unlisted,omitzero"`
	// Sensitive keeps viewers from learning each other's addresses: the stream has no
	// swarm, and all of it comes from the operator's servers.
	Sensitive bool `json:"sensitive,omitzero"`
}

// RootRotated replaces the stream's root key by the successor its genesis committed to.
type RootRotated struct {
	Envelope json.RawMessage `json:"envelope"`
}

// SessionPublished introduces a session key, signed by the root key.
type SessionPublished struct {
	Envelope json.RawMessage `json:"envelope"`
}

// PublishKeySet sets who may publish: the SHA-256 of the publish key's text.
type PublishKeySet struct {
	Key Digest `json:"key"`
}

// EpochClaimed reserves an epoch for one publisher's connection. It is appended by
// compare-and-set before the epoch's first piece, so that two can never hold one.
type EpochClaimed struct {
	Epoch    Epoch    `json:"epoch"`
	Instance Instance `json:"instance"` // the ingest that holds it; a new run has a new one
}

// TracksAnnounced carries an init segment before the first piece that needs it.
type TracksAnnounced struct {
	Epoch     Epoch     `json:"epoch"`
	Rendition Rendition `json:"rendition"`
	Root      Root      `json:"root"`   // of Init
	Init      []byte    `json:"init"`   // ftyp and moov
	Codecs    string    `json:"codecs"` // RFC 6381, comma-separated, video first
	Width     int       `json:"width,omitzero"`
	Height    int       `json:"height,omitzero"`
	FrameRate float64   `json:"frame_rate,omitzero"`
}

// RenditionsClaimed reserves an epoch's smaller renditions for one transcoder. It is appended
// by compare-and-set, so that two never mix what they make. Without an instance it gives up
// what was claimed.
type RenditionsClaimed struct {
	Epoch    Epoch    `json:"epoch"`
	Instance Instance `json:"instance,omitzero"` // a new run has a new one
}

// EpochEnded closes an epoch: no further piece follows.
type EpochEnded struct {
	Epoch  Epoch  `json:"epoch"`
	Reason string `json:"reason"`
}

// StreamRemoved ends a stream for good.
type StreamRemoved struct{}

func (GenesisPublished) kind() string  { return "genesis" }
func (RootRotated) kind() string       { return "root_rotated" }
func (SessionPublished) kind() string  { return "session" }
func (PublishKeySet) kind() string     { return "publish_key" }
func (EpochClaimed) kind() string      { return "epoch_claimed" }
func (TracksAnnounced) kind() string   { return "tracks" }
func (RenditionsClaimed) kind() string { return "renditions_claimed" }
func (EpochEnded) kind() string        { return "epoch_ended" }
func (StreamRemoved) kind() string     { return "removed" }

const factVersion = 1

type factHead struct {
	V    int    `json:"v"`
	Kind string `json:"kind"`
}

// EncodeStreamFact writes a fact as it stands on the bus.
func EncodeStreamFact(f StreamFact) ([]byte, error) {
	head, err := json.Marshal(factHead{V: factVersion, Kind: f.kind()})
	if err != nil {
		return nil, fmt.Errorf("encode %s fact: %w", f.kind(), err)
	}
	body, err := json.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("encode %s fact: %w", f.kind(), err)
	}
	if string(body) == "{}" {
		return head, nil
	}
	out := append(head[:len(head)-1], ',')
	return append(out, body[1:]...), nil
}

// DecodeStreamFact reads a fact. A kind or version this build does not know is an
// UnknownFactError, which a fold may pass over.
func DecodeStreamFact(b []byte) (StreamFact, error) {
	var head factHead
	if err := json.Unmarshal(b, &head); err != nil {
		return nil, fmt.Errorf("decode stream fact: %w", err)
	}
	if head.V != factVersion {
		return nil, &UnknownFactError{Kind: head.Kind, Version: head.V}
	}
	switch head.Kind {
	case "genesis":
		return decodeFact[GenesisPublished](b)
	case "root_rotated":
		return decodeFact[RootRotated](b)
	case "session":
		return decodeFact[SessionPublished](b)
	case "publish_key":
		return decodeFact[PublishKeySet](b)
	case "epoch_claimed":
		return decodeFact[EpochClaimed](b)
	case "tracks":
		return decodeFact[TracksAnnounced](b)
	case "renditions_claimed":
		return decodeFact[RenditionsClaimed](b)
	case "epoch_ended":
		return decodeFact[EpochEnded](b)
	case "removed":
		return decodeFact[StreamRemoved](b)
	}
	return nil, &UnknownFactError{Kind: head.Kind, Version: head.V}
}

func decodeFact[F StreamFact](b []byte) (StreamFact, error) {
	var f F
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, fmt.Errorf("decode %s fact: %w", f.kind(), err)
	}
	return f, nil
}

// UnknownFactError names a fact that a newer build wrote.
type UnknownFactError struct {
	Kind    string
	Version int
}

func (e *UnknownFactError) Error() string {
	return fmt.Sprintf("unknown fact %q version %d", e.Kind, e.Version)
}
