package event

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// InfoHash names a v1 torrent: the SHA-1 of its info dictionary (BEP 3), written as 40
// hexadecimal digits.
type InfoHash [20]byte

// PeerID is what a peer calls itself towards trackers and other peers (BEP 3): 20
// arbitrary bytes, written as 40 hexadecimal digits.
type PeerID [20]byte

func (h InfoHash) String() string { return hex.EncodeToString(h[:]) }
func (p PeerID) String() string   { return hex.EncodeToString(p[:]) }

// MarshalText writes the hash as lower-case hexadecimal.
func (h InfoHash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// MarshalText writes the id as lower-case hexadecimal.
func (p PeerID) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads 40 hexadecimal digits.
func (h *InfoHash) UnmarshalText(b []byte) error { return unhex20((*[20]byte)(h), b) }

// UnmarshalText reads 40 hexadecimal digits.
func (p *PeerID) UnmarshalText(b []byte) error { return unhex20((*[20]byte)(p), b) }

func unhex20(out *[20]byte, b []byte) error {
	if len(b) != 2*len(out) {
		return errors.New("an infohash or peer id is 40 hexadecimal digits")
	}
	_, err := hex.Decode(out[:], b)
	return err
}

// PeerKind says what happened to a peer.
type PeerKind string

const (
	// PeerJoined is a peer that was not in the swarm, or that came back as another:
	// with a new id, or with all of the torrent where it had a part.
	PeerJoined PeerKind = "joined"
	// PeerMeasured is news of a peer that is still there.
	PeerMeasured PeerKind = "measured"
	// PeerLeft is a peer that said goodbye. Those that just fall silent have no fact.
	PeerLeft PeerKind = "left"
)

// LeftUnknown is the Left of a peer that did not say.
const LeftUnknown = -1

// PeerFact is something that a tracker learnt of one peer of one swarm. Each tells all
// that is known, so that any of them may be lost: facts about peers are kept for minutes.
// On the bus it is a JSON object {"v":1,"kind":…,…}; a reader ignores fields it does not
// know.
type PeerFact struct {
	Kind     PeerKind       `json:"kind"`
	InfoHash InfoHash       `json:"infohash"`
	Peer     PeerID         `json:"peer"`
	Addr     netip.AddrPort `json:"addr"` // where it takes connections
	// Left, Downloaded and Uploaded are what it announced, in bytes. Left is 0 for a
	// peer that has all (a seed), or LeftUnknown.
	Left       int64 `json:"left"`
	Downloaded int64 `json:"downloaded,omitzero"`
	Uploaded   int64 `json:"uploaded,omitzero"`
	At         int64 `json:"at"` // Unix milliseconds, by the tracker's clock
	// Instance is the run of the tracker that learnt it, which needs not be told.
	Instance string `json:"instance,omitzero"`
}

// Time is when the fact was learnt.
func (f PeerFact) Time() time.Time { return time.UnixMilli(f.At) }

// peerWire is a PeerFact as it stands on the bus.
type peerWire struct {
	V int `json:"v"`
	PeerFact
}

// EncodePeerFact writes a fact as it stands on the bus.
func EncodePeerFact(f PeerFact) ([]byte, error) {
	b, err := json.Marshal(peerWire{V: factVersion, PeerFact: f})
	if err != nil {
		return nil, fmt.Errorf("encode peer fact: %w", err)
	}
	return b, nil
}

// DecodePeerFact reads a fact. A kind or version this build does not know is an
// UnknownFactError, which a fold may pass over.
func DecodePeerFact(b []byte) (PeerFact, error) {
	var head factHead
	if err := json.Unmarshal(b, &head); err != nil {
		return PeerFact{}, fmt.Errorf("decode peer fact: %w", err)
	}
	switch PeerKind(head.Kind) {
	case PeerJoined, PeerMeasured, PeerLeft:
	default:
		return PeerFact{}, fmt.Errorf("decode peer fact: %w", &UnknownFactError{Kind: head.Kind, Version: head.V})
	}
	if head.V != factVersion {
		return PeerFact{}, fmt.Errorf("decode peer fact: %w", &UnknownFactError{Kind: head.Kind, Version: head.V})
	}
	var w peerWire
	if err := json.Unmarshal(b, &w); err != nil {
		return PeerFact{}, fmt.Errorf("decode peer fact: %w", err)
	}
	if !w.Addr.IsValid() || w.Left < LeftUnknown || w.Downloaded < 0 || w.Uploaded < 0 {
		return PeerFact{}, fmt.Errorf("decode peer fact: no address, or a negative count: %+v", w.PeerFact)
	}
	return w.PeerFact, nil
}
