package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// ReceiverReport is what ingest sees, about once a second, of the connection that a
// publish comes by. It is for whoever looks at this moment: the bus keeps none, and any
// may be lost. On the bus it is a JSON object {"v":1,…}; a reader ignores fields that it
// does not know. Counts are of the connection's whole life.
type ReceiverReport struct {
	Epoch Epoch `json:"epoch"` // the publish
	At    int64 `json:"at"`    // Unix milliseconds, by ingest's clock
	// Protocol is by what it comes: "srt".
	Protocol string `json:"protocol"`
	RTT      int64  `json:"rtt_us"`  // the round trip, smoothed, in microseconds
	Bytes    int64  `json:"bytes"`   // received, headers of packets included
	Packets  int64  `json:"packets"` // received, repeated ones included
	Lost     int64  `json:"lost"`    // packets missed at first
	// Retransmitted are packets that came although they had been lost.
	Retransmitted int64 `json:"retransmitted"`
	Dropped       int64 `json:"dropped"` // packets given up: they did not come in time
	// Undecrypted are packets that the connection's key did not fit.
	Undecrypted int64 `json:"undecrypted,omitzero"`
	Buffered    int64 `json:"buffered"`    // bytes that wait for their time
	BufferedFor int64 `json:"buffered_ms"` // how long they play, in milliseconds
	// Latency is how long what arrives waits for what is lost, in milliseconds.
	Latency int64 `json:"latency_ms"`
}

// Time is when it was seen.
func (r ReceiverReport) Time() time.Time { return time.UnixMilli(r.At) }

type receiverWire struct {
	V int `json:"v"`
	ReceiverReport
}

// EncodeReceiverReport writes a report as it stands on the bus.
func EncodeReceiverReport(r ReceiverReport) ([]byte, error) {
	b, err := json.Marshal(receiverWire{factVersion, r})
	if err != nil {
		return nil, fmt.Errorf("encode receiver report: %w", err)
	}
	return b, nil
}

// DecodeReceiverReport reads a report. A version that this build does not know is an
// UnknownFactError.
func DecodeReceiverReport(b []byte) (ReceiverReport, error) {
	var w receiverWire
	if err := json.Unmarshal(b, &w); err != nil {
		return ReceiverReport{}, fmt.Errorf("decode receiver report: %w", err)
	}
	if w.V != factVersion {
		return ReceiverReport{}, fmt.Errorf("decode receiver report: %w", &UnknownFactError{Kind: "receiver", Version: w.V})
	}
	r := w.ReceiverReport
	if r.Protocol == "" || min(r.RTT, r.Bytes, r.Packets, r.Lost, r.Retransmitted, r.Dropped, r.Undecrypted, r.Buffered, r.BufferedFor, r.Latency) < 0 {
		return ReceiverReport{}, fmt.Errorf("decode receiver report: %w", errors.New("no protocol, or a negative figure"))
	}
	return r, nil
}
