package bt

import (
	"encoding/json"
	"errors"
	"fmt"
)

// trackerMessage is what WebTorrent trackers and their clients tell each other, one JSON
// object a message. All announce; who sends it and which members are there says what.
type trackerMessage struct {
	Action   string   `json:"action"` // announce
	InfoHash binary20 `json:"info_hash"`
	PeerID   binary20 `json:"peer_id,omitzero"` // the sender's, or of whom the tracker passes on

	// Of this side.
	NumWant    *int           `json:"numwant,omitempty"`
	Uploaded   *int64         `json:"uploaded,omitempty"`
	Downloaded *int64         `json:"downloaded,omitempty"`
	Left       *int64         `json:"left,omitempty"`
	Event      string         `json:"event,omitempty"` // started or stopped
	Offers     []trackerOffer `json:"offers,omitzero"`
	ToPeerID   binary20       `json:"to_peer_id,omitzero"`

	// Of a connection that is being made.
	OfferID binary20     `json:"offer_id,omitzero"`
	Offer   *description `json:"offer,omitempty"`
	Answer  *description `json:"answer,omitempty"`

	// Of the tracker.
	Interval float64 `json:"interval,omitempty"` // s
	Failure  string  `json:"failure reason,omitempty"`
}

type trackerOffer struct {
	OfferID binary20    `json:"offer_id"`
	Offer   description `json:"offer"`
}

// description is a session description with all its candidates.
type description struct {
	Type string `json:"type"` // offer or answer
	SDP  string `json:"sdp"`
}

// binary20 is 20 bytes as trackers write them in JSON: a string of 20 characters, U+0000
// to U+00FF.
type binary20 [20]byte

// MarshalJSON implements json.Marshaler.
func (b binary20) MarshalJSON() ([]byte, error) {
	chars := make([]rune, len(b))
	for i, c := range b {
		chars[i] = rune(c)
	}
	return json.Marshal(string(chars))
}

// UnmarshalJSON implements json.Unmarshaler.
func (b *binary20) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	n := 0
	for _, c := range s {
		if n == len(b) || c > 0xff {
			return errors.New("it is no string of 20 bytes")
		}
		b[n] = byte(c)
		n++
	}
	if n < len(b) {
		return errors.New("it is no string of 20 bytes")
	}
	return nil
}

// readTrackerMessage reads what a tracker says and bounds what it passes on.
func readTrackerMessage(b []byte) (trackerMessage, error) {
	var m trackerMessage
	if err := json.Unmarshal(b, &m); err != nil {
		return m, fmt.Errorf("read a tracker's message: %w", err)
	}
	kind, d := "offer", m.Offer
	if d == nil {
		kind, d = "answer", m.Answer
	}
	if d == nil {
		return m, nil
	}
	if d.Type != kind || m.PeerID == (binary20{}) || m.OfferID == (binary20{}) {
		return m, fmt.Errorf("read a tracker's message: it has no whole %s", kind)
	}
	if err := checkDescription(d.SDP); err != nil {
		return m, fmt.Errorf("read a peer's %s: %w", kind, err)
	}
	return m, nil
}
