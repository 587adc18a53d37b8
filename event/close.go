package event

import (
	"encoding/json"
	"fmt"
)

// FileClosed says that an archive file is complete. It is appended by compare-and-set
// per rendition, so that two packagers cannot close one thing twice.
type FileClosed struct {
	// Envelope is the signed close record, DSSE.
	Envelope json.RawMessage `json:"envelope"`
	// Resume is where its packager goes on after it; of no meaning to anyone else.
	Resume json.RawMessage `json:"resume,omitempty"`
}

const fileClosedVersion = 1

type fileClosedWire struct {
	V int `json:"v"`
	FileClosed
}

// Encode writes the fact as it stands on the bus.
func (f FileClosed) Encode() ([]byte, error) {
	b, err := json.Marshal(fileClosedWire{fileClosedVersion, f})
	if err != nil {
		return nil, fmt.Errorf("encode file closed fact: %w", err)
	}
	return b, nil
}

// DecodeFileClosed reads the fact. A version this build does not know is an
// UnknownFactError.
func DecodeFileClosed(b []byte) (FileClosed, error) {
	var w fileClosedWire
	if err := json.Unmarshal(b, &w); err != nil {
		return FileClosed{}, fmt.Errorf("decode file closed fact: %w", err)
	}
	if w.V != fileClosedVersion {
		return FileClosed{}, &UnknownFactError{Kind: "file_closed", Version: w.V}
	}
	return w.FileClosed, nil
}
